"""A rule book's history: immutable versions in one line, each saying whose it is and what it is based on.

A version is a rule set's digest. The same content may come twice, after a roll-back for instance, so what is
kept is a list of changes, and a version may be the result of several.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import msgspec

from ringfence.errors import ConflictError, InputError, RingfenceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.rulebook.difference import Difference


class Origin(StrEnum):
    """Where a change came from."""

    EDIT = "edit"  # somebody saved it through the command line or the API
    FILE = "file"  # the rule book that the process was started with
    ROLLBACK = "rollback"  # an earlier version once more
    HOST = "host"  # another host put it in force, such as a Flink job


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the book. `number` counts from 1; `based_on` is null for the first.

    `approved` is null while a second person is still to look at it; without `require_approval` the author is
    the reviewer.
    """

    number: int
    digest: str
    based_on: str | None
    author: str
    created_ms: int
    note: str
    origin: Origin
    approved: bool | None = None
    reviewer: str | None = None
    reviewed_ms: int | None = None
    review_note: str | None = None


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """A change that is to be kept: a rule set's digest and canonical text, and the rest as in `Change`."""

    digest: str
    body: str
    based_on: str | None
    author: str
    created_ms: int
    note: str
    origin: Origin


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody says of a change."""

    approved: bool
    reviewer: str
    reviewed_ms: int
    note: str = ""


class Activation(msgspec.Struct, frozen=True, kw_only=True):
    """From `offset` of the log on this version decided; `author` put it in force at `time_ms`.

    The version in force from the beginning has neither.
    """

    digest: str
    offset: int
    time_ms: int | None
    author: str | None
    note: str | None


class StaleError(ConflictError):
    """An edit was based on a version that is not the newest any more. `difference`: based_on to newest."""

    exit_code = 2

    def __init__(self, message: str, difference: Difference) -> None:
        super().__init__(message)
        self.difference = difference


class UnknownVersionError(InputError):
    """No version of the book has this digest."""


class NothingToDoError(InputError):
    """What is asked for is so already, or has nothing to go back to."""


class ApprovalError(RingfenceError):
    """Somebody else has to approve first."""

    exit_code = 2


class RuleHistory(Protocol):
    """Where the changes of the rule book are kept. Any thread may ask."""

    def changes(self) -> list[Change]:
        """All, oldest first."""
        ...

    def add(self, proposed: Proposed, review: Review | None = None) -> Change | None:
        """Keep a change, its text and a review of it, in one transaction, durable on return.

        None, and nothing kept, where `head` of the changes is not `based_on`.
        """
        ...

    def review(self, number: int, review: Review) -> Change | None:
        """Keep what somebody says of the change with this number; None where it was reviewed before."""
        ...

    def body(self, digest: str) -> str | None:
        """Canonical text of a version."""
        ...


def head(changes: Sequence[Change]) -> Change | None:
    """The newest change that nobody rejected: what the next edit is based on."""
    return next((change for change in reversed(changes) if change.approved is not False), None)


def latest_of(changes: Sequence[Change], digest: str) -> Change:
    """The newest change that led to this version; `UnknownVersionError` where there is none."""
    found = [change for change in changes if change.digest.startswith(digest)] if len(digest) >= 4 else []
    if len({change.digest for change in found}) != 1:
        how_many = "several versions begin" if found else "no version of the rule book begins"
        raise UnknownVersionError(
            f"{how_many} with {digest[:40]!r}: `ringfence rules versions` shows them all"
        )
    return found[-1]


def is_approved(changes: Sequence[Change], digest: str) -> bool:
    """Whether this content may be put in force: any change that led to it has been approved."""
    return any(change.digest == digest and change.approved for change in changes)
