"""What people do with the rule book: look, check, change, approve, put in force, roll back.

Core only: where changes are kept, how a version enters the log and what time it is are given by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from ringfence.errors import InputError, RuleError
from ringfence.events.activation import Part, activation
from ringfence.rulebook.changes import (
    Activation,
    ApprovalError,
    Change,
    NothingToDoError,
    Origin,
    Proposed,
    Review,
    StaleError,
    UnknownVersionError,
    head,
    is_approved,
    latest_of,
)
from ringfence.rulebook.difference import Difference, acting_id, difference
from ringfence.scoring.rulesets.books import dump_book
from ringfence.scoring.rulesets.outcomes import Mode
from ringfence.scoring.rulesets.ruleset import Rule, RuleSet
from ringfence.scoring.rulesets.typologies import Typology

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.events.batch import EventBatch
    from ringfence.rulebook.changes import RuleHistory


T = TypeVar("T", Rule, Typology)


class BookState(msgspec.Struct, frozen=True, kw_only=True):
    """The book as it is. `text` is the rules in force as YAML; both histories have the newest first."""

    active: str
    head: str
    require_approval: bool
    rules: RuleSet
    text: str
    changes: list[Change]
    activations: list[Activation]


class VersionState(msgspec.Struct, frozen=True, kw_only=True):
    """One version. `difference` is null for the first."""

    change: Change
    in_force: bool
    rules: RuleSet
    text: str
    difference: Difference | None


class History(Protocol):
    """What is and was in force: the log, seen from here."""

    def active(self) -> str:
        """Digest of the rules that judge the next event."""
        ...

    def activations(self) -> Sequence[Activation]:
        """Every version that has been in force, from the one in force at the beginning on."""
        ...


class Force(History, Protocol):
    """And how that changes."""

    def fit(self, ruleset: RuleSet) -> None:
        """`RuleError` where these rules do not compile over the features in use."""
        ...

    def vet(self, ruleset: RuleSet, before: RuleSet | None = None) -> None:
        """As `fit`, and `RuleError` where a condition can never be true, unless it is one of `before`."""
        ...

    def put(self, change: EventBatch) -> int:
        """Append an activation to the log, durable on return; its offset."""
        ...


@dataclass(frozen=True, slots=True)
class Who:
    """Who does something, when, and why. `may_approve` where more than editing is allowed.

    `made_by` are who made the key of whoever this is, who made theirs, and so on; `made_ms` is when.
    """

    name: str
    now_ms: int
    note: str = ""
    may_approve: bool = True
    made_by: tuple[str, ...] = ()
    made_ms: int = 0

    def same_hand(self, asked_by: str, asked_ms: int) -> str | None:
        """Why this may be whoever asked, under a second key, who may not approve; None where nothing says so.

        >>> Who("key:b", 9, made_by=("key:a",), made_ms=1).same_hand("key:a", 5)
        'key:a, who asked, made the key that would approve: somebody with a key of another maker has to'
        >>> Who("key:b", 9, made_by=("key:a",), made_ms=1).same_hand("key:c", 5) is None
        True
        """
        if bare(asked_by) in map(bare, self.made_by):
            return (
                f"{asked_by}, who asked, made the key that would approve: somebody with a key of another "
                "maker has to"
            )
        if self.made_ms > asked_ms:
            return (
                "the key that would approve was made after this was asked for: somebody with an older key "
                "has to, or ask again"
            )
        return None


def bare(name: str) -> str:
    """A principal's name: commands sign as `user:NAME` or as NAME."""
    return name.removeprefix("user:")


@dataclass(frozen=True, slots=True)
class RuleBookReader:
    """One project's rule book, for looking at."""

    book: RuleHistory
    force: History
    require_approval: bool = False

    def head(self) -> str | None:
        """The version that the next edit has to name."""
        newest = head(self.book.changes())
        return newest.digest if newest else None

    def ruleset(self, digest: str) -> RuleSet:
        """The rules of a version; `UnknownVersionError` where it is not kept."""
        body = self.book.body(digest)
        if body is None:
            raise UnknownVersionError(
                f"no version {digest[:40]!r} is kept: `ringfence rules versions` shows them all"
            )
        return RuleSet.from_json(body)

    def resolve(self, digest: str) -> str:
        """The whole digest of one that may be shortened, or of `active` or `head`."""
        if digest == "active":
            return self.force.active()
        if digest == "head":
            return self.head() or self.force.active()
        if self.book.body(digest) is not None:
            return digest
        return latest_of(self.book.changes(), digest).digest

    def state(self) -> BookState:
        """The book as it is: what is in force, its history, and what the next edit is based on."""
        active = self.force.active()
        rules = self.ruleset(active)
        return BookState(
            active=active,
            head=self.head() or active,
            require_approval=self.require_approval,
            rules=rules,
            text=dump_book(rules),
            changes=self.book.changes()[::-1],
            activations=list(self.force.activations())[::-1],
        )

    def version(self, digest: str, against: str | None = None) -> VersionState:
        """One version, and what differs from another: the one that it is based on unless named."""
        digest = self.resolve(digest)
        change = latest_of(self.book.changes(), digest)
        rules, before = self.ruleset(digest), self.resolve(against) if against else change.based_on
        return VersionState(
            change=change,
            in_force=digest == self.force.active(),
            rules=rules,
            text=dump_book(rules),
            difference=difference(self.ruleset(before), rules) if before else None,
        )

    def difference(self, before: str, after: str) -> Difference:
        """What changed between two versions."""
        return difference(self.ruleset(self.resolve(before)), self.ruleset(self.resolve(after)))


@dataclass(frozen=True, slots=True)
class Desk(RuleBookReader):
    """One project's rule book. With `require_approval` nothing takes effect that only its author has seen."""

    force: Force

    def save(self, ruleset: RuleSet, based_on: str, who: Who, origin: Origin = Origin.EDIT) -> Change:
        """Keep a new version; nothing takes effect.

        `RuleError` where it does not compile, or has a new condition that can never be true; `StaleError`
        where `based_on` is not the newest version, `NothingToDoError` where nothing changes.
        """
        self.check(ruleset, based_on)
        return self._keep(ruleset, self.resolve(based_on), who, origin)

    def check(self, ruleset: RuleSet, based_on: str) -> None:
        """The errors of `save`, and nothing is kept."""
        based_on = self.resolve(based_on)
        self.force.vet(ruleset, self.ruleset(based_on))
        if based_on == ruleset.digest:
            raise NothingToDoError(f"nothing changes: version {based_on} has this very content")
        if based_on != (self.head() or based_on):
            raise self._stale(based_on)

    def review(self, digest: str, who: Who, *, approve: bool) -> Change:
        """Say yes or no to the newest change of a version. `ApprovalError` for its author's own yes."""
        change = latest_of(self.book.changes(), self.resolve(digest))
        if change.approved is not None:
            said = "approved" if change.approved else "rejected"
            raise NothingToDoError(
                f"version {change.digest} has been {said} by {change.reviewer}: nothing to do"
            )
        own = change.author == who.name
        if (approve and (own or not who.may_approve)) or not (own or who.may_approve):
            raise _needs_another(change.digest)
        if approve and (why := who.same_hand(change.author, change.created_ms)):
            raise ApprovalError(f"version {change.digest}: {why}")
        done = self.book.review(
            change.number,
            Review(approved=approve, reviewer=who.name, reviewed_ms=who.now_ms, note=who.note),
        )
        return done or latest_of(self.book.changes(), change.digest)

    def activate(self, digest: str, who: Who) -> Activation:
        """Put a version in force from the end of the log on. `ApprovalError` until it is approved."""
        digest = self.resolve(digest)
        if digest == self.force.active():
            raise NothingToDoError(f"version {digest} is in force already")
        ruleset, changes = self.ruleset(digest), self.book.changes()
        if self.require_approval and not (who.may_approve and is_approved(changes, digest)):
            raise _needs_another(digest)
        self.force.fit(ruleset)
        batch = activation(Part.RULES, digest, who.now_ms, author=who.name, note=who.note)
        offset = self.force.put(batch)
        return Activation(
            digest=digest, offset=offset, time_ms=who.now_ms, author=who.name, note=who.note or None
        )

    def activate_if_approved(self, change: Change, who: Who) -> Activation | None:
        """Put a change in force at once; None where somebody has to look at it first."""
        return self.activate(change.digest, who) if change.approved else None

    def roll_back(self, who: Who, to: str | None = None) -> Activation:
        """Put an earlier version in force again, that before the present one unless `to` names it.

        What was in force once needs no second look, only somebody who may approve.
        """
        digest = self.target_of_rollback(to)
        if digest == self.force.active():
            raise NothingToDoError(f"version {digest} is in force already")
        if self.require_approval and not (who.may_approve and self._known_good(digest)):
            raise _needs_another(digest)
        newest = self.head()
        if digest != newest:
            self._keep(self.ruleset(digest), newest, who, Origin.ROLLBACK, approved=True)
        return self.activate(digest, who)

    def target_of_rollback(self, to: str | None) -> str:
        """The version that `roll_back` would put in force; `NothingToDoError` where there is none."""
        return self._before() if to is None else self.resolve(to)

    def deploy_file(self, ruleset: RuleSet, who: Who) -> Change | None:
        """Take in the rule book that a process was started with, where it is not the newest version."""
        newest = self.head()
        if newest == ruleset.digest:
            return None
        return self._keep(ruleset, newest, who, Origin.FILE, approved=newest is None or None)

    def take_over(self, ruleset: RuleSet, who: Who) -> bool:
        """Keep rules that another host has put in force; whether they may be in force here as well.

        `StaleError` where somebody else changed the book at the same moment: do it again.
        """
        if all(change.digest != ruleset.digest for change in self.book.changes()):
            self._keep(ruleset, self.head(), who, Origin.HOST)
        return not self.require_approval or is_approved(self.book.changes(), ruleset.digest)

    def _keep(
        self,
        ruleset: RuleSet,
        based_on: str | None,
        who: Who,
        origin: Origin,
        *,
        approved: bool | None = None,
    ) -> Change:
        proposed = Proposed(
            digest=ruleset.digest,
            body=ruleset.to_json(),
            based_on=based_on,
            author=who.name,
            created_ms=who.now_ms,
            note=who.note,
            origin=origin,
        )
        own = Review(approved=True, reviewer=who.name, reviewed_ms=who.now_ms)
        change = self.book.add(proposed, own if approved or not self.require_approval else None)
        if change is None:
            raise self._stale(based_on or "")
        return change

    def _stale(self, based_on: str) -> StaleError:
        newest = self.head() or ""
        found = self.difference(based_on, newest)
        return StaleError(
            f"version {based_on} is not the newest any more, {newest} is (different: "
            f"{', '.join(found.names) or 'the order'}): look at what changed, then edit that version",
            found,
        )

    def _before(self) -> str:
        active = self.force.active()
        earlier = [entry.digest for entry in self.force.activations() if entry.digest != active]
        if not earlier:
            raise NothingToDoError(
                "nothing to roll back to: these rules have been in force from the beginning"
            )
        return earlier[-1]

    def _known_good(self, digest: str) -> bool:
        was_in_force = any(entry.digest == digest for entry in self.force.activations())
        return was_in_force or is_approved(self.book.changes(), digest)


def with_mode(ruleset: RuleSet, rule_id: str, mode: Mode) -> RuleSet:
    """The same book, one rule or typology with another mode. An archived one comes back as a draft first."""
    found = next((rule for rule in ruleset.every_rule if rule.id == rule_id), None)
    if found is None:
        raise InputError(
            f"no rule {rule_id[:80]!r} in version {ruleset.digest}: `ringfence rules show` has all"
        )
    if found.mode is Mode.ARCHIVED and mode is not Mode.DRAFT:
        raise RuleError(f"rule {rule_id!r} is archived: make it a draft first, then look at it again")

    def changed(part: T) -> T:
        return msgspec.structs.replace(part, mode=mode) if acting_id(part) == rule_id else part

    return msgspec.structs.replace(
        ruleset, rules=tuple(map(changed, ruleset.rules)), typologies=tuple(map(changed, ruleset.typologies))
    )


def _needs_another(digest: str) -> ApprovalError:
    return ApprovalError(
        f"version {digest} has to be approved by somebody with the role supervisor or admin, who did not "
        "write it"
    )
