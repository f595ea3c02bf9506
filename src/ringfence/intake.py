"""What enters the log: labels at their time, every id once, the same id with other content refused."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events import codec
from ringfence.events.attributes import as_text
from ringfence.events.bad import BadRecord, Fault, Reason
from ringfence.events.ids.seen import SeenIds
from ringfence.events.model import BIN_FIELDS, EVENT_SCHEMA, OTHER_ATTRIBUTES, Kind
from ringfence.events.schedule import Schedule
from ringfence.events.values.times import format_ms
from ringfence.ports import EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.ports import EventLog

_SALT_OF: Final = {  # kept in the table of seen ids, so never changed; a payment's id has none
    Kind.TRANSACTION: 0,
    Kind.LABEL: 0x51ED270B,
    Kind.PROFILE: 0x2545F491,
    Kind.LIST_ENTRY: 0x6C078965,
    Kind.FLAG: 0x5D588B65,
    Kind.ACTIVATION: 0x1B873593,
    Kind.LIFECYCLE: 0x38B34AE5,
}
_SALTS: Final = np.array([_SALT_OF[kind] for kind in sorted(Kind)], np.int64) << 21
_TIMES = frozenset({"event_time_ms", "effective_at_ms", "expires_at_ms"})
_NOT_GIVEN = frozenset({"ingest_time_ms", "card_last4"})  # no event comes with these
_NOT_CONTENT = frozenset({"ingest_time_ms", *BIN_FIELDS})  # events of before have no BIN
_IN_FLIGHT = 32  # batches admitted but perhaps not yet committed, to be compared with from memory


@dataclass(frozen=True, slots=True)
class Admitted:
    """What of a batch is new.

    Attributes:
        events: the new events, in order, to be logged from the current end of the log on.
        offsets: per row of the batch as it was ordered (`rows`), its offset in the log; -1 for a conflict.
        rows: the batch with due labels in their places.
        duplicates: rows that the log has already, with equal content.
        conflicts: rows whose id the log has with other content, as bad records.
        own: the places of the batch's own rows among `rows`, in order.
    """

    events: EventBatch
    rows: EventBatch
    offsets: NDArray[np.int64]
    duplicates: int
    conflicts: list[BadRecord]
    own: NDArray[np.int64]


class Intake:
    """The door to one log. `seen` and the schedule are part of the state that snapshots keep."""

    def __init__(self, log: EventLog, seed: int) -> None:
        self._log = log
        self._seed = seed
        self.seen = SeenIds()
        self.schedule = Schedule()
        self._stored = lru_cache(maxsize=8)(self._read)
        self._latest: deque[tuple[int, EventBatch]] = deque(maxlen=_IN_FLIGHT)

    def admit(self, events: EventBatch, labels: EventBatch | None, base: int) -> Admitted:
        """Order, then keep what is new; the first new event will have offset `base`."""
        if labels is not None:
            self.schedule.add(labels)
        rows, own = self.schedule.place(events)
        return self._admit(rows, base, own)

    def admit_now(self, rows: EventBatch, base: int) -> Admitted:
        """The same for events that take effect as they stand."""
        return self._admit(rows, base, np.arange(len(rows)))

    def enter(self, events: EventBatch, offset: int) -> EventBatch:
        """Those of some events made here whose ids are new, to be logged from `offset` on."""
        return events.take(self.seen.admit(self._ids(events), offset) < 0)

    def moved(
        self, admitted: Admitted, base: int, put: Sequence[tuple[int, int]], logged: EventBatch
    ) -> Admitted:
        """What was admitted at `base`, once other events have been put between its new ones.

        `put` are the places among the new events, each with how many have come before it; `logged` is all of
        it in order.
        """
        if not put:
            return admitted
        places, counts = np.array(put, np.int64).T
        behind = np.append(0, np.cumsum(counts))
        fresh = np.arange(len(admitted.events))
        after = fresh + behind[np.searchsorted(places, fresh, side="right")]
        self.seen.move(self._ids(admitted.events), base + fresh, base + after)
        self._latest[-1] = (base, logged)
        self._stored.cache_clear()
        offsets = admitted.offsets.copy()
        here = offsets >= base
        offsets[here] = base + after[offsets[here] - base]
        conflicts = [
            _conflict(admitted.rows, row, at if at < base else base + int(after[at - base]))
            for row, at in zip(np.flatnonzero(offsets < 0).tolist(), _places(admitted), strict=True)
        ]
        return replace(admitted, offsets=offsets, conflicts=conflicts)

    def _admit(self, rows: EventBatch, base: int, own: NDArray[np.int64]) -> Admitted:
        hashes = self._ids(rows)
        found = self.seen.admit(hashes, base)
        known = np.flatnonzero(found >= 0)
        if not len(known):
            self._latest.append((base, rows))
            return Admitted(rows, rows, base + np.arange(len(rows)), 0, [], own)
        fresh = self._kept_at_hand(rows, found, base)
        differs, strange = self._compared(rows, known, found[known])
        if strange.any():
            found = self._told_apart(rows, hashes, found, known[strange], base)
            self._latest.pop()
            self._stored.cache_clear()
            known = np.flatnonzero(found >= 0)
            fresh = self._kept_at_hand(rows, found, base)
            differs, _ = self._compared(rows, known, found[known])
        offsets = found.copy()
        offsets[found < 0] = base + np.arange(len(fresh))
        conflicts = [_conflict(rows, int(row), int(found[row])) for row in known[differs]]
        offsets[known[differs]] = -1
        return Admitted(fresh, rows, offsets, len(known) - len(conflicts), conflicts, own)

    def absorb(self, events: EventBatch, base: int) -> None:
        """Remember the ids of events that the log holds from offset `base` on."""
        hashes = self._ids(events)
        found = self.seen.admit(hashes, base)
        if (found >= 0).any():  # ids that share a hash: all of them are events of their own here
            self.seen.correct(hashes, found, base + np.arange(len(hashes)), base)

    def _kept_at_hand(self, rows: EventBatch, found: NDArray[np.int64], base: int) -> EventBatch:
        """The new rows; the next ones are compared with them although the log may not have them yet."""
        fresh = rows.take(found < 0)
        self._latest.append((base, fresh))
        return fresh

    def _told_apart(
        self,
        rows: EventBatch,
        hashes: NDArray[np.int64],
        found: NDArray[np.int64],
        strangers: NDArray[np.int64],
        base: int,
    ) -> NDArray[np.int64]:
        """What is found once ids, not their hashes, are compared; the table of seen ids follows.

        `strangers` are rows whose hash belongs to another id. Among a billion ids there is one such pair with
        a chance of 3 %, so this goes row by row.
        """
        result, offsets = found.copy(), np.full(len(found), -1)
        now_at: dict[int, int] = {}  # offset that a new row was given at first -> its offset
        new: dict[tuple[int, str], int] = {}  # strangers of this batch
        strange, first, offset = set(strangers.tolist()), base, base
        for row in range(len(rows)):
            if row in strange:
                identity = _identity(rows, row)
                known = new.get(identity, self._offset_of(identity, int(hashes[row]), base))
                result[row] = known
                if known < 0:
                    new[identity] = offsets[row] = offset
                    offset += 1
            elif found[row] < 0:
                now_at[first] = offsets[row] = offset
                first, offset = first + 1, offset + 1
            elif found[row] >= base:
                result[row] = now_at[int(found[row])]
        self.seen.correct(hashes, found, offsets, base)
        return result

    def _offset_of(self, identity: tuple[int, str], id_hash: int, end: int) -> int:
        """Offset before `end` of the event of this identity, -1 where the log has none."""
        for offset in self.seen.offsets_of(id_hash):
            if offset < end:
                start, _, stored = self._stored(offset)
                if stored is not None and _identity(stored, offset - start) == identity:
                    return offset
        return -1

    def _ids(self, events: EventBatch) -> NDArray[np.int64]:
        return identity_hashes(events, self._seed)

    def _compared(
        self, rows: EventBatch, known: NDArray[np.int64], found: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which of the known rows differ from the events at the offsets found, and which have another id."""
        differs, strange = np.zeros(len(known), np.bool_), np.zeros(len(known), np.bool_)
        todo = np.arange(len(known))
        while len(todo):
            start, stop, stored = self._stored(int(found[todo[0]]))
            here = (found[todo] >= start) & (found[todo] < stop)
            members = todo[here]
            if stored is not None:
                ours, theirs = rows.take(known[members]), stored.take(found[members] - start)
                differs[members] = unequal = _unequal(ours, theirs)
                for at in np.flatnonzero(unequal).tolist():
                    strange[members[at]] = _identity(ours, at) != _identity(theirs, at)
            todo = todo[~here]
        return differs, strange

    def _read(self, offset: int) -> tuple[int, int, EventBatch | None]:
        """The stored batch that holds an offset, with its bounds; None where retention has taken it."""
        for base, events in self._latest:
            if base <= offset < base + len(events):
                return base, base + len(events), events
        if offset < self._log.start_offset(EVENTS):
            return offset, offset + 1, None
        batch = next(iter(self._log.read(EVENTS, offset)))
        return batch.base_offset, batch.next_offset, codec.decode(batch.payload)

    def pending(self) -> EventBatch | None:
        """Labels that are not due yet."""
        held = self.schedule.drain()
        if held is not None:
            self.schedule.add(held, with_next=False)
        return held

    def resume(self, pending: EventBatch | None, now_ms: int | None) -> None:
        """Hold what was pending; the stream has got to `now_ms`."""
        self.schedule = Schedule(now_ms)
        if pending is not None:
            self.schedule.add(pending, with_next=False)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """State for a snapshot; the schedule is stored beside the log."""
        return self.seen.arrays()


def identity_hashes(events: EventBatch, seed: int) -> NDArray[np.int64]:
    """Hash of each event's identity, 0 for one without."""
    ids = events.hashes("transaction_id", seed)
    if events.only_payments:
        return ids
    others = ~events.is_transaction
    own = events.hashes("event_id", seed)
    salted = np.where(own == 0, 0, own ^ _SALTS[events.kind])
    return np.where(others, salted, ids)


def _places(admitted: Admitted) -> list[int]:
    """Of each conflict the offset of the event that came before it."""
    return [conflict.position for conflict in admitted.conflicts]


def _identity(events: EventBatch, row: int) -> tuple[int, str]:
    """What an event is known by: its kind and its id."""
    kind = int(events.kind[row])
    name = "transaction_id" if kind == Kind.TRANSACTION else "event_id"
    return kind, events.column(name)[row].as_py()


def _unequal(one: EventBatch, other: EventBatch) -> NDArray[np.bool_]:
    """Row by row, whether any field but the time of receipt differs."""
    names = (set(one.table.schema.names) | set(other.table.schema.names)) - _NOT_CONTENT
    result = np.zeros(len(one), np.bool_)
    if _any_mixed(one, other):
        names = {name for name in names if name in EVENT_SCHEMA.names}
        pairs = zip(
            map(one.attributes_of, range(len(one))), map(other.attributes_of, range(len(one))), strict=True
        )
        result |= np.array([_written(left) != _written(right) for left, right in pairs])
    for name in sorted(names):
        left, right = _comparable(one.column(name)), _comparable(other.column(name))
        if left.type != right.type:
            left, right = left.cast(pa.string()), right.cast(pa.string())
        equal = pc.fill_null(pc.equal(left, right), False)
        both_null = pc.and_(pc.is_null(left), pc.is_null(right))
        result |= ~pc.or_(equal, both_null).to_numpy(zero_copy_only=False)
    return result


def _any_mixed(one: EventBatch, other: EventBatch) -> bool:
    """Whether attributes have to be compared value by value."""
    types: dict[str, Any] = {}
    for field in (*one.table.schema, *other.table.schema):
        if field.name == OTHER_ATTRIBUTES or types.setdefault(field.name, field.type) != field.type:
            return True
    return False


def _written(values: dict[str, Any]) -> dict[str, str]:
    """Of values the texts: a source that has a number as text has it as a number elsewhere."""
    return dict(zip(values, as_text(list(values.values())), strict=True))


def _comparable(values: Any) -> Any:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _conflict(rows: EventBatch, row: int, offset: int) -> BadRecord:
    return conflict_of(rows, row, "log", offset)


def conflict_of(rows: EventBatch, row: int, source: str, offset: int | None = None) -> BadRecord:
    """An event whose id came before with other content, at that offset where it is known."""
    record = event_json(rows, row)
    identity = record.get("transaction_id") or record.get("event_id")
    where = "" if offset is None else f" (offset {offset})"
    problem = f"{identity!r} came before with other content{where}: give a correction its own id"
    field = "transaction_id" if "transaction_id" in record else "event_id"
    original = json.dumps(record, ensure_ascii=False, default=str).encode()
    return BadRecord(source, offset or 0, (Fault(Reason.CONFLICT, field, problem),), original)


def event_json(rows: EventBatch, row: int) -> dict[str, Any]:
    """One event as the canonical JSON that it could have come as."""
    given = {name: rows.table.column(name)[row].as_py() for name in rows.table.schema.names}
    given = {name: value for name, value in given.items() if value is not None and name not in _NOT_GIVEN}
    record: dict[str, Any] = {"kind": Kind(given.pop("kind")).name.lower()}
    record |= {
        name.removesuffix("_ms"): format_ms(value) if name in _TIMES else value
        for name, value in given.items()
        if name in EVENT_SCHEMA.names
    }
    attributes = rows.attributes_of(row)
    return record | ({"attributes": attributes} if attributes else {})
