"""Changes of the rule book: kept, warned of, and in force at once where that is asked for and allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ringfence.errors import InputError
from ringfence.rulebook.wire import Saved
from ringfence.scoring.books import load_book

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.rulebook.changes import Change
    from ringfence.rulebook.desk import Desk, Who
    from ringfence.scoring.rules import Mode, RuleSet


@dataclass(frozen=True, slots=True)
class RulesDesk:
    """One store's rule book. `guard` makes tokens of card numbers in a text.

    `warnings_on` tells what should be read before rules take effect: what fires always or never, and lists
    that do not exist.
    """

    book: Desk
    guard: Callable[[str], str]
    warnings_on: Callable[[RuleSet], list[str]]

    def save(self, text: str, based_on: str, who: Who, *, activate: bool) -> Saved:
        """Keep the text of a book as a new version; errors as of `Desk.save`.

        Where a second person has to look first, `activate` waits for that: the version is kept.
        """
        ruleset = load_book(self.guard(text.replace("\r\n", "\n")), "the book")
        return self._saved(self.book.save(ruleset, based_on, who), who, activate=activate)

    def set_mode(self, rule_id: str, mode: Mode, based_on: str, who: Who, *, activate: bool) -> Saved:
        """Keep a version in which one rule has another mode; likewise."""
        return self._saved(self.book.set_mode(rule_id, mode, based_on, who), who, activate=activate)

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
        written = load_book((text or "").replace("\r\n", "\n"), "the book")
        self.book.force.vet(written)
        return written

    def _saved(self, change: Change, who: Who, *, activate: bool) -> Saved:
        warnings = self.warnings_on(self.book.ruleset(change.digest))
        activation = self.book.activate_if_approved(change, who) if activate else None
        return Saved(change=change, activation=activation, warnings=warnings)
