"""How the engine's hash tables move into larger ones: a little with each step, before they are full.

While a table moves, its entries are looked up in it alone, and the kernels enter and remove them in both. So
the larger one has everything as soon as every place of the smaller one has been copied, whatever happened
meanwhile. They are copied from the last place to the first: a removal moves entries towards the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.features.kernel import layout as at
from ringfence.features.kernel.tables import reinsert
from ringfence.features.memory import extended, zeros

if TYPE_CHECKING:
    from numpy.typing import NDArray

PACE: Final = 16  # places copied for each entry that may come: all are, before the table is full
LEAST: Final = 2048  # places copied with a step
DUE: Final = 0.75  # of what a table may hold


@dataclass(frozen=True, slots=True)
class _Table:
    """A hash table of the state: its successor, what counts its entries, how full it may be."""

    name: str
    larger: str
    count: int
    share: float
    beside: tuple[str, ...] = ()  # arrays that grow with it

    def is_due(self, state: at.State) -> bool:
        """Whether it is three quarters as full as it may be."""
        return bool(state.counters[self.count] > DUE * self.share * len(getattr(state, self.name)))


_TABLES: Final = {
    at.NEED_KEYS: _Table("table", "table_larger", at.KEYS, 2 / 3),
    at.NEED_PAIRS: _Table("pair_table", "pair_larger", at.PAIRS, 1 / 2, ("pairs_known", "pair_stamp")),
    at.NEED_IDS: _Table("id_table", "id_larger", at.IDS, 2 / 3),
}


class Growth:
    """Makes room in a state: what is due with each step, or what a step turns out to lack."""

    def __init__(self) -> None:
        self.copied = 0
        """Places of tables and rows of the ring copied so far."""
        self._left: dict[str, int] = {}  # places of the tables that move which are yet to be copied

    def step(self, state: at.State, rows: int) -> at.State:
        """The state before a step of so many rows."""
        widest = max(1, state.slots.shape[1], state.pairs.shape[1])
        for table in _TABLES.values():
            if table.name in self._left or table.is_due(state):
                state = self._move(state, table, max(LEAST, PACE * widest * rows))
        return state

    def make_room(self, state: at.State, need: int) -> at.State:
        """The state with twice the room of what was lacking."""
        if need == at.NEED_ARENA:
            return state._replace(arena=_doubled(state.arena))
        if need == at.NEED_POOL:
            return state._replace(pool=_doubled(state.pool))
        table = _TABLES[need]
        return self._move(state, table, len(getattr(state, table.name)))

    def ring(self, state: at.State, oldest: int, room: int) -> at.State:
        """The state with a ring for `room` more events, keeping those from sequence number `oldest` on.

        It doubles early where that is cheap: where hardly any event has another place in the larger one.
        """
        end, size = int(state.counters[at.SEQ_END]), len(state.rows)
        larger = size
        while end - oldest + room > larger:
            larger *= 2
        if larger == size:
            if 8 * (end - oldest) <= 7 * size:
                return state
            larger = 2 * size
            if sum(count for _, _, count in moves(oldest, end, size, larger)) > LEAST:
                return state
        grown = {}
        for name in at.RING_ARRAYS:
            array = getattr(state, name)
            if len(array) == size:
                grown[name] = array = extended(array, larger)
                for old, new, count in moves(oldest, end, size, larger):
                    array[new : new + count] = array[old : old + count]
        self.copied += sum(count for _, _, count in moves(oldest, end, size, larger))
        return state._replace(**grown)

    def _move(self, state: at.State, table: _Table, places: int) -> at.State:
        smaller: Any = getattr(state, table.name)
        if table.name not in self._left:
            at_once = places >= len(smaller)
            empty = zeros(2 * len(smaller), smaller.dtype, filled=at_once)
            state = state._replace(**{table.larger: empty})
            self._left[table.name] = len(smaller)
            self._unwrap(smaller, getattr(state, table.larger))
        larger: Any = getattr(state, table.larger)
        left = self._left[table.name]
        begin = max(0, left - places)
        reinsert(smaller, larger, begin, left)
        self.copied += left - begin
        self._left[table.name] = begin
        if begin:
            return state
        del self._left[table.name]
        beside = {name: _doubled(getattr(state, name)) for name in table.beside}
        return state._replace(**{table.name: larger, table.larger: at.nothing()}, **beside)

    def _unwrap(self, smaller: NDArray[Any], larger: NDArray[Any]) -> None:
        """Copy what probing has carried over the end to the first places: a removal may take it back."""
        stop = first_empty(smaller)
        reinsert(smaller, larger, 0, stop)
        self.copied += stop


def load() -> None:
    """Have what moves tables compiled, or read from the compile cache: no step should wait for it."""
    none = np.empty(0, np.int64)
    reinsert(none, none, 0, 0)


def first_empty(table: NDArray[Any]) -> int:
    """How many places stand before the first empty one."""
    place = 0
    while place < len(table) and table[place]:
        place += 1
    return place


def moves(oldest: int, end: int, size: int, larger: int) -> list[tuple[int, int, int]]:
    """Runs of events whose place in a larger ring is another: (old place, new place, count)."""
    return [run for run in runs(oldest, end, size, larger) if run[0] != run[1]]


def runs(oldest: int, end: int, size: int, larger: int) -> list[tuple[int, int, int]]:
    """The events [oldest, end) in runs, each in one piece in either ring: (old place, new place, count)."""
    found = []
    begin = oldest
    while begin < end:  # up to where the smaller ring begins again
        old = begin & (size - 1)
        count = min(end - begin, size - old)
        found.append((old, begin & (larger - 1), count))
        begin += count
    return found


def _doubled(array: NDArray[Any]) -> NDArray[Any]:
    return extended(array, 2 * len(array))
