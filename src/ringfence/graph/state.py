"""The graph's state as arrays: made, given room, written down and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.features.memory import extended, zeros
from ringfence.graph.kernel import layout as at
from ringfence.graph.kernel.tables import enter_nodes, enter_paid, enter_pairs
from ringfence.graph.program import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.graph.program import CompiledGraph

_SMALLEST: Final = 1 << 7
_OF_NODES: Final = tuple(
    name for name in at.State._fields if name.startswith("node_") and "table" not in name
)
_OF_PORTS: Final = ("port_head", "port_count")
_OF_PAIRS: Final = tuple(name for name in at.State._fields if name.startswith("pair_"))[:8]
_OF_FLOWS: Final = ("flow",)
_SCRATCH: Final = frozenset({"node_search"})
_OF_PAID: Final = ("paid_keys", "paid_clock", "paid_fraud")
_WHOLE: Final = (
    "node_table",
    "pair_table",
    "paid_table",
    "port_free",
    "edge_buckets",
    "pair_buckets",
    "counters",
)


def fresh(compiled: CompiledGraph) -> at.State:
    """A graph without any link."""
    types = len(compiled.program.types)
    ports = _SMALLEST * compiled.program.sides.shape[1]
    wide = {"node_sizes": types, "pair_next": 2, "pair_before": 2, "flow": at.FLOW_WORDS}
    wide |= {"node_search": at.SEARCH_WORDS}
    wide |= {"paid_keys": 3, "edge_heap": 2, "pair_heap": 2}
    kinds: dict[str, Any] = dict.fromkeys(at.State._fields, np.int32)
    kinds |= dict.fromkeys(("node_type", "node_open", "pair_link", "paid_fraud"), np.int8)
    for name in (
        *(
            "node_key",
            "node_until",
            "node_since",
            "node_out",
            "node_in",
            "node_search",
            "pair_last",
            "pair_seen",
        ),
        *(
            "edge_heap",
            "pair_heap",
            "flow",
            "paid_keys",
            "paid_clock",
            "found_until",
            "gauged",
        ),
        "counters",
    ):
        kinds[name] = np.int64
    rows = dict.fromkeys(at.State._fields, _SMALLEST) | dict.fromkeys(_OF_PORTS, ports)
    rows |= dict.fromkeys(("node_table", "pair_table", "paid_table"), 2 * _SMALLEST)
    rows |= {"port_free": types, "edge_buckets": BUCKETS, "pair_buckets": BUCKETS}
    steps = int(compiled.program.shape[[at.S_STEPS, at.S_PAIRS]].max()) + 1  # a search finds one node a step
    rows |= {"found": steps, "found_until": steps, "gauged": 5, "counters": at.COUNTERS}
    state = at.State(
        **{
            name: zeros((rows[name], wide[name]) if name in wide else rows[name], kinds[name], growing=True)
            for name in at.State._fields
            if name != "counted"
        },
        counted=np.zeros((4, at.MOST_WINDOWS, at.FACTS), np.int64),
    )
    for array in (state.port_free, state.edge_buckets, state.pair_buckets):
        array[:] = at.NONE
    state.counters[at.NODE_FREE] = state.counters[at.PAIR_FREE] = at.NONE
    return state


def make_room(state: at.State, need: int) -> at.State:
    """The state with twice the room of what was lacking."""
    if need == at.NEED_NODES:
        state = _grown(state, (*_OF_NODES, "edge_heap"), 2 * len(state.node_key))
        state = _grown(state, _OF_PORTS, 2 * len(state.port_head))
        return _rehashed(state, "node_table", enter_nodes, len(state.node_key))
    if need == at.NEED_PAIRS:
        state = _grown(state, (*_OF_PAIRS, "pair_heap"), 2 * len(state.pair_from))
        return _rehashed(state, "pair_table", enter_pairs, len(state.pair_from))
    if need == at.NEED_FLOWS:
        return _unrolled(state, _OF_FLOWS, at.FLOWS_OLDEST, at.FLOWS_END)
    state = _unrolled(state, _OF_PAID, at.PAYMENTS_OLDEST, at.PAYMENTS_END)
    table = zeros(2 * len(state.paid_clock), np.int32)
    enter_paid(state, table, int(state.counters[at.PAYMENTS_OLDEST]), int(state.counters[at.PAYMENTS_END]))
    return state._replace(paid_table=table)


def load(compiled: CompiledGraph) -> None:
    """Have what makes room compiled, or read from the compile cache: no step should wait for it."""
    empty = fresh(compiled)
    enter_nodes(empty, empty.node_table)
    enter_pairs(empty, empty.pair_table)
    enter_paid(empty, empty.paid_table, 0, 0)


def _grown(state: at.State, names: tuple[str, ...], rows: int) -> at.State:
    return state._replace(**{name: extended(getattr(state, name), rows) for name in names})


def _rehashed(state: at.State, name: str, enter: Any, room: int) -> at.State:
    """With a hash table for `room` entries at a load of at most three quarters."""
    size = len(getattr(state, name))
    if room <= at.LARGEST_LOAD * size:
        return state
    table = zeros(2 * size, np.int32)
    enter(state, table)
    return state._replace(**{name: table})


def _unrolled(state: at.State, names: tuple[str, ...], oldest: int, end: int) -> at.State:
    """With rings of twice the room: whatever has another place in the larger one moves there."""
    first, last = int(state.counters[oldest]), int(state.counters[end])
    size = len(getattr(state, names[0]))
    sequence = np.arange(first, last)
    moving = sequence[sequence & (size - 1) != sequence & (2 * size - 1)]
    grown = {}
    for name in names:
        grown[name] = extended(getattr(state, name), 2 * size)
        grown[name][moving & (2 * size - 1)] = grown[name][moving & (size - 1)]
    return state._replace(**grown)


def to_arrays(state: at.State) -> dict[str, NDArray[Any]]:
    """Views of all that must be kept, as long as it is in use."""
    c = state.counters
    ends = dict.fromkeys(_OF_NODES, c[at.NODES_TOP]) | dict.fromkeys(_OF_PAIRS, c[at.PAIRS_TOP])
    ends |= dict.fromkeys(_OF_PORTS, c[at.PORTS_TOP])
    ends |= {"edge_heap": c[at.EDGE_HEAP], "pair_heap": c[at.PAIR_HEAP]}
    kept = {name: getattr(state, name)[: int(end)] for name, end in ends.items() if name not in _SCRATCH}
    return kept | {name: getattr(state, name) for name in (*_OF_FLOWS, *_OF_PAID, *_WHOLE)}


def from_arrays(compiled: CompiledGraph, arrays: Mapping[str, NDArray[Any]]) -> at.State:
    """The state whose `to_arrays` these were; KeyError or ValueError where they are not."""
    state = fresh(compiled)
    counters = arrays["counters"]
    if len(counters) != at.COUNTERS or arrays["node_sizes"].shape[1] != state.node_sizes.shape[1]:
        raise ValueError("the arrays are of another graph")
    while len(state.node_key) < len(arrays["node_key"]) or len(state.port_head) < len(arrays["port_head"]):
        state = _grown(state, (*_OF_NODES, "edge_heap"), 2 * len(state.node_key))
        state = _grown(state, _OF_PORTS, 2 * len(state.port_head))
    while len(state.pair_from) < len(arrays["pair_from"]):
        state = _grown(state, (*_OF_PAIRS, "pair_heap"), 2 * len(state.pair_from))
    read = {}
    for name in (*_OF_FLOWS, *_OF_PAID, *_WHOLE):
        read[name] = zeros(arrays[name].shape, arrays[name].dtype, growing=True)
        read[name][:] = arrays[name]
    state = state._replace(**read)
    for name in (*_OF_NODES, *_OF_PORTS, *_OF_PAIRS, "edge_heap", "pair_heap"):
        if name not in _SCRATCH:
            getattr(state, name)[: len(arrays[name])] = arrays[name]
    state.counters[at.STAMP] = 0
    return state


def nbytes(state: at.State) -> int:
    """Bytes of memory in use."""
    return sum(array.nbytes for array in to_arrays(state).values())
