"""What analysts do with cases, and how the event log hears of it."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from msgspec.structs import replace

from ringfence.cases import actions, wire
from ringfence.cases.errors import SecondPersonError, UnknownCaseError
from ringfence.cases.files import MOST_FILES, inspected
from ringfence.cases.model import SYSTEM, Attached, Case, Disposition, Proposed, Reported
from ringfence.cases.policy import MINUTE_MS
from ringfence.cases.report import report_xml
from ringfence.cases.rings import take_ring
from ringfence.errors import ConflictError, InputError, RingfenceError
from ringfence.events.decoding.draft import Draft
from ringfence.events.model import AUTHOR, Kind
from ringfence.features.spec import ENTITY_KEYS
from ringfence.rulebook.entries import Entry, to_events
from ringfence.scoring.rulesets.actions import ListKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ringfence.cases.book import CaseBook, CaseQuery, Outgoing, QueueCount, Work
    from ringfence.cases.model import Payment, Subject
    from ringfence.cases.policy import CasePolicy
    from ringfence.events.batch import EventBatch
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.rulebook.desk import Who

LABEL_SOURCE: Final = "case"
"""Source of a label that a disposition made."""

_LOGGER: Final = logging.getLogger(__name__)
SHOWN_PAYMENTS: Final = 500
_KEY: Final = re.compile(r"\bkey:[0-9A-Za-z]+")
_AT_ONCE: Final = 200  # overdue cases of one transaction


@dataclass(frozen=True, slots=True)
class CaseDesk:
    """The cases of one store, for one edge or another.

    Attributes:
        guard: makes tokens of card numbers in a text.
        person: names whoever signed something.
    """

    book: CaseBook
    policy: CasePolicy
    guard: Callable[[str], str]
    person: Callable[[str], str] = str

    @contextmanager
    def _work(self) -> Iterator[Work]:
        """A transaction whose refusals name people, not their keys."""
        try:
            with self.book.work() as work:
                yield work
        except ConflictError as error:
            error.args = (_KEY.sub(lambda found: self.person(found[0]), str(error)),)
            raise

    def view(self, case_id: str, *, with_reports: bool = False) -> wire.CaseView:
        """A case with its newest payments and its history; `UnknownCaseError`.

        That suspicious-activity reports were made is left out unless `with_reports`: only who may make them
        may know.
        """
        case = self.book.case(_norm(case_id))
        events, payments = self.book.events(case.id), self.book.payments(case.id, SHOWN_PAYMENTS)
        return wire.CaseView(
            case=case,
            payments=payments,
            events=[one for one in events if with_reports or not isinstance(one.change, Reported)],
            about=self.policy.about(case, payments),
        )

    def page(self, query: CaseQuery, now_ms: int) -> wire.CasePage:
        """Cases where every condition holds."""
        return wire.CasePage(total=self.book.count(query, now_ms), cases=self.book.cases(query, now_ms))

    def queues(self, now_ms: int) -> list[QueueCount]:
        """What waits, by queue."""
        return self.book.queues(now_ms)

    def next(self, asked: wire.NextCase, who: Who) -> Case | None:
        """Hand the most urgent case to the caller for a while; None where none is ready."""
        _check(who)
        if asked.queue is not None and asked.queue not in self.policy.queue_names():
            raise InputError(
                f"there is no queue {asked.queue!r}: queues are {', '.join(self.policy.queue_names())}"
            )
        with self._work() as work:
            if asked.passing is not None:
                case = work.case(_norm(asked.passing.id), asked.passing.version)
                if case.is_live and case.holder(who.now_ms) == who.name:
                    actions.release(work, self.policy, case, who.name, who.now_ms)
            return actions.hand_out(work, self.policy, asked.queue, who.name, who.now_ms)

    def open(self, payment: Payment, who: Who) -> Case:
        """Open a case on a payment, or have it join its customer's; `CaseStateError` where it is in one."""
        _check(who)
        with self._work() as work:
            return actions.open_by_hand(work, self.policy, payment, who.name, who.now_ms)

    def act(self, case_id: str, asked: wire.Action, who: Who) -> Case:
        """Do what is asked; the case after it. Errors as of `cases.errors`, and `InputError`."""
        _check(who)
        with self._work() as work:
            case = work.case(_norm(case_id), asked.version)
            return _perform(asked, _At(self, work, case, who))

    def bulk(self, asked: wire.Bulk, who: Who) -> list[wire.BulkResult]:
        """Do the same to many cases, each by itself: what one is refused harms no other."""
        found = []
        for seen in asked.cases:
            try:
                case = self.act(seen.id, replace(asked.act, version=seen.version), who)
            except RingfenceError as error:
                found.append(wire.BulkResult(id=seen.id, status="refused", problem=str(error)))
            else:
                found.append(wire.BulkResult(id=case.id, status="done", version=case.version))
        return found

    def attach(self, case_id: str, version: int, name: str, body: bytes, who: Who) -> Case:
        """Attach a file; the case after it. `InputError` for one that may not be kept, or one too many."""
        _check(who)
        file = inspected(self.guard(name), body)
        with self._work() as work:
            case = work.case(_norm(case_id), version)
            kept = [one for one in self.book.events(case.id) if isinstance(one.change, Attached)]
            if len(kept) >= MOST_FILES:
                raise InputError(f"case {case.id} has {MOST_FILES} files already, which is the most")
            work.keep_file(file.sha256, file.body)
            added = Attached(
                name=file.name, media_type=file.media_type, size=len(file.body), sha256=file.sha256
            )
            return work.append(case.id, added, who.name, who.now_ms)

    def file(self, case_id: str, sha256: str) -> tuple[Attached, bytes]:
        """A file of a case with its content; `UnknownCaseError` where it has none of this hash."""
        for event in self.book.events(self.book.case(_norm(case_id)).id):
            if isinstance(event.change, Attached) and event.change.sha256 == sha256:
                body = self.book.file(sha256)
                if body is not None:
                    return event.change, body
        raise UnknownCaseError(f"case {case_id[:20]} has no such file")

    def report(
        self,
        case_id: str,
        who: Who,
        laid_out: Callable[[bytes], bytes] = bytes,
        named: Callable[[str], str] = str,
    ) -> bytes:
        """A suspicious-activity report of a case as `laid_out` makes it of XML; its making is on record.

        `named` as of `report_xml`.

        `CaseStateError` unless the case is closed as confirmed fraud, `StaleCaseError` where it changes
        meanwhile. A report that could not be made is not on record.
        """
        _check(who)
        with self.book.work() as work:
            case = work.case(_norm(case_id))
            events = self.book.events(case.id)
            payments = work.payments(case.id)
        reporting = self.policy.reporting
        found = laid_out(report_xml(case, payments, events, reporting, who.name, who.now_ms, named))
        with self.book.work() as work:
            work.append(work.case(case.id, case.version).id, Reported(), who.name, who.now_ms)
        return found

    def ring(self, members: Sequence[Subject], alert: str, title: str, now_ms: int) -> Case | None:
        """The case of a ring that was found, or has grown; see `cases.rings.take_ring`."""
        with self.book.work() as work:
            return take_ring(work, self.policy, members, alert, self.line(title), now_ms)

    def is_cleared(self, members: Sequence[Subject], alert: str, since_ms: int) -> bool:
        """Whether a case of an alert, of one of these, was closed as a false positive since then."""
        with self.book.work() as work:
            closed = [work.latest_closed_of(one) for one in members]
        found = [case.finding for case in closed if case is not None and alert in case.alerts]
        return any(
            one is not None and one.disposition is Disposition.FALSE_POSITIVE and one.at_ms > since_ms
            for one in found
        )

    def sweep(self, now_ms: int) -> int:
        """Do what the policy says to overdue cases; how many those were, at most a few hundred at once."""
        if self.policy.on_overdue == "nothing" or not self.book.is_any_due(now_ms):
            return 0
        with self.book.work() as work:
            due = work.due(now_ms, _AT_ONCE)
            done = [actions.overdue(work, self.policy, case, now_ms) for case in due]
        return len([case for case in done if case is not None])

    def text(self, text: str) -> str:
        """As it is kept: without control characters, and with tokens for card numbers."""
        return self.guard(re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", text.replace("\r\n", "\n")).strip())

    def line(self, text: str) -> str:
        """Likewise, on one line."""
        return re.sub(r"\s+", " ", self.text(text))

    def deliver(self, tokenizer: Tokenizer, put: Callable[[EventBatch], object]) -> int:
        """Have the event log take what closed cases say; how many labels and list entries that were.

        `put` appends events, durable on return. Each has an id that never changes: what a crash makes come
        twice is a duplicate.
        """
        count = 0
        while waiting := self.book.outgoing():
            for events in _events(waiting, self.policy, tokenizer):
                put(events)
            self.book.delivered([one.id for one in waiting])
            count += len(waiting)
        return count


@dataclass(frozen=True, slots=True)
class _At:
    """A case inside a transaction, and who does something with it."""

    desk: CaseDesk
    work: Work
    case: Case
    who: Who

    @property
    def by(self) -> tuple[str, int]:
        return self.who.name, self.who.now_ms


@singledispatch
def _perform(asked: wire.Do, _at: _At) -> Case:
    raise InputError(f"a case cannot do {type(asked).__name__}")


@_perform.register
def _(asked: wire.Assign, at: _At) -> Case:
    to = at.desk.line(asked.to or "") or at.who.name
    return actions.assign(at.work, at.case, to, *at.by)


@_perform.register
def _(_asked: wire.Release, at: _At) -> Case:
    return actions.release(at.work, at.desk.policy, at.case, *at.by)


@_perform.register
def _(asked: wire.Note, at: _At) -> Case:
    return actions.note(at.work, at.case, at.desk.text(asked.text), *at.by)


@_perform.register
def _(asked: wire.Snooze, at: _At) -> Case:
    until_ms = at.who.now_ms + asked.minutes * MINUTE_MS
    return actions.snooze(at.work, at.case, until_ms, at.desk.line(asked.reason), *at.by)


@_perform.register
def _(_asked: wire.Wake, at: _At) -> Case:
    return actions.wake(at.work, at.case, *at.by)


@_perform.register
def _(asked: wire.Escalate, at: _At) -> Case:
    return actions.escalate(at.work, at.case, at.desk.line(asked.reason), *at.by)


@_perform.register
def _(asked: wire.Move, at: _At) -> Case:
    return actions.move(at.work, at.desk.policy, at.case, asked.queue, *at.by)


@_perform.register
def _(asked: wire.Merge, at: _At) -> Case:
    other = at.work.case(_norm(asked.other), asked.other_version)
    return actions.merge(at.work, at.case, other, *at.by)


@_perform.register
def _(_asked: wire.Unmerge, at: _At) -> Case:
    return actions.unmerge(at.work, at.case, *at.by)


@_perform.register
def _(asked: wire.Split, at: _At) -> Case:
    return actions.split(at.work, at.case, asked.payments, *at.by)


@_perform.register
def _(asked: wire.Close, at: _At) -> Case:
    if unknown := [kind for kind in asked.block if kind not in ENTITY_KEYS]:
        raise InputError(f"{unknown[0]!r} cannot be blocked: choose of {', '.join(ENTITY_KEYS)}")
    case = at.case
    if asked.note.strip():
        case = actions.note(at.work, case, at.desk.text(asked.note), *at.by)
    proposal = Proposed(
        disposition=asked.disposition, typology=asked.typology, payments=asked.payments, block=asked.block
    )
    return actions.close(at.work, at.desk.policy, case, proposal, *at.by)


@_perform.register
def _(_asked: wire.Approve, at: _At) -> Case:
    times = [one.at_ms for one in at.desk.book.events(at.case.id) if isinstance(one.change, Proposed)]
    if at.case.proposed_by is not None and (
        why := at.who.same_hand(at.case.proposed_by, max(times, default=0))
    ):
        raise SecondPersonError(f"case {at.case.id}: {why}")
    return actions.approve(at.work, at.case, *at.by)


@_perform.register
def _(asked: wire.Reject, at: _At) -> Case:
    return actions.reject(at.work, at.case, at.desk.line(asked.reason), *at.by)


@_perform.register
def _(asked: wire.Reopen, at: _At) -> Case:
    return actions.reopen(at.work, at.desk.policy, at.case, at.desk.line(asked.reason), *at.by)


def _events(waiting: Sequence[Outgoing], policy: CasePolicy, tokenizer: Tokenizer) -> list[EventBatch]:
    """Labels, then list entries by their author."""
    found = []
    labels = [one for one in waiting if one.label is not None]
    if labels:
        events = _labels(labels, tokenizer)
        if len(events) < len(labels):
            _LOGGER.error("%d labels of cases cannot be events of the log", len(labels) - len(events))
        found.append(events)
    blocked = [one for one in waiting if one.subject is not None]
    for one in blocked:
        assert one.subject is not None
        entry = Entry(one.subject.entity_id, one.subject.entity_type, None, None, one.note, LABEL_SOURCE)
        events, _ = to_events(
            [entry], policy.block_list, ListKind.BLOCK, author=one.by, now_ms=one.at_ms, tokenizer=tokenizer
        )
        if len(events):
            found.append(events)
    return found


def _unguessed(event_id: str, tokenizer: Tokenizer) -> str:
    """An id that stays the same and that nobody can send before: the later one of two would be refused."""
    return f"{event_id}-{tokenizer.seed(event_id):032x}"[: len(event_id) + 13]


def _labels(labels: Sequence[Outgoing], tokenizer: Tokenizer) -> EventBatch:
    draft = Draft(Kind.LABEL, len(labels), tokenizer, max(one.at_ms for one in labels))
    texts = {
        "transaction_id": [one.transaction_id for one in labels],
        "event_id": [_unguessed(one.id, tokenizer) for one in labels],
        "label_source": [LABEL_SOURCE] * len(labels),
        "note": [one.note for one in labels],
        AUTHOR: [one.by for one in labels],
    }
    for name, values in texts.items():
        draft.text(name, pa.array(values, pa.string()))
    draft.boolean("label", pa.array([one.label for one in labels], pa.bool_()))
    draft.time("event_time_ms", pa.array([one.at_ms for one in labels], pa.int64()), "epoch_ms")
    events, _ = draft.finish()
    return events


def _check(who: Who) -> None:
    if who.name == SYSTEM:
        raise InputError(f"nobody may work on cases under the name {SYSTEM!r}: make a key with another name")


def _norm(case_id: str) -> str:
    return case_id.strip().upper()
