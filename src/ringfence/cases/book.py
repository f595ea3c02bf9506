"""Where cases are kept, written for whoever implements it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from ringfence.cases.model import AnyChange, Case, CaseEvent, CaseState, Payment, Subject, Totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What a closed case tells the event log: a label, or a subject for the block list.

    `id` never changes: what is sent twice is taken once.
    """

    id: str
    case: str
    at_ms: int
    by: str
    note: str
    transaction_id: str | None = None
    label: bool | None = None
    subject: Subject | None = None


class CaseQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which cases: all that every condition holds of; `after` is the id of the last one of the page before.

    `order` is `urgency` (the order of the queue), `due` (the earliest first), or `opened`, `changed`,
    `amount` or `loss`, the greatest first.
    """

    states: tuple[CaseState, ...] = (CaseState.OPEN, CaseState.PROPOSED)
    queue: str | None = None
    queues: tuple[str, ...] = ()  # one of these, where there are any
    assignee: str | None = None
    subject: Subject | None = None
    ready: bool | None = None  # not snoozed and not held, or the opposite
    overdue: bool | None = None
    text: str | None = None  # beginning of a case id or of an entity id
    order: str = "urgency"
    limit: int = 50
    skip: int = 0


class QueueCount(msgspec.Struct, frozen=True, kw_only=True):
    """What waits in a queue."""

    queue: str
    ready: int
    resting: int
    held: int  # ready, and some analyst's at the moment
    overdue: int
    loss: float
    oldest_ms: int | None  # since when the one of those that are ready waits that has waited longest


class Work(Protocol):
    """One transaction: nobody else writes until it ends; an error inside takes all of it back."""

    def case(self, case_id: str, seen: int | None = None) -> Case:
        """As it is; `UnknownCaseError`, or `StaleCaseError` where `seen` is no longer its version."""
        ...

    def events(self, case_id: str) -> Sequence[CaseEvent]:
        """What happened to a case, in order."""
        ...

    def new_id(self) -> str:
        """Of the next case."""
        ...

    def append(self, case_id: str, change: AnyChange, by: str, at_ms: int) -> Case:
        """Add an event; the case after it."""
        ...

    def live_case_of(self, subject: Subject) -> Case | None:
        """The one case of a subject that still has to be decided."""
        ...

    def latest_closed_of(self, subject: Subject) -> Case | None:
        """The case of a subject that was closed last."""
        ...

    def has_payment(self, transaction_id: str) -> bool:
        """Whether some case has this payment."""
        ...

    def has_alert(self, alert: str) -> bool:
        """Whether some case has this alert."""
        ...

    def case_of_alert(self, alert: str) -> Case | None:
        """The case that has an alert: that which it was merged into, where it was."""
        ...

    def move_alerts(self, target: str, alerts: Iterable[str]) -> None:
        """These alerts go to another case."""
        ...

    def case_of(self, transaction_id: str) -> Case | None:
        """The case that has a payment."""
        ...

    def payments(self, case_id: str) -> Sequence[Payment]:
        """All payments of a case, oldest first."""
        ...

    def move(self, source: str, target: str, transaction_ids: Iterable[str] | None = None) -> int:
        """Payments go from one case to another: those named, or all. How many that were."""
        ...

    def move_back(self, source: str, origin: str) -> int:
        """The payments of `source` that came from `origin`, or from cases merged into it, go back there."""
        ...

    def totals(self, case_id: str) -> Totals:
        """What the payments of a case come to, counted afresh."""
        ...

    def post(self, outgoing: Iterable[Outgoing]) -> None:
        """What has to reach the event log, once this commits."""
        ...

    def keep_file(self, sha256: str, body: bytes) -> None:
        """The content of a file, under its hash."""
        ...

    def best(self, queue: str | None, analyst: str, now_ms: int) -> Case | None:
        """The case that an analyst should have next, their own ones first; None where none is ready."""
        ...

    def due(self, now_ms: int, limit: int) -> Sequence[Case]:
        """Open and proposed cases that are overdue and not escalated, the oldest first."""
        ...


class CaseBook(Protocol):
    """All cases of a data folder. Any thread and any process may use it."""

    def work(self) -> AbstractContextManager[Work]:
        """A transaction, durable when the block ends."""
        ...

    def case(self, case_id: str) -> Case:
        """As it is; `UnknownCaseError`."""
        ...

    def feed(self, after: int, limit: int = 2000) -> list[tuple[int, CaseEvent, Case]]:
        """Events of all cases in the order in which they came, behind a number: each with its own number.

        The case is as it stands now. Events that a rebuild has taken away are left out.
        """
        ...

    def last_event(self) -> int:
        """The number of the latest event of all cases, 0 where there never was one."""
        ...

    def file(self, sha256: str) -> bytes | None:
        """The content of an attached file."""
        ...

    def cases(self, query: CaseQuery, now_ms: int) -> list[Case]:
        """Those that a query asks for."""
        ...

    def count(self, query: CaseQuery, now_ms: int) -> int:
        """How many those are."""
        ...

    def events(self, case_id: str, after: int = 0) -> list[CaseEvent]:
        """What happened to a case since a version, in order."""
        ...

    def payments(self, case_id: str, limit: int = 1000) -> list[Payment]:
        """The newest payments of a case."""
        ...

    def case_of(self, transaction_id: str) -> Case | None:
        """The case that has a payment."""
        ...

    def queues(self, now_ms: int) -> list[QueueCount]:
        """What waits, by queue."""
        ...

    def is_any_due(self, now_ms: int) -> bool:
        """Whether `Work.due` has any; cheap."""
        ...

    def outgoing(self, limit: int = 500) -> list[Outgoing]:
        """What the event log has not heard yet, in order."""
        ...

    def delivered(self, ids: Iterable[str]) -> None:
        """The log has these."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...

    def closed_by(self, analyst: str, since_ms: int, limit: int) -> list[Case]:
        """Cases that somebody closed since a time, the newest first."""
        ...

    def count_closed_by(self, analyst: str, since_ms: int) -> int:
        """How many those are."""
        ...
