"""From what one step did to the result of each record of each request."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, overload

import msgspec
import numpy as np

from ringfence.api.hot.answer_columns import Bodies
from ringfence.api.http.problems import Refusal, refused_record
from ringfence.events.bad import BadRecord, Fault, Reason, ToldRecord
from ringfence.intake import event_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ringfence.api.hot.answers import Answers
    from ringfence.api.hot.stored import Stored
    from ringfence.decisions.decision import DecisionBatch
    from ringfence.events.batch import EventBatch
    from ringfence.ports.tracing import RequestTrace
    from ringfence.runner import PendingBatch

_LARGE: Final = 16 << 10  # bytes of records
_MOST_FIELDS: Final = 256  # of one record, about

_REMEMBERED: Final = 20_000  # answers kept in memory for retries that come soon
_NOT_A_PAYMENT: Final = "only transactions are decided: send other events to /v1/events"
_ENCODER: Final = msgspec.json.Encoder()


def is_large(lines: Sequence[bytes]) -> bool:
    """Whether records are to be read beside the event loop: a step of others would wait for that."""
    return sum(map(len, lines)) > _LARGE or any(line.count(b":") > _MOST_FIELDS for line in lines)


class Result(NamedTuple):
    """What became of one record. `body` is a JSON object: a decision, an acceptance, or a problem."""

    status: int
    body: bytes
    replayed: bool = False


class Decided(Sequence[Result]):
    """The results of records that were all decided for the first time."""

    __slots__ = ("bodies",)

    def __init__(self, bodies: Bodies) -> None:
        self.bodies = bodies

    def __len__(self) -> int:
        return len(self.bodies)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> Decided: ...
    def __getitem__(self, index: int | slice) -> Result | Decided:
        found = self.bodies[index]
        return Decided(found) if isinstance(found, Bodies) else Result(200, found)


class Accepted(msgspec.Struct, frozen=True):
    """An event is in the log at this offset. A duplicate was there before."""

    offset: int
    duplicate: bool
    status: str = "accepted"


@dataclass(slots=True, eq=False)
class Ticket:
    """One request's records, one JSON object each, and who hears of the result of each, on the event loop."""

    lines: Sequence[bytes]
    source: str  # what a bad record is said to come from
    give: Callable[[Sequence[Result]], None]
    refuse: Callable[[Refusal], None]
    caller: str = ""  # whose it is
    wants_decisions: bool = True  # else other kinds of events are taken too, and only accepted
    first_position: int = 1
    entered: float = 0.0  # by the gate's clock, since when it waits
    bounded: bool = True  # counts among those that may wait; not where the caller waits for results first
    prepared: tuple[EventBatch, list[BadRecord]] | None = None  # decoded already: then a step of its own
    since: float = 0.0  # when it was submitted, in seconds of `time.perf_counter`
    answered: bool = False  # it has heard, of the decision or of the policy's answer at the deadline
    trace: RequestTrace | None = None


@dataclass(slots=True)
class Taken:
    """Tickets that go through one step together."""

    tickets: list[Ticket]
    events: EventBatch  # good records in order
    slots: Sequence[Result | int]  # per line: its result, where known already, or its row in `events`
    bad: list[BadRecord] = field(default_factory=list)


def sort_out(tickets: list[Ticket], events: EventBatch, bad: list[BadRecord]) -> Taken:
    """Which line became which row; lines are numbered through all tickets, from 0."""
    if not bad and events.only_payments:
        return Taken(tickets, events, range(len(events)))
    refused = {record.position: record for record in bad}
    payment = events.is_transaction.tolist()
    kept: list[int] = []
    slots: list[Result | int] = []
    taken = Taken(tickets, events, slots)
    line = row = 0
    for ticket in tickets:
        for position in range(len(ticket.lines)):
            found = refused.get(line)
            line += 1
            if found is not None:
                own = replace(found, source=ticket.source, position=ticket.first_position + position)
                taken.bad.append(own)
                slots.append(_refused(own))
                continue
            if payment[row] or not ticket.wants_decisions:
                slots.append(len(kept))
                kept.append(row)
            else:
                slots.append(_not_a_payment())
            row += 1
    if len(kept) < len(events):
        taken.events = events.take(np.array(kept, np.int64))
    return taken


class Resolver:
    """Gives each record its result once its step is durable. On the committing thread only.

    `published` hears of every step's decisions and events.
    """

    def __init__(
        self,
        answers: Answers,
        stored: Stored,
        published: Callable[[DecisionBatch, EventBatch, Sequence[bytes]], None],
    ) -> None:
        self._answers = answers
        self._stored = stored
        self._published = published
        self._recent: OrderedDict[int, bytes] = OrderedDict()
        self._large: deque[tuple[NDArray[np.int64], Bodies]] = deque()  # the same, of steps of many rows

    def resolve(self, taken: Taken, work: PendingBatch) -> list[Sequence[Result]]:
        """Results of each ticket, in the order of its lines."""
        bodies = self.remember(work)
        if len(bodies) == len(taken.slots) and _all_new(taken, work):
            if isinstance(bodies, Bodies) and len(taken.tickets) == 1:
                return [Decided(bodies)]
            given = map(partial(Result, 200), bodies)
            return [list(islice(given, len(ticket.lines))) for ticket in taken.tickets]
        rows = self._rows(taken, work)
        slots = iter(taken.slots)
        return [
            [
                self._result(rows[slot], ticket) if isinstance(slot, int) else slot
                for slot in islice(slots, len(ticket.lines))
            ]
            for ticket in taken.tickets
        ]

    def remember(self, work: PendingBatch) -> Sequence[bytes]:
        """The answers of a step, kept for retries; everybody who listens hears of it."""
        decisions = work.step.decisions
        if decisions is None:
            return []
        bodies = self._answers.encode(decisions)
        offsets = decisions.numbers("offset")
        if isinstance(bodies, Bodies):
            self._large.append((offsets, bodies))
            while sum(len(kept) for _, kept in self._large) > _REMEMBERED:
                self._large.popleft()
        else:
            self._recent.update(zip(offsets.tolist(), bodies, strict=True))
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        self._published(decisions, work.admitted.events, bodies)
        return bodies

    def _rows(self, taken: Taken, work: PendingBatch) -> list[Row]:
        admitted = work.admitted
        offsets = admitted.offsets[admitted.own].tolist()
        payments = taken.events.is_transaction.tolist()
        refused = np.flatnonzero(admitted.offsets < 0).tolist()
        conflicts = dict(zip(refused, admitted.conflicts, strict=True))
        seen: set[int] = set()
        rows = []
        for row, offset in enumerate(offsets):
            if offset < 0:
                problem = self._conflict(taken.events, row, conflicts[int(admitted.own[row])].position)
                rows.append(Row(-1, repeated=False, is_payment=False, problem=problem))
                continue
            rows.append(Row(offset, offset < work.base or offset in seen, payments[row]))
            seen.add(offset)
        return rows

    def _result(self, row: Row, ticket: Ticket) -> Result:
        if row.problem is not None:
            return row.problem
        if not ticket.wants_decisions:
            return Result(202, _ENCODER.encode(Accepted(row.offset, row.repeated)))
        body = self._recall(row.offset)
        if body is None:
            body = self._look_up(row.offset)
        if body is None:
            return _refusal(_gone())
        return Result(200, body, row.repeated)

    def _recall(self, offset: int) -> bytes | None:
        body = self._recent.get(offset)
        if body is not None:
            return body
        for offsets, bodies in self._large:
            if offsets[0] <= offset <= offsets[-1]:
                place = int(np.searchsorted(offsets, offset))
                return bodies[place] if offsets[place] == offset else None
        return None

    def _look_up(self, offset: int) -> bytes | None:
        found = self._stored.decision_at(offset)
        return None if found is None else self._answers.encode_one(found.batch, found.row)

    def _conflict(self, events: EventBatch, row: int, offset: int) -> Result:
        stored = self._stored.event_at(offset)
        fields = [] if stored is None else _differing(event_json(events, row), event_json(*stored))
        identity = "transaction_id" if events.is_transaction[row] else "event_id"
        detail = (
            f"this {identity} came before with other content (different: {', '.join(fields) or 'unknown'}): "
            "give a correction an id of its own"
        )
        return _refusal(Refusal(409, "conflict", detail, fields=fields))


def _all_new(taken: Taken, work: PendingBatch) -> bool:
    """Whether each line is a payment that the log did not have, and every ticket wants its decision."""
    admitted = work.admitted
    new = not admitted.duplicates and not admitted.conflicts
    return new and isinstance(taken.slots, range) and all(ticket.wants_decisions for ticket in taken.tickets)


class Row(NamedTuple):
    """Where an event stands in the log."""

    offset: int
    repeated: bool
    is_payment: bool
    problem: Result | None = None


def _differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Names of the fields in which two events differ; a value may hold what must not be told."""
    one, other = _flat(one), _flat(other)
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _flat(event: dict[str, Any]) -> dict[str, Any]:
    attributes = {f"attributes.{name}": value for name, value in event.pop("attributes", {}).items()}
    return event | attributes


def _refused(bad: BadRecord) -> Result:
    return Result(422, bad.answer) if isinstance(bad, ToldRecord) else _refusal(refused_record(bad))


def _refusal(refusal: Refusal) -> Result:
    return Result(refusal.status, refusal.body)


def _not_a_payment() -> Result:
    fault = Fault(Reason.WRONG_TYPE, "kind", _NOT_A_PAYMENT)
    return _refusal(refused_record(BadRecord("request", 1, (fault,), b"")))


def _gone() -> Refusal:
    return Refusal(410, "gone", "the decision on this payment is no longer kept in the log")
