"""How the engine's state grows: hash tables move (`features.moving`), other arrays extend where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.features.kernel import layout as at
from ringfence.features.kernel.tables import reinsert
from ringfence.features.memory import extended
from ringfence.features.moving import LEAST, MovingTable, MovingTables, doubled, moves

if TYPE_CHECKING:
    from collections.abc import Callable


def _copy_of(name: str) -> Callable[[Any, Any, int, int], None]:
    def copy(state: at.State, larger: Any, begin: int, end: int) -> None:
        reinsert(getattr(state, name), larger, begin, end)

    return copy


_BESIDE_PAIRS: Final = ("pairs_known", "pair_stamp")
_TABLES: Final = {
    at.NEED_KEYS: MovingTable("table", "table_larger", at.KEYS, 2 / 3, _copy_of("table")),
    at.NEED_PAIRS: MovingTable(
        "pair_table", "pair_larger", at.PAIRS, 1 / 2, _copy_of("pair_table"), _BESIDE_PAIRS
    ),
    at.NEED_IDS: MovingTable("id_table", "id_larger", at.IDS, 2 / 3, _copy_of("id_table")),
}


class Growth(MovingTables[at.State]):
    """Makes room in an engine's state; `copied` counts rows of the ring, too."""

    def __init__(self) -> None:
        super().__init__(_TABLES)

    def step(self, state: at.State, rows: int) -> at.State:
        """The state before a step of so many rows."""
        widest = max(1, state.slots.shape[1], state.pairs.shape[1])
        return self.move_tables(state, widest * rows)

    def make_room(self, state: at.State, need: int) -> at.State:
        """The state with twice the room of what was lacking."""
        if need == at.NEED_ARENA:
            return state._replace(arena=doubled(state.arena))
        if need == at.NEED_POOL:
            return state._replace(pool=doubled(state.pool))
        return self.double_table(state, need)

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


def load() -> None:
    """Have what moves tables compiled, or read from the compile cache: no step should wait for it."""
    none = np.empty(0, np.int64)
    reinsert(none, none, 0, 0)
