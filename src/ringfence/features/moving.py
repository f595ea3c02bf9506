"""How state moves into more room a little at a time: hash tables before they are full, and what a ring holds.

While a table moves, its entries are looked up in it alone, and the kernels enter and remove them in both. So
the larger one has everything as soon as every place of the smaller one has been copied, whatever happened
meanwhile. They are copied from the last place to the first: a removal moves entries towards the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ringfence.features.memory import extended, zeros

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

PACE: Final = 16  # places copied for each entry that may come: all are, before the table is full
LEAST: Final = 2048  # places copied with a step
DUE: Final = 0.75  # of what a table may hold

State = TypeVar("State")
"""A named tuple of arrays, of which `counters` says how many entries each table has."""


@dataclass(frozen=True, slots=True)
class MovingTable:
    """A hash table of a state, whose entries are 0 for an empty place.

    Attributes:
        name: of the array; `larger` is the one it moves into, of one place while it stands still.
        count: which of the state's counters says how many entries it has; `share` of its places may have one.
        copy: of a state, a larger table and two places: enters into it what stands between them.
        beside: arrays that grow with it.
    """

    name: str
    larger: str
    count: int
    share: float
    copy: Callable[[Any, Any, int, int], None]
    beside: tuple[str, ...] = ()

    def is_due(self, state: Any) -> bool:
        """Whether it is three quarters as full as it may be."""
        return bool(state.counters[self.count] > DUE * self.share * len(getattr(state, self.name)))


class MovingTables(Generic[State]):
    """Makes room in the hash tables of a state: what is due with each step, or what a step turns out to lack.

    Attributes:
        copied: places of tables copied so far; who inherits adds what else it has copied.
    """

    def __init__(self, tables: Mapping[int, MovingTable]) -> None:
        """`tables` by what a kernel returns where one has no more room."""
        self.copied = 0
        self._tables = tables
        self._left: dict[str, int] = {}  # places of the tables that move which are yet to be copied

    def move_tables(self, state: State, entries: int) -> State:
        """The state before a step that may bring so many entries to a table."""
        for table in self._tables.values():
            if table.name in self._left or table.is_due(state):
                state = self._move(state, table, places_for(entries))
        return state

    def double_table(self, state: State, need: int) -> State:
        """The state with twice the room in the table that has none."""
        table = self._tables[need]
        return self._move(state, table, len(getattr(state, table.name)))

    def _move(self, state: Any, table: MovingTable, places: int) -> Any:
        smaller = getattr(state, table.name)
        if table.name not in self._left:
            empty = zeros(2 * len(smaller), smaller.dtype, filled=places >= len(smaller))
            state = state._replace(**{table.larger: empty})
            self._left[table.name] = len(smaller)
            # What probing has carried over the end comes first: a removal may take it back.
            self._copy(state, table, 0, _first_empty(smaller))
        left = self._left[table.name]
        begin = max(0, left - places)
        self._copy(state, table, begin, left)
        self._left[table.name] = begin
        if begin:
            return state
        del self._left[table.name]
        beside = {name: doubled(getattr(state, name)) for name in table.beside}
        larger = getattr(state, table.larger)
        return state._replace(**{table.name: larger, table.larger: zeros(1, larger.dtype)}, **beside)

    def _copy(self, state: Any, table: MovingTable, begin: int, end: int) -> None:
        table.copy(state, getattr(state, table.larger), begin, end)
        self.copied += end - begin


def places_for(entries: int) -> int:
    """How many places are copied with a step that may bring so many entries."""
    return max(LEAST, PACE * entries)


def moves(oldest: int, end: int, size: int, larger: int) -> list[tuple[int, int, int]]:
    """Runs of events whose place in a larger ring is another: (old place, new place, count)."""
    return [run for run in runs(oldest, end, size, larger) if run[0] != run[1]]


def runs(oldest: int, end: int, size: int, larger: int) -> list[tuple[int, int, int]]:
    """The events [oldest, end) in runs, each in one piece in either ring: (old place, new place, count).

    >>> runs(3, 6, 4, 8)
    [(3, 3, 1), (0, 4, 2)]
    """
    found = []
    begin = oldest
    while begin < end:  # up to where the smaller ring begins again
        old = begin & (size - 1)
        count = min(end - begin, size - old)
        found.append((old, begin & (larger - 1), count))
        begin += count
    return found


def doubled(array: NDArray[Any]) -> NDArray[Any]:
    """The array with zeros behind it, twice as long: in its place if there is room."""
    return extended(array, 2 * len(array))


def _first_empty(table: NDArray[Any]) -> int:
    """How many places stand before the first empty one."""
    place = 0
    while place < len(table) and table[place]:
        place += 1
    return place
