"""Changes of the rule book: kept, and in force at once where that is asked for and allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from ringfence.desks.confirming import Sealing, demand_confirmation, demand_sheet
from ringfence.errors import InputError
from ringfence.rulebook.desk import with_mode
from ringfence.rulebook.wire import Saved
from ringfence.scoring.rulesets.outcomes import Mode

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.decisions.impact import Impact
    from ringfence.desks.confirming import ChangeLimits
    from ringfence.desks.seals import Seals
    from ringfence.rulebook.changes import Activation
    from ringfence.rulebook.desk import Desk, Who
    from ringfence.rulebook.wire import ImpactOf
    from ringfence.scoring.rulesets.ruleset import RuleSet


@dataclass(frozen=True, slots=True)
class RulesDesk:
    """One store's rule book. `guard` makes tokens of card numbers in a text, `read` makes rules of it.

    `impact_of` tells what rules would do to recent payments; beyond the `limits` a change takes effect only
    with `confirm`, the first digits of the version (`UnconfirmedError`). With `seals`, as on a server, every
    change of what decides takes the seal of its sheet instead. Answers have no warnings yet: no change waits
    for its rules to be measured.
    """

    book: Desk
    guard: Callable[[str], str]
    read: Callable[[str], RuleSet]
    impact_of: Callable[[RuleSet], Impact]
    limits: ChangeLimits
    seals: Seals | None = None

    def save(self, text: str, based_on: str, who: Who, *, activate: bool, confirm: str = "") -> Saved:
        """Keep the text of a book as a new version; errors as of `Desk.save`.

        Where a second person has to look first, `activate` waits for that: the version is kept. Where a
        confirmation is missing, nothing is kept.
        """
        ruleset = self.read(self.guard(text.replace("\r\n", "\n")))
        return self._saved(ruleset, based_on, who, activate=activate, confirm=confirm)

    def set_mode(
        self, rule_id: str, mode: Mode, based_on: str, who: Who, *, activate: bool, confirm: str = ""
    ) -> Saved:
        """Keep a version in which one rule has another mode; likewise."""
        ruleset = with_mode(self.book.ruleset(self.book.resolve(based_on)), rule_id, mode)
        return self._saved(ruleset, based_on, who, activate=activate, confirm=confirm)

    def activate(self, digest: str, who: Who, confirm: str = "") -> Activation:
        """Put a version in force; errors as of `Desk.activate`."""
        digest = self.book.resolve(digest)
        if digest != self.book.force.active():
            self._demand(self.book.ruleset(digest), confirm)
        return self.book.activate(digest, who)

    def roll_back(self, who: Who, to: str | None, confirm: str = "") -> Activation:
        """Put an earlier version in force again; errors as of `Desk.roll_back`."""
        digest = self.book.target_of_rollback(to)
        if digest != self.book.force.active():
            self._demand(self.book.ruleset(digest), confirm)
        return self.book.roll_back(who, to)

    def proposed(self, text: str, based_on: str) -> Impact:
        """What a text would do if it were saved on `based_on` and put in force; errors as of `save`."""
        ruleset = self.read(self.guard(text.replace("\r\n", "\n")))
        self.book.check(ruleset, based_on)
        return self._sheet(ruleset)

    def impact(self, asked: ImpactOf) -> Impact:
        """What a version, a text, a rollback or another mode of a rule would do to recent payments.

        `InputError` unless one of them is asked for; errors as of `on_trial` and `set_mode`.
        """
        if asked.rollback:
            return self._sheet(self.book.ruleset(self.book.target_of_rollback(asked.version)))
        if (asked.rule is None) != (asked.mode is None):
            raise InputError("give the rule and the mode together")
        if asked.rule is not None and asked.mode is not None:
            based_on = self.book.ruleset(self.book.resolve(asked.version or "head"))
            return self._sheet(with_mode(based_on, asked.rule, asked.mode))
        if asked.text is not None and asked.version is None:
            written = self.read(asked.text.replace("\r\n", "\n"))
            self.book.force.vet(written, self.book.ruleset(self.book.resolve("head")))
            return self._sheet(written)
        return self._sheet(self.on_trial(asked.version, asked.text))

    def on_trial(self, version: str | None, text: str | None) -> RuleSet:
        """The rules that a backtest is to try: a kept version, or a text that nobody has saved.

        `InputError` unless it is one of the two. `RuleError` where they do not compile, or a condition that
        nobody has kept yet can never be true.
        """
        if bool(version) == bool(text):
            raise InputError("give the version of a rule set, or the text of one")
        if version:
            kept = self.book.ruleset(self.book.resolve(version))
            self.book.force.fit(kept)
            return kept
        written = self.read((text or "").replace("\r\n", "\n"))
        self.book.force.vet(written)
        return written

    def _saved(self, ruleset: RuleSet, based_on: str, who: Who, *, activate: bool, confirm: str) -> Saved:
        if activate and not self.book.require_approval:
            self.book.check(ruleset, based_on)
            self._demand(ruleset, confirm)
        change = self.book.save(ruleset, based_on, who)
        activation = self.book.activate_if_approved(change, who) if activate else None
        return Saved(change=change, activation=activation, warnings=[])

    def _demand(self, ruleset: RuleSet, confirm: str) -> None:
        sealing = self._sealing()
        if sealing is None:
            demand_confirmation(self.impact_of(ruleset), self.limits, confirm)
        elif not sealing.holds(confirm, ruleset.digest) and self._decides_otherwise(ruleset):
            demand_sheet(self.impact_of(ruleset), self.limits, sealing, confirm)

    def _sheet(self, ruleset: RuleSet) -> Impact:
        told, sealing = self.impact_of(ruleset), self._sealing()
        return told if sealing is None else sealing.sealed(told, self.limits)

    def _sealing(self) -> Sealing | None:
        return None if self.seals is None else Sealing(self.seals, self.book.force.active())

    def _decides_otherwise(self, ruleset: RuleSet) -> bool:
        """Whether anything but drafts and shadow rules differs from what is in force."""
        now = self.book.ruleset(self.book.force.active())
        return _deciding(now) != _deciding(ruleset)


def _deciding(ruleset: RuleSet) -> RuleSet:
    active = tuple(rule for rule in ruleset.rules if rule.mode is Mode.ACTIVE)
    return msgspec.structs.replace(ruleset, rules=active)
