"""How the graph's state grows: its hash tables and rings move into larger ones, before they are full.

The tables do as the engine's do (`features.moving`). A ring is copied in the order of its payments, up to the
one that came last; the kernels know nothing of it. Records lie in addresses that were reserved
(`features.memory`): more of them cost no copy. What a ring no longer holds is given back, so that half a ring
takes half of the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.features.memory import give_back, zeros
from ringfence.features.moving import MovingTable, MovingTables, doubled, moves, places_for, runs
from ringfence.graph.kernel import layout as at
from ringfence.graph.kernel.tables import copy_nodes, copy_pairs, enter_paid, remove_paid
from ringfence.graph.state import OF_PAID, RING_STEP, fresh, with_twice_the_nodes, with_twice_the_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.graph.program import CompiledGraph

_RING_DUE: Final = 7 / 8
_TABLES: Final = {
    at.NEED_NODE_PLACES: MovingTable("node_table", "node_larger", at.NODES, at.LARGEST_LOAD, copy_nodes),
    at.NEED_PAIR_PLACES: MovingTable("pair_table", "pair_larger", at.TABLED, at.LARGEST_LOAD, copy_pairs),
}


@dataclass(slots=True)
class _Ring:
    """A ring that moves: its larger arrays, and the payments [first, stop) that they hold."""

    arrays: dict[str, NDArray[Any]]
    first: int
    stop: int

    def copy(self, state: at.State, names: tuple[str, ...], begin: int, end: int) -> None:
        """Copy payments of the state's ring."""
        for name in names:
            smaller, larger = getattr(state, name), self.arrays[name]
            for old, new, count in runs(begin, end, len(smaller), len(larger)):
                larger[new : new + count] = smaller[old : old + count]


class GraphGrowth(MovingTables[at.State]):
    """Makes room in a graph's state; `copied` counts payments of its rings, too."""

    def __init__(self) -> None:
        super().__init__(_TABLES)
        self._flows: _Ring | None = None
        self._given_back = {"flow": 0, "paid_keys": 0}  # up to which payment
        self._paid: _Ring | None = None

    def step(self, state: at.State, links: int, rows: int) -> at.State:
        """The state before a step of so many rows, each of so many links."""
        state = self.move_tables(state, (2 * links + 2) * rows)
        payments = places_for(rows)
        flows, paid = (at.FLOWS_OLDEST, at.FLOWS_END), (at.PAYMENTS_OLDEST, at.PAYMENTS_END)
        self._give_back(state, ("flow",), *state.counters[list(flows)].tolist())
        self._give_back(state, ("paid_keys", "paid_clock"), *state.counters[list(paid)].tolist())
        if self._flows or _is_filling(state, "flow", at.FLOWS_OLDEST, at.FLOWS_END):
            state = self._move_flows(state, payments)
        if self._paid or _is_filling(state, "paid_clock", at.PAYMENTS_OLDEST, at.PAYMENTS_END):
            state = self._move_paid(state, payments)
        return state

    def make_room(self, state: at.State, need: int) -> at.State:
        """The state with twice the room of what was lacking."""
        if need == at.NEED_NODES:
            return with_twice_the_nodes(state)
        if need == at.NEED_PAIRS:
            return with_twice_the_pairs(state)
        if need == at.NEED_FLOWS:
            return self._move_flows(state, len(state.flow))
        if need == at.NEED_PAYMENTS:
            return self._move_paid(state, len(state.paid_clock))
        return self.double_table(state, need)

    def _give_back(self, state: at.State, names: tuple[str, ...], oldest: int, end: int) -> None:
        """The memory of payments before the oldest that is kept, but where later ones stand by now."""
        size, stop = len(getattr(state, names[0])), oldest // RING_STEP * RING_STEP
        begin = max(self._given_back[names[0]], -(-(end - size) // RING_STEP) * RING_STEP)
        self._given_back[names[0]] = stop
        for place, _, count in runs(begin, stop, size, size):
            for name in names:
                give_back(getattr(state, name), place, place + count)

    def _move_flows(self, state: at.State, payments: int) -> at.State:
        oldest, end = int(state.counters[at.FLOWS_OLDEST]), int(state.counters[at.FLOWS_END])
        size = len(state.flow)
        if self._flows is None:
            if not moves(oldest, end, size, 2 * size):
                return state._replace(flow=doubled(state.flow))
            self._flows = _Ring({"flow": _twice(state.flow)}, oldest, oldest)
        self._advance(self._flows, state, ("flow",), oldest, min(end, self._flows.stop + payments))
        if self._flows.stop < end:
            return state
        state, self._flows = state._replace(**self._flows.arrays), None
        return state

    def _move_paid(self, state: at.State, payments: int) -> at.State:
        oldest, end = int(state.counters[at.PAYMENTS_OLDEST]), int(state.counters[at.PAYMENTS_END])
        if self._paid is None:
            arrays = {name: _twice(getattr(state, name)) for name in OF_PAID}
            arrays["paid_table"] = zeros(2 * len(arrays["paid_clock"]), np.int32)
            self._paid = _Ring(arrays, oldest, oldest)
        ring = self._paid
        keys, table = ring.arrays["paid_keys"], ring.arrays["paid_table"]
        remove_paid(keys, table, ring.first, min(oldest, ring.stop))
        begin = max(ring.stop, oldest)
        self._advance(ring, state, ("paid_keys", "paid_clock"), oldest, min(end, begin + payments))
        enter_paid(keys, table, begin, ring.stop)
        if ring.stop < end:
            return state
        ring.copy(state, ("paid_fraud",), oldest, end)  # labels change it as long as a payment is kept
        self._paid = None
        return state._replace(**ring.arrays)

    def _advance(self, ring: _Ring, state: at.State, names: tuple[str, ...], oldest: int, stop: int) -> None:
        """Copy on to a payment, without those that have been forgotten."""
        begin = max(ring.stop, oldest)
        ring.first, ring.stop = oldest, max(stop, begin)
        ring.copy(state, names, begin, ring.stop)
        self.copied += ring.stop - begin


def load(compiled: CompiledGraph) -> None:
    """Have what makes room compiled, or read from the compile cache: no step should wait for it."""
    empty = fresh(compiled)
    copy_nodes(empty, empty.node_table, 0, 0)
    copy_pairs(empty, empty.pair_table, 0, 0)
    enter_paid(empty.paid_keys, empty.paid_table, 0, 0)
    remove_paid(empty.paid_keys, empty.paid_table, 0, 0)


def _is_filling(state: at.State, name: str, oldest: int, end: int) -> bool:
    held = state.counters[end] - state.counters[oldest]
    return bool(held > _RING_DUE * len(getattr(state, name)))


def _twice(array: NDArray[Any]) -> NDArray[Any]:
    """Zeros of twice its length."""
    return zeros((2 * len(array), *array.shape[1:]), array.dtype, growing=True)
