"""The first stage: records of one partition become events, and whatever of them the others need.

What it holds is where the partition has come: its clock and the number of its next chunk.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.clock import believed_times
from ringfence.events.model import Kind
from ringfence.features.cell import shard_of
from ringfence.features.rows import key_hashes
from ringfence.intake import identity_hashes
from ringfence.sharded.changes import decoded
from ringfence.sharded.content import content_hashes
from ringfence.sharded.flagging import remembered_of
from ringfence.sharded.frames import parsed
from ringfence.sharded.merging import BEFORE_ALL, ENDED
from ringfence.sharded.wire import EVENTS, Element, pack, to_bytes

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from numpy.typing import NDArray

    from ringfence.events.bad import BadRecord
    from ringfence.events.batch import EventBatch
    from ringfence.sharded.plan import ShardedPlan

_CURSOR: Final = b"c"
_PLACE: Final = struct.Struct("<qq")


class Door:
    """One partition. `take` wants a frame (`frames`)."""

    def __init__(self, plan: ShardedPlan, partition: int, state: MutableMapping[bytes, bytes]) -> None:
        self._plan = plan
        self._partition = partition
        self._state = state
        self._clock, self._next = BEFORE_ALL, 0
        if _CURSOR in state:
            self._clock, self._next = _PLACE.unpack(state[_CURSOR])

    def take(self, data: bytes) -> list[Element]:
        """A chunk of records. `CorruptError` where it is no frame."""
        found = parsed(data)
        clocks = self._advance(found.append_ms)
        full = np.array([row for row, value in enumerate(found.values) if value is not None], np.int64)
        if not len(full):
            return self._ticked()
        values = [value for value in found.values if value is not None]
        events, rows, bad = decoded(
            self._plan, self._partition, found.offsets[full], found.append_ms[full], values
        )
        out = [Element("quarantine", self._partition, told(one)) for one in bad]
        return out + (self._chunk(events, clocks[full[rows]]) if len(events) else self._ticked())

    def events(self, events: EventBatch, append_ms: NDArray[np.int64]) -> list[Element]:
        """The same for events that have been decoded, each with the time at which its record was appended."""
        clocks = self._advance(append_ms)
        return self._chunk(events, clocks) if len(events) else self._ticked()

    def close(self) -> list[Element]:
        """The partition has ended: nothing of others waits for it any more."""
        self._clock = ENDED
        return self._ticked()

    def _advance(self, append_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        clocks = np.maximum(np.maximum.accumulate(append_ms), self._clock)
        if len(clocks):
            self._clock = int(clocks[-1])
        return clocks

    def _number(self) -> int:
        number = self._next
        self._next += 1
        self._state[_CURSOR] = _PLACE.pack(self._clock, self._next)
        return number

    def _ticked(self) -> list[Element]:
        """A chunk without events: only its clock matters."""
        head = (self._partition, self._number(), self._clock, 0)
        tick = pack(head)
        ids = [Element("ids", shard, tick) for shard in range(self._plan.id_shards)]
        return [*ids, Element("order", 0, tick)]

    def _chunk(self, events: EventBatch, clocks: NDArray[np.int64]) -> list[Element]:
        plan, chunk = self._plan, (self._partition, self._number())
        head = (*chunk, self._clock, len(events))
        kinds = events.kind
        paid = np.flatnonzero(events.is_transaction)
        payments = events if events.only_payments else events.take(paid)
        lane = plan.lane(chunk)
        return [
            *self._for_ids(head, events, clocks, kinds),
            Element("order", 0, self._for_order(head, events, clocks, payments, paid)),
            Element("route", lane, pack((*chunk, 0, len(events)), *self._for_shards(payments, paid))),
            Element("decide", lane, pack((*chunk, EVENTS), to_bytes(events))),
        ]

    def _for_ids(
        self,
        head: tuple[int, ...],
        events: EventBatch,
        clocks: NDArray[np.int64],
        kinds: NDArray[np.uint8],
    ) -> list[Element]:
        """Payments and labels by the id of the payment."""
        plan = self._plan
        ids = events.hashes("transaction_id", plan.seed)
        is_label = kinds == Kind.LABEL
        wanted = events.is_transaction | is_label if plan.labelled else events.is_transaction
        code, said = np.zeros(len(events), np.uint8), content_hashes(events, plan.seed)
        if is_label.any():
            code[is_label] = 1 + fraud_of(events)[is_label]
            said[is_label] = identity_hashes(events.take(is_label), plan.seed)
        columns: list[NDArray[Any]] = [
            clocks,
            ids,
            said,
            events.event_time_ms,
            code,
            *(key_hashes(events, one.keys, plan.seed) for one in plan.labelled),
        ]
        shards = shard_of(ids, plan.id_shards)
        out = []
        for shard in range(plan.id_shards):
            rows = np.flatnonzero(wanted & (shards == shard)).astype(np.int32)
            mine = [column[rows] for column in columns] if len(rows) else []
            out.append(Element("ids", shard, pack(head, *((rows, *mine) if mine else ()))))
        return out

    def _for_order(
        self,
        head: tuple[int, ...],
        events: EventBatch,
        clocks: NDArray[np.int64],
        payments: EventBatch,
        paid: NDArray[np.int64],
    ) -> bytes:
        believed = events.event_time_ms.copy()
        believed[paid] = believed_times(payments)
        recent = remembered_of(events, self._plan.seed)
        columns: list[NDArray[Any]] = [clocks, events.kind, believed, recent]
        if len(paid) < len(events):
            others = np.flatnonzero(~events.is_transaction)
            rest = events.take(others)
            columns += [
                others.astype(np.int32),
                identity_hashes(rest, self._plan.seed),
                content_hashes(rest, self._plan.seed),
                to_bytes(rest),
            ]
        return pack(head, *columns)

    def _for_shards(self, payments: EventBatch, paid: NDArray[np.int64]) -> list[NDArray[Any]]:
        """Per entity: rows of the chunk by shard, where each shard's begin, input rows and places."""
        out: list[NDArray[Any]] = []
        for one in self._plan.measured:
            rows, places = one.rows.of(payments)
            keys = rows[:, one.compiled.key_column]
            order = _by_shard(keys, self._plan.shards)
            cuts = np.searchsorted(
                shard_of(keys[order], self._plan.shards), np.arange(self._plan.shards + 1)
            ).astype(np.int32)
            out += [paid[order].astype(np.int32), cuts, rows[order]]
            if one.compiled.needs_places:
                out.append(places[order])
        return out


def _by_shard(keys: NDArray[np.int64], shards: int) -> NDArray[np.int64]:
    """Rows that have a key, shard by shard."""
    order = np.argsort(shard_of(keys, shards), kind="stable")
    return order if keys.all() else order[keys[order] != 0]


def fraud_of(events: EventBatch) -> NDArray[np.uint8]:
    """What labels say, 0 in other rows."""
    said = pc.fill_null(events.column("label"), False).cast(pa.uint8())
    found: NDArray[np.uint8] = said.to_numpy(zero_copy_only=False)
    return found


def told(bad: BadRecord) -> bytes:
    """A bad record as JSON, for the topic of the quarantine."""
    faults = [{"reason": str(one.reason), "field": one.field, "problem": one.problem} for one in bad.faults]
    said = {
        "source": bad.source,
        "position": bad.position,
        "faults": faults,
        "original": bad.original.decode("utf-8", "replace"),
        "original_format": bad.original_format,
        "mapping": bad.mapping,
    }
    return json.dumps(said, ensure_ascii=False).encode()
