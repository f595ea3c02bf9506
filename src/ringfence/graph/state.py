"""The graph's state as arrays: made, given room for more records, written down and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.features.memory import extended, is_mapped, zeros
from ringfence.features.moving import runs
from ringfence.graph.kernel import layout as at
from ringfence.graph.kernel.notes import notes_for
from ringfence.graph.program import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.graph.program import CompiledGraph

_ENDS: Final = {
    "flow": (at.FLOWS_OLDEST, at.FLOWS_END),
    "paid": (at.PAYMENTS_OLDEST, at.PAYMENTS_END),
}
_SMALLEST: Final = 1 << 7
_WORD: Final = 8  # bytes
OF_PAID: Final = ("paid_keys", "paid_clock", "paid_fraud")
RING_STEP: Final = 1 << 10
"""Payments whose places in a ring are given back at once: whole pages of each array."""
_GROUPS: Final = ("group_when", "group_wait")
_WHOLE: Final = (
    "node_table",
    "pair_table",
    "paid_table",
    "port_free",
    "edge_buckets",
    "pair_buckets",
    "counters",
)
_RECORDS: Final[dict[str, tuple[tuple[str, Any, int], ...]]] = {
    "node_lines": (
        ("node_out", np.int64, 1),
        ("node_in", np.int64, 1),
        ("node_fraud", np.int32, 1),
        ("node_live", np.int32, 1),
        ("node_port", np.int32, 1),
        ("node_type", np.int8, 1),
        ("node_open", np.int8, 1),
    ),
    "node_rest": (
        ("node_key", np.int64, 1),
        ("node_until", np.int64, 1),
        ("node_since", np.int64, 1),
        ("node_parent", np.int32, 1),
        ("node_wait", np.int32, 1),
        ("node_sizes", np.int32, 0),  # as many as there are types
    ),
    "pair_lines": (
        ("pair_word", np.int64, 1),
        ("pair_from", np.int32, 1),
        ("pair_to", np.int32, 1),
        ("pair_next", np.int32, 2),
        ("pair_before", np.int32, 2),
    ),
    "port_lines": (("port_head", np.int32, 1), ("port_count", np.int32, 1)),
}
"""What stands together, by who reads it: a node's first record is the one cache line that searches look at.

The other has what lookups and the forest need. Columns that a graph never asks for take no room.
"""
_COUNTED_BY: Final = {
    "node_lines": at.NODES_TOP,
    "node_rest": at.NODES_TOP,
    "pair_lines": at.PAIRS_TOP,
    "port_lines": at.PORTS_TOP,
}
_COLUMNS: Final = {column[0]: record for record, columns in _RECORDS.items() for column in columns}


def fresh(compiled: CompiledGraph) -> at.State:
    """A graph without any link."""
    types = len(compiled.program.types)
    rows = dict.fromkeys(("node_table", "pair_table", "paid_table"), 2 * _SMALLEST)
    rows |= {
        "node_larger": 1,
        "pair_larger": 1,
        "port_free": types,
        "edge_buckets": BUCKETS,
        "pair_buckets": BUCKETS,
    }
    made = {name: zeros(count, np.int32, growing=True) for name, count in rows.items()}
    for name, wide in (("flow", at.FLOW_WORDS), ("paid_keys", 3), ("edge_heap", 2)):
        made[name] = zeros((_SMALLEST, wide), np.int64, growing=True)
    made["pair_heap"] = zeros((_SMALLEST + (_SMALLEST >> at.GROUP_BITS), 2), np.int64, growing=True)
    made["paid_clock"] = zeros(_SMALLEST, np.int64, growing=True)
    made["known_nodes"] = zeros(_SMALLEST >> at.WORD_BITS, np.int64, growing=True)
    made["group_when"] = zeros(_SMALLEST >> at.GROUP_BITS, np.int64, growing=True)
    made["group_wait"] = zeros(_SMALLEST >> at.GROUP_BITS, np.int32, growing=True)
    made["paid_fraud"] = zeros(_SMALLEST, np.int8, growing=True)
    made["notes"] = np.zeros((notes_for(compiled.program.shape), at.NOTE_WORDS), np.int64)
    steps = int(compiled.program.shape[[at.S_STEPS, at.S_PAIRS]].max()) + 1  # a search finds one node a step
    made |= {"found": np.zeros(steps, np.int32), "found_until": np.zeros(steps, np.int64)}
    made |= {"gauged": np.zeros(5, np.int64), "counters": np.zeros(at.COUNTERS, np.int64)}
    made["counted"] = np.zeros((4, at.MOST_WINDOWS, at.FACTS), np.int64)
    for name, columns in _RECORDS.items():
        count = _SMALLEST * (compiled.program.sides.shape[1] if name == "port_lines" else 1)
        made |= _records(compiled, name, columns, count)
    for name in ("port_free", "edge_buckets", "pair_buckets"):
        made[name][:] = at.NONE
    made["counters"][[at.NODE_FREE, at.PAIR_FREE]] = at.NONE
    return at.State(**made)


def _records(
    compiled: CompiledGraph, name: str, columns: tuple[tuple[str, Any, int], ...], rows: int
) -> dict[str, NDArray[Any]]:
    """So many records of zeros, as bytes, and their columns; those that are not needed stand elsewhere."""
    shape, unneeded = compiled.program.shape, set()
    if not shape[at.S_LISTS]:
        unneeded |= {"pair_next", "pair_before"}
    if not shape[at.S_FLOWS]:
        unneeded |= {"node_out", "node_in"}
    offset, places = 0, {}
    for column, kind, count in columns:
        if column not in unneeded:
            places[column] = offset
            offset += np.dtype(kind).itemsize * (count or len(compiled.program.types))
    width = -(-offset // _WORD) * _WORD
    lines = zeros((rows, width), np.uint8, growing=True)
    found = {name: lines}
    for column, kind, count in columns:
        wide = () if count == 1 else (count or len(compiled.program.types),)
        # Neither is in one piece, so that one compilation of the kernels does for all graphs.
        here = lines if column in places else np.zeros((2, 2 * _WORD * max(count, 1)), np.uint8)
        found[column] = _column(here, np.dtype(kind), wide, places.get(column, 0))
    return found


def _column(lines: NDArray[np.uint8], kind: Any, wide: tuple[int, ...], offset: int) -> NDArray[Any]:
    strides = (lines.shape[1], *(kind.itemsize for _ in wide))
    return np.ndarray((len(lines), *wide), kind, lines, offset, strides)


def with_twice_the_nodes(state: at.State) -> at.State:
    """The state with twice the room for nodes and their ports."""
    for name in ("node_lines", "node_rest", "port_lines"):
        state = _grown(state, name, 2 * len(getattr(state, name)))
    known = extended(state.known_nodes, len(state.node_key) >> at.WORD_BITS)
    return state._replace(edge_heap=extended(state.edge_heap, len(state.node_key)), known_nodes=known)


def with_twice_the_pairs(state: at.State) -> at.State:
    """The state with twice the room for pairs."""
    state = _grown(state, "pair_lines", 2 * len(state.pair_lines))
    groups = len(state.pair_lines) >> at.GROUP_BITS
    return state._replace(
        pair_heap=extended(state.pair_heap, len(state.pair_lines) + groups),
        group_when=extended(state.group_when, groups),
        group_wait=extended(state.group_wait, groups),
    )


def _grown(state: at.State, name: str, rows: int) -> at.State:
    """With so many records of a kind."""
    before: NDArray[np.uint8] = getattr(state, name)
    lines = extended(before, rows)
    grown: dict[str, NDArray[Any]] = {name: lines}
    for column, _, _ in _RECORDS[name]:
        old = getattr(state, column)
        if len(old) == len(before):
            place = old.ctypes.data - before.ctypes.data
            grown[column] = _column(lines, old.dtype, old.shape[1:], place)
    return state._replace(**grown)


def to_arrays(state: at.State) -> dict[str, NDArray[Any]]:
    """Views of all that must be kept, as long as it is in use."""
    kept = {}
    for column, record in _COLUMNS.items():
        if _is_kept(state, column):
            kept[column] = getattr(state, column)[: int(state.counters[_COUNTED_BY[record]])]
    for heap, count in (("edge_heap", at.EDGE_HEAP), ("pair_heap", at.PAIR_HEAP)):
        kept[heap] = getattr(state, heap)[: int(state.counters[count])]
    groups = (int(state.counters[at.PAIRS_TOP]) + at.GROUP - 1) >> at.GROUP_BITS
    kept |= {name: getattr(state, name)[:groups] for name in _GROUPS}
    return kept | {name: getattr(state, name) for name in ("flow", *OF_PAID, *_WHOLE)}


def _is_kept(state: at.State, column: str) -> bool:
    return len(getattr(state, column)) == len(getattr(state, _COLUMNS[column]))


def from_arrays(compiled: CompiledGraph, arrays: Mapping[str, NDArray[Any]]) -> at.State:
    """The state whose `to_arrays` these were; KeyError or ValueError where they are not."""
    state = fresh(compiled)
    counters = arrays["counters"]
    if len(counters) != at.COUNTERS or arrays["node_sizes"].shape[1] != state.node_sizes.shape[1]:
        raise ValueError("the arrays are of another graph")
    while len(state.node_key) < len(arrays["node_key"]) or len(state.port_head) < len(arrays["port_head"]):
        state = with_twice_the_nodes(state)
    while len(state.pair_word) < len(arrays["pair_word"]):
        state = with_twice_the_pairs(state)
    read = {}
    for name in ("flow", *OF_PAID, *_WHOLE):
        read[name] = zeros(arrays[name].shape, arrays[name].dtype, growing=True)
        if name in _WHOLE:
            read[name][:] = arrays[name]
        else:
            for place, _, count in _held(counters, name, len(read[name])):
                read[name][place : place + count] = arrays[name][place : place + count]
    state = state._replace(**read)
    for name in (*_COLUMNS, "edge_heap", "pair_heap", *_GROUPS):
        if name not in _COLUMNS or _is_kept(state, name):
            getattr(state, name)[: len(arrays[name])] = arrays[name]
    known = np.flatnonzero(state.node_fraud[: len(arrays["node_key"])])
    np.bitwise_or.at(state.known_nodes, known >> at.WORD_BITS, np.int64(1) << (known & at.WORD))
    state.counters[at.SEARCH] = 0
    return state


def _held(counters: NDArray[np.int64], name: str, size: int) -> list[tuple[int, int, int]]:
    """Where a ring of payments has those that it holds: `runs`."""
    oldest, end = _ENDS["flow" if name == "flow" else "paid"]
    return runs(int(counters[oldest]), int(counters[end]), size, size)


def _bytes_of(state: at.State, name: str) -> int:
    """Of a ring, without what has been given back."""
    ring = getattr(state, name)
    if not is_mapped(ring):
        return int(ring.nbytes)
    held = sum(count for _, _, count in _held(state.counters, name, len(ring)))
    return int(min(held + 2 * RING_STEP, len(ring)) * ring.nbytes // len(ring))


def nbytes(state: at.State) -> int:
    """Bytes of memory in use."""
    rings = {name: _bytes_of(state, name) for name in ("flow", "paid_keys", "paid_clock")}
    moving = state.node_larger.nbytes + state.pair_larger.nbytes
    others = (array.nbytes for name, array in to_arrays(state).items() if name not in rings)
    return state.notes.nbytes + moving + sum(rings.values()) + sum(others)
