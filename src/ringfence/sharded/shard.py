"""The stage that measures: one engine per entity over the keys of one shard, fed in the order of the log.

What it keeps is the rows as they came, each part until no window can reach any of them; engines are made
again from these.
"""

from __future__ import annotations

import heapq
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ringfence.features.engine import Engine
from ringfence.features.kernel import layout as at
from ringfence.sharded.wire import FEATURES, Element, pack, unpack

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from numpy.typing import NDArray

    from ringfence.sharded.plan import Measured, ShardedPlan

CURSOR: Final = b"c"
PART: Final = struct.Struct(">cq")
UNTOLD: Final = struct.Struct(">cqq")
PLACE: Final = struct.Struct("<qqq")  # next turn, offset up to which all is measured, stream's clock
_NOWHERE: Final = np.empty((1, 2))


class _Rows:
    """One entity's rows of a chunk, and what was measured of them so far."""

    __slots__ = ("columns", "done", "features")

    def __init__(self, columns: list[NDArray[Any]], features: int) -> None:
        self.columns = columns  # row of the chunk, offset, input row, place
        self.done = 0
        self.features = np.empty((features, len(columns[0])))


class _Chunk(NamedTuple):
    chunk: tuple[int, int]
    rows: list[_Rows]
    key: bytes


class EntityShard:
    """The engines of one shard."""

    def __init__(self, plan: ShardedPlan, shard: int, state: MutableMapping[bytes, bytes]) -> None:
        self._plan = plan
        self._shard = shard
        self._state = state
        self._engines = [Engine(one.spec, plan.seed) for one in plan.measured]
        self._next = self._limit = 0
        self._clock = int(at.LONG_AGO)
        self._newest = -1  # offset of the last payment measured
        self._early: dict[int, bytes] = {}
        self._open: list[_Chunk] = []
        self._expiries: list[tuple[int, bytes]] = []
        self._restore()

    def _restore(self) -> None:
        """Measure again what is kept; what has been told is not told again."""
        if CURSOR not in self._state:
            return
        self._next, self._limit, self._clock = PLACE.unpack(self._state[CURSOR])
        for key in sorted(key for key in self._state if key[:1] == b"p"):
            turn = PART.unpack(key)[1]
            if turn < self._next:
                self._enter(key, self._state[key])
            else:
                self._early[turn] = self._state[key]
        self._measure()
        untold = {UNTOLD.unpack(key)[1:] for key in self._state if key[:1] == b"u"}
        here = {chunk.chunk: chunk for chunk in self._open}
        again = [here.get(chunk) or self._nothing_of(chunk) for chunk in sorted(untold)]
        self._whole(telling=False)
        self._open += [chunk for chunk in again if chunk not in self._open]

    def take(self, data: bytes) -> list[Element]:
        """A chunk's part for this shard; parts are dealt with in the order in which the order told them.

        Nothing at all has it tell what `rescale` left untold.
        """
        if data:
            turn = unpack(data)[0][0]
            self._state[PART.pack(b"p", turn)] = data
            self._early[turn] = data
        while self._next in self._early:
            self._limit = max(
                self._limit, self._enter(PART.pack(b"p", self._next), self._early.pop(self._next))
            )
            self._next += 1
        self._measure()
        self._state[CURSOR] = PLACE.pack(self._next, self._limit, self._clock)
        out = self._whole()
        self._expire()
        return out

    def _enter(self, key: bytes, data: bytes) -> int:
        """The offset below which all rows have come with this part."""
        (_, limit, partition, number), columns = unpack(data)
        rows, begin, latest = [], 0, 0
        for one in self._plan.measured:
            width = 3 + one.compiled.needs_places
            mine = _Rows(columns[begin : begin + width], len(one.features))
            begin += width
            rows.append(mine)
            if len(mine.columns[0]):
                latest = max(latest, int(mine.columns[2][:, at.IN_ROW].max()) + one.retention_ms)
        heapq.heappush(self._expiries, (latest, key))
        self._open.append(_Chunk((partition, number), rows, key))
        return limit

    def _measure(self) -> None:
        """Feed every engine all rows before the limit that it has not had."""
        for number, (one, engine) in enumerate(zip(self._plan.measured, self._engines, strict=True)):
            parts: list[tuple[_Rows, int, int]] = []
            for chunk in self._open:
                rows = chunk.rows[number]
                offsets = rows.columns[1]
                if rows.done < len(offsets):
                    end = int(np.searchsorted(offsets, self._limit))
                    if end > rows.done:
                        parts.append((rows, rows.done, end))
                        rows.done = end
            if parts:
                self._feed(one, engine, parts)

    def _feed(self, one: Measured, engine: Engine, parts: Sequence[tuple[_Rows, int, int]]) -> None:
        def joined(column: int) -> NDArray[Any]:
            some = [rows.columns[column][begin:end] for rows, begin, end in parts]
            return some[0] if len(some) == 1 else np.concatenate(some)

        inputs = joined(2)
        places = joined(3) if one.compiled.needs_places else _NOWHERE
        order = None
        if len(parts) > 1:
            offsets = joined(1)
            if (offsets[1:] < offsets[:-1]).any():
                order = np.argsort(offsets)
                inputs = inputs[order]
                places = places[order] if one.compiled.needs_places else places
        is_event = inputs[:, at.IN_KIND] == at.IS_EVENT
        whole = bool(is_event.all())
        events = len(inputs) if whole else int(np.count_nonzero(is_event))
        out = np.empty((len(one.features), events))
        engine.run(inputs, places, out)
        if events:
            last = int(np.flatnonzero(is_event)[-1])
            offset = int((joined(1) if order is None else joined(1)[order])[last])
            if offset > self._newest:  # the clock may go back: it is that of the payment that came last
                self._newest, self._clock = offset, int(inputs[last, at.IN_CLOCK])
        if not whole:
            spread = np.empty((len(one.features), len(inputs)))
            spread[:, is_event] = out
            out = spread
        if order is not None:
            back = np.empty_like(out)
            back[:, order] = out
            out = back
        column = 0
        for rows, begin, end in parts:
            rows.features[:, begin:end] = out[:, column : column + end - begin]
            column += end - begin

    def _nothing_of(self, chunk: tuple[int, int]) -> _Chunk:
        """A chunk of which no row has to be measured here any more."""
        rows = []
        for one in self._plan.measured:
            columns: list[NDArray[Any]] = [
                np.empty(0, np.int32),
                np.empty(0, np.int64),
                np.empty((0, one.compiled.input_columns), np.int64),
            ]
            rows.append(_Rows(columns, len(one.features)))
        return _Chunk(chunk, rows, b"")

    def _whole(self, *, telling: bool = True) -> list[Element]:
        """Chunks whose rows have all been measured."""
        out, left = [], []
        for chunk in self._open:
            if any(rows.done < len(rows.columns[0]) for rows in chunk.rows):
                left.append(chunk)
                continue
            if not telling:
                continue
            columns: list[NDArray[Any]] = []
            for rows in chunk.rows:
                of_chunk, features = rows.columns[0], rows.features
                if len(of_chunk) and of_chunk.min() < 0:
                    payments = of_chunk >= 0
                    of_chunk, features = of_chunk[payments], features[:, payments]
                columns += [of_chunk, features]
            self._state.pop(UNTOLD.pack(b"u", *chunk.chunk), None)
            data = pack((*chunk.chunk, FEATURES, self._shard), *columns)
            out.append(Element("decide", self._plan.lane(chunk.chunk), data))
        self._open = left
        return out

    def _expire(self) -> None:
        """Forget parts that no window can reach, but for those whose rows are not all measured."""
        while self._expiries and self._expiries[0][0] <= self._clock:
            _, key = heapq.heappop(self._expiries)
            if any(chunk.key == key for chunk in self._open):
                heapq.heappush(self._expiries, (self._clock + 1, key))
                break
            del self._state[key]
