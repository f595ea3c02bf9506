"""The one place that gives every event its offset, and every payment the stream's clock.

It sees some sixty bytes of each row and no feature. What it keeps is the chunks that have not been told yet,
how far it has come, and the identities of labels and control events.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.events.clock import StreamClock
from ringfence.events.model import Kind
from ringfence.sharded.flagging import FlagWatch
from ringfence.sharded.merging import ClockMerge, NextRows
from ringfence.sharded.wire import (
    ASKS_NOTHING,
    CONTROL,
    FLOOR,
    PLACES,
    Element,
    pack,
    to_bytes,
    to_events,
    unpack,
)

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.sharded.plan import ShardedPlan

_CURSOR: Final = b"c"
_CHUNK: Final = struct.Struct("<cqq")
_ANSWER: Final = struct.Struct("<cqqq")
_BLOCK: Final = struct.Struct(">cq")
_NOT_LOGGED: Final = -1
_MOST_VOID: Final = 1 << 14  # refused labels that may still be asked about; of more, the first are forgotten


class _Chunk:
    """One chunk on its way through the order."""

    def __init__(self, columns: list[NDArray[Any]]) -> None:
        rows = len(columns[0])
        self.clocks, self.kinds, self.believed, self.recent = columns[:4]
        self.others = {row: at for at, row in enumerate(columns[4].tolist())} if len(columns) > 4 else {}
        self.identities: NDArray[np.int64] = columns[5] if self.others else _NONE
        self.contents: NDArray[np.int64] = columns[6] if self.others else _NONE
        self._rest = columns[7] if self.others else None
        self._events: EventBatch | None = None
        self.done = self.kept = 0  # rows that have their place, and that the state knows of
        self.places = np.full((3, rows), _NOT_LOGGED)  # offset, stream's clock, epoch
        self.refused = np.zeros(rows, np.bool_)  # payments that came before
        self.early: dict[int, list[tuple[int, int, int, int]]] = {}  # payment's row: labels before it
        self.labels: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self.early_labels: set[int] = set()
        self.marks: list[tuple[int, int]] = []  # payment's row, what an early label says
        self.conflicts: list[int] = []
        self.answers = 0

    @property
    def rest(self) -> EventBatch:
        """Its labels and control events."""
        if self._events is None:
            assert self._rest is not None
            self._events = to_events(self._rest)
        return self._events

    def event(self, row: int) -> EventBatch:
        """One of these."""
        return self.rest.slice(self.others[row], self.others[row] + 1)

    def hear(self, arrays: list[NDArray[np.int64]]) -> None:
        """What one shard of the ids knows of it."""
        twice, other, labels, keys, early = arrays
        self.refused[twice] = self.refused[other] = True
        for row, *label in early.tolist():
            self.early.setdefault(row, []).append(tuple(label))
        if len(labels):
            self.labels.append((labels, keys))
            self.early_labels.update(labels[labels[:, 1] == 0, 0].tolist())
        self.answers += 1
        self.conflicts += other.tolist()


_NONE = np.empty(0, np.int64)


class LogOrder:
    """The order of the whole log."""

    def __init__(self, plan: ShardedPlan, state: MutableMapping[bytes, bytes]) -> None:
        self._plan = plan
        self._state = state
        self._merge = ClockMerge(len(plan.partitions))
        self._clock = StreamClock()
        self._offset = self._epoch = self._told = self._floor = 0
        self._last = [-1] * len(plan.partitions)  # chunk of each partition that was merged last
        self._open: dict[tuple[int, int], _Chunk] = {}  # merged
        self._heads: dict[
            tuple[int, int], tuple[int, list[NDArray[Any]]]
        ] = {}  # not yet: clock behind, columns
        self._answers: dict[tuple[int, int], list[list[NDArray[Any]]]] = {}
        self._known: dict[int, tuple[int, int]] = {}  # identity of labels and controls: content, clock
        self._void: OrderedDict[tuple[int, int, int], None] = OrderedDict()  # early labels that were refused
        self._fresh: list[tuple[int, int, int]] = []  # identities that the state does not know of
        self._blocks: list[tuple[int, bytes]] = []  # those that it does: clock of the latest, key
        self._blocks_made = 0
        self._flags = FlagWatch(plan.seed, state)
        self._restore()

    def take(self, data: bytes) -> list[Element]:
        """A chunk as the door tells it, or what a shard of the ids knows of it."""
        numbers, columns = unpack(data)
        chunk = (numbers[0], numbers[1])
        if len(numbers) == 3:
            self._state[_ANSWER.pack(b"i", *numbers)] = data
            self._answers.setdefault(chunk, []).append(columns)
        else:
            self._state[_CHUNK.pack(b"d", *chunk)] = data
            self._heads[chunk] = (numbers[2], columns)
        if not self._gathered(chunk[0]):
            return []
        released = self._merge.release()
        out = [] if released is None else self._place(released)
        self._keep()
        return out

    def _gathered(self, partition: int) -> bool:
        """ClockMerge the partition's next chunks that all is known of; whether there was one."""
        first = self._last[partition]
        while True:
            chunk = (partition, self._last[partition] + 1)
            if chunk not in self._heads:
                break
            end, columns = self._heads[chunk]
            answers = self._answers.get(chunk, [])
            if columns and len(answers) < self._plan.id_shards:
                break
            self._enter(chunk, end, columns, answers)
        return self._last[partition] > first

    def _enter(
        self,
        chunk: tuple[int, int],
        end: int,
        columns: list[NDArray[Any]],
        answers: list[list[NDArray[Any]]],
        part: bytes | None = None,
    ) -> None:
        self._last[chunk[0]] = chunk[1]
        self._heads.pop(chunk)
        self._answers.pop(chunk, None)
        if not columns:
            self._merge.add(chunk, _NONE, end)
            del self._state[_CHUNK.pack(b"d", *chunk)]
            return
        entry = _Chunk(columns)
        for answer in answers:
            entry.hear(answer)
        if part is not None:
            (entry.done,), (places, conflicts) = unpack(part)
            entry.places, entry.kept, entry.conflicts = places.copy(), entry.done, conflicts.tolist()
        self._open[chunk] = entry
        self._merge.add(chunk, entry.clocks, end, entry.done)

    def _place(self, released: NextRows) -> list[Element]:
        """Offsets, clocks and epochs of rows that are next in the log, and what is whole by that."""
        owners = {piece.chunk: self._open[piece.chunk] for piece in released.pieces}
        kinds = released.merged({chunk: one.kinds for chunk, one in owners.items()})
        believed = released.merged({chunk: one.believed for chunk, one in owners.items()})
        admitted = ~released.merged({chunk: one.refused for chunk, one in owners.items()})
        controls: list[Element] = []
        flags: dict[int, EventBatch] = {}
        others = np.flatnonzero(kinds != Kind.TRANSACTION)
        if len(others):
            rows = released.merged({chunk: np.arange(len(one.kinds)) for chunk, one in owners.items()})
            chunks = list(owners)
            number_of = released.merged(
                {chunk: np.full(len(one.kinds), n) for n, (chunk, one) in enumerate(owners.items())}
            )
            for at in others.tolist():
                admitted[at] = self._is_new(chunks[number_of[at]], int(rows[at]))
        offsets = np.where(admitted, self._offset + np.cumsum(admitted) - 1, _NOT_LOGGED)
        paid = np.flatnonzero(admitted & (kinds == Kind.TRANSACTION))
        clocks = np.zeros(len(kinds), np.int64)
        clocks[paid] = self._clock.advance_by(believed[paid])
        steers = admitted & (((kinds >= Kind.PROFILE) & (kinds <= Kind.FLAG)) | (kinds == Kind.ACTIVATION))
        epochs = self._epoch + np.cumsum(steers)
        if len(others) and steers.any():
            places = [(chunks[number_of[at]], int(rows[at])) for at in np.flatnonzero(steers).tolist()]
            controls = self._controls(places, offsets[steers])
            for at in np.flatnonzero(admitted & (kinds == Kind.FLAG)).tolist():
                flags[int(offsets[at])] = owners[chunks[number_of[at]]].event(int(rows[at]))
        recent = released.merged({chunk: one.recent for chunk, one in owners.items()})
        controls += self._flags.take(self._offset, kinds[admitted], recent[admitted], flags)
        self._offset += int(np.count_nonzero(admitted))
        self._epoch += int(np.count_nonzero(steers))
        told = np.stack([offsets, clocks, np.where(kinds == Kind.TRANSACTION, epochs, ASKS_NOTHING)])
        whole: list[tuple[int, int]] = []
        for piece, some in zip(
            released.pieces, zip(*(released.apart(row) for row in told), strict=True), strict=True
        ):
            one = owners[piece.chunk]
            one.places[:, piece.begin : piece.end] = some
            one.done = piece.end
            if one.done == len(one.kinds):
                whole.append(piece.chunk)
        return [*controls, *self._told_of(whole)]

    def _is_new(self, chunk: tuple[int, int], row: int) -> bool:
        """Whether a label or control event enters the log: its identity is new."""
        one = self._open[chunk]
        at = one.others[row]
        identity, clock = int(one.identities[at]), int(one.clocks[row])
        content = int(one.contents[at])
        before = self._known.get(identity) if identity else None
        if before is not None and clock - before[1] <= self._plan.ids_ms:
            if before[0] != content:
                one.conflicts.append(row)
            if row in one.early_labels:
                self._void[(*chunk, row)] = None
                if len(self._void) > _MOST_VOID:
                    self._void.popitem(last=False)
            return False
        if identity:
            self._known[identity] = (content, clock)
            self._fresh.append((identity, content, clock))
        return True

    def _controls(
        self, places: list[tuple[tuple[int, int], int]], offsets: NDArray[np.int64]
    ) -> list[Element]:
        """Control events for every lane, run by run, each with the epoch that its first one begins."""
        out, begin = [], 0
        for end in range(1, len(places) + 1):
            if end < len(places) and _follows(places[end - 1], places[end], offsets[end - 1 : end + 1]):
                continue
            chunk, row = places[begin]
            one = self._open[chunk]
            first = one.others[row]
            events = one.rest.slice(first, first + end - begin)
            data = pack((self._epoch + 1 + begin, int(offsets[begin]), CONTROL), to_bytes(events))
            out += [Element("decide", lane, data) for lane in range(self._plan.lanes)]
            begin = end
        return out

    def _told_of(self, whole: list[tuple[int, int]]) -> list[Element]:
        """Chunks whose every row has its place, for who measures and who decides."""
        out: list[Element] = []
        entries = [(chunk, self._open.pop(chunk)) for chunk in whole]
        partial = [one for one in self._open.values() if one.done]
        before = min([self._offset, *(_first(one.places[0, : one.done]) for one in partial)])
        floor = min([self._epoch, *(int(one.places[2, : one.done].min()) for one in partial)])
        limits = []  # below which all offsets have been told once the chunk has, from the last one on
        for _, one in reversed(entries):
            limits.append(before)
            before = min(before, _first(one.places[0]))
        for (chunk, one), limit in zip(entries, reversed(limits), strict=True):
            self._forget(chunk, one)
            lane = self._plan.lane(chunk)
            labels = self._labels_of(one)
            marks = self._marks_of(one)
            out.append(
                Element("route", lane, pack((*chunk, 1, self._told, limit), one.places[:2], *labels, marks))
            )
            self._told += 1
            conflicts = np.array(one.conflicts, np.int64)
            out.append(Element("decide", lane, pack((*chunk, PLACES), one.places, conflicts)))
        if floor != self._floor:
            self._floor = floor
            data = pack((floor, 0, FLOOR))
            out += [Element("decide", lane, data) for lane in range(self._plan.lanes)]
        return out

    def _labels_of(self, one: _Chunk) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Labels that count of payments that are known: offset, payment's time, id, fraud; and keys."""
        slots = len(self._plan.labelled)
        if not one.labels:
            return np.empty((0, 4), np.int64), np.empty((0, slots), np.int64)
        told = np.concatenate([labels for labels, _ in one.labels])
        keys = np.concatenate([found for _, found in one.labels])
        offsets = one.places[0, told[:, 0]]
        counts = (told[:, 1] == 1) & (offsets >= 0)
        found = np.column_stack([offsets, told[:, 2:]])[counts]
        return np.ascontiguousarray(found), np.ascontiguousarray(keys[counts])

    def _marks_of(self, one: _Chunk) -> NDArray[np.int64]:
        """Payments and what the latest of their early labels says."""
        found = []
        for row, labels in one.early.items():
            valid = [label for label in labels if label[:3] not in self._void]
            for label in labels:
                self._void.pop(label[:3], None)
            if valid:
                found.append((row, valid[-1][3]))
        return np.array(found, np.int64).reshape(-1, 2)

    def _forget(self, chunk: tuple[int, int], one: _Chunk) -> None:
        del self._state[_CHUNK.pack(b"d", *chunk)]
        for shard in range(one.answers):
            del self._state[_ANSWER.pack(b"i", *chunk, shard)]
        if one.kept:
            del self._state[_CHUNK.pack(b"r", *chunk)]

    def _keep(self) -> None:
        """Where it is, what chunks have been told in part, and the identities that are new."""
        void = np.array(list(self._void), np.int64).reshape(-1, 3)
        arrays = (np.array(self._merge.clocks), np.array(self._last), self._clock.to_array(), void)
        numbers = (self._offset, self._epoch, self._told, self._floor, self._blocks_made)
        for chunk, one in self._open.items():
            if one.done > one.kept:
                one.kept = one.done
                conflicts = np.array(one.conflicts, np.int64)
                self._state[_CHUNK.pack(b"r", *chunk)] = pack((one.done,), one.places, conflicts)
        if self._fresh:
            block = np.array(self._fresh, np.int64)
            key = _BLOCK.pack(b"l", self._blocks_made)
            self._blocks.append((int(block[:, 2].max()), key))
            self._state[key] = pack((), block)
            self._blocks_made += 1
            self._fresh = []
            numbers = (*numbers[:4], self._blocks_made)
        self._state[_CURSOR] = pack(numbers, *arrays)
        limit = self._merge.least - self._plan.ids_ms
        while self._blocks and self._blocks[0][0] < limit:
            _, key = self._blocks.pop(0)
            _, (block,) = unpack(self._state.pop(key))
            for identity, _, clock in block.tolist():
                if self._known.get(identity, (0, clock + 1))[1] <= clock:
                    del self._known[identity]

    def _restore(self) -> None:
        clocks, last = np.array(self._merge.clocks), np.array(self._last)
        if _CURSOR in self._state:
            numbers, (clocks, last, clock, void) = unpack(self._state[_CURSOR])
            self._offset, self._epoch, self._told, self._floor, self._blocks_made = numbers
            self._clock = StreamClock.from_array(clock)
            self._void = OrderedDict.fromkeys((a, b, c) for a, b, c in void.tolist())
        for key in sorted(key for key in self._state if key[:1] == b"l"):
            _, (block,) = unpack(self._state[key])
            self._blocks.append((int(block[:, 2].max()), key))
            self._known.update({one: (content, at) for one, content, at in block.tolist()})
        for key in sorted(key for key in self._state if key[:1] == b"i"):
            (partition, number, _), columns = unpack(self._state[key])
            self._answers.setdefault((partition, number), []).append(columns)
        heads = [unpack(self._state[key]) for key in self._state if key[:1] == b"d"]
        for (partition, number, end, _), columns in sorted(heads, key=lambda head: head[0]):
            chunk = (partition, number)
            self._heads[chunk] = (end, columns)
            if number <= last[partition]:
                part = self._state.get(_CHUNK.pack(b"r", *chunk))
                self._enter(chunk, end, columns, self._answers.get(chunk, []), part)
        self._last = last.tolist()
        for partition, at in enumerate(clocks.tolist()):
            self._merge.add((partition, -1), _NONE, at)


def _follows(one: tuple[tuple[int, int], int], other: tuple[tuple[int, int], int], offsets: Any) -> bool:
    """Whether nothing stands between two control events, in their chunk and in the log."""
    return one[0] == other[0] and other[1] == one[1] + 1 and bool(offsets[1] == offsets[0] + 1)


def _first(offsets: NDArray[np.int64]) -> int:
    """The least offset; beyond all where there is none."""
    logged = offsets[offsets >= 0]
    return int(logged[0]) if len(logged) else 1 << 62
