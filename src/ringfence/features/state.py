"""What the engine remembers, as a handful of arrays: made, grown, written down and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.features.kernel import layout as at
from ringfence.features.kernel.tables import reinsert

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.features.program import Compiled

_RING_ARRAYS = ("rows", "places", "slots", "pairs")
_SMALLEST_RING = 1 << 10
_LINE = 64  # bytes of a cache line


def zeros(shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Zeros that begin where a cache line does, so that cells and rows take up as few lines as they can."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + _LINE, np.uint8)
    begin = -room.ctypes.data % _LINE
    return room[begin : begin + size].view(dtype).reshape(shape)


def fresh(compiled: Compiled, ring: int = _SMALLEST_RING) -> at.State:
    """An empty state; `ring` events fit before it grows."""
    entities, trackers = len(compiled.spec.entities), len(compiled.program.trackers)
    counters = zeros(at.PER_ENTITY + 2 * entities, np.int64)
    counters[at.WATERMARK] = at.NULL // 2
    counters[at.ARENA_TOP] = -(
        -compiled.cell_words // at.UNIT
    )  # cell 0 stays empty and must be readable as any entity's
    counters[at.POOL_TOP] = 4  # 0 means "no run"
    arena = zeros(max(1 << 12, 2 * compiled.cell_words), np.int64)
    arena[at.LOCATED] = -1
    return at.State(
        rows=zeros((ring, compiled.row_words), np.int64),
        places=zeros((ring if compiled.needs_places else 1, 2), np.float64),
        slots=zeros((ring, entities), np.int32),
        pairs=zeros((ring if trackers else 1, max(trackers, 1)), np.int32),
        table=zeros(1 << 10, np.int64),
        arena=arena,
        pool=zeros(1 << 10, np.int32),
        pair_table=zeros(1 << 10 if trackers else 4, np.int64),
        pairs_known=zeros((1 << 9 if trackers else 1, 2), np.int64),
        pair_stamp=zeros(1 << 9 if trackers else 1, np.int64),
        id_table=zeros(1 << 10 if compiled.needs_labels else 4, np.int64),
        counters=counters,
        scratch=zeros(compiled.cell_words, np.int64),
        values=zeros((len(compiled.spec.features), at.LANES), np.float64),
        moments=zeros((len(compiled.program.groups), at.M_WORDS, at.LANES), np.int64),
    )


def grow_ring(state: at.State, oldest: int, room: int) -> at.State:
    """The state with a ring for `room` more events, keeping those from sequence number `oldest` on."""
    end = int(state.counters[at.SEQ_END])
    size = len(state.rows)
    while end - oldest + room > size:
        size *= 2
    if size == len(state.rows):
        return state
    grown = {}
    for name in _RING_ARRAYS:
        array = getattr(state, name)
        if len(array) == len(state.rows):
            grown[name] = larger = zeros((size, array.shape[1]), array.dtype)
            begin = oldest
            while begin < end:  # up to where the smaller ring begins again, and so cannot the larger one
                old, new = begin & (len(array) - 1), begin & (size - 1)
                count = min(end - begin, len(array) - old)
                larger[new : new + count] = array[old : old + count]
                begin += count
    return state._replace(**grown)


def blank_next(state: at.State, compiled: Compiled, time_ms: int, hour: int) -> None:
    """Make the ring's next row, which must be free, an event at this time without any content."""
    row = int(state.counters[at.SEQ_END]) & (len(state.rows) - 1)
    state.rows[row] = at.NULL
    state.rows[row, 0] = time_ms
    if compiled.marks_word >= 0:
        state.rows[row, compiled.marks_word] = hour << at.HOUR_SHIFT
    if compiled.needs_places:
        state.places[row] = np.nan
    if len(state.pairs) == len(state.rows):
        state.pairs[row] = -1


def grow(state: at.State, need: int) -> at.State:
    """The state with twice the room of what was lacking."""
    if need == at.NEED_ARENA:
        return state._replace(arena=_doubled(state.arena))
    if need == at.NEED_POOL:
        return state._replace(pool=_doubled(state.pool))
    if need == at.NEED_KEYS:
        return state._replace(table=_rehashed(state.table))
    if need == at.NEED_PAIRS:
        return state._replace(
            pair_table=_rehashed(state.pair_table),
            pairs_known=_doubled(state.pairs_known),
            pair_stamp=_doubled(state.pair_stamp),
        )
    return state._replace(id_table=_rehashed(state.id_table))


def _doubled(array: NDArray[Any]) -> NDArray[Any]:
    larger = zeros((2 * len(array), *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


def _rehashed(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """A table of twice the size with the same entries."""
    larger = zeros(2 * len(table), np.int64)
    reinsert(table, larger)
    return larger


def to_arrays(state: at.State, oldest: int) -> dict[str, NDArray[Any]]:
    """Contiguous views of all that must be kept; of the ring what is not older than `oldest`, in pieces."""
    counters = state.counters
    end, size = int(counters[at.SEQ_END]), len(state.rows)
    low, high = oldest & (size - 1), end & (size - 1)
    parts = [(low, low + end - oldest)] if low + end - oldest <= size else [(low, size), (0, high)]
    arrays: dict[str, NDArray[Any]] = {}
    for name in _RING_ARRAYS:
        array = getattr(state, name)
        if len(array) == size:
            for number, (begin, stop) in enumerate(parts):
                arrays[f"{name}.{number}"] = array[begin:stop]
    used = {"arena": counters[at.ARENA_TOP] * at.UNIT, "pool": counters[at.POOL_TOP]}
    used |= dict.fromkeys(("pairs_known", "pair_stamp"), counters[at.PAIR_TOP])
    for name in (
        "table",
        "arena",
        "pool",
        "pair_table",
        "pairs_known",
        "pair_stamp",
        "id_table",
        "counters",
    ):
        array = getattr(state, name)
        arrays[name] = array[: int(used[name])] if name in used else array
    arrays["oldest"] = np.array([oldest, size], np.int64)
    return arrays


def from_arrays(compiled: Compiled, arrays: Mapping[str, NDArray[Any]]) -> tuple[at.State, int]:
    """The state that `to_arrays` wrote, and its oldest sequence number."""
    oldest, size = (int(word) for word in arrays["oldest"])
    state = fresh(compiled, size)
    loaded: dict[str, NDArray[Any]] = {}
    for name in _RING_ARRAYS:
        array, at_seq = getattr(state, name), oldest
        for part in (arrays[key] for key in (f"{name}.0", f"{name}.1") if key in arrays):
            begin = at_seq & (size - 1)
            array[begin : begin + len(part)] = part
            at_seq += len(part)
    for name in ("table", "pair_table", "id_table", "counters"):
        loaded[name] = np.array(arrays[name])
    for name in ("arena", "pool", "pairs_known", "pair_stamp"):
        part = arrays[name]
        room = max(len(getattr(state, name)), 1 << max(len(part) - 1, 0).bit_length())
        array = zeros((room, *part.shape[1:]), part.dtype)
        array[: len(part)] = part
        loaded[name] = array
    return state._replace(**loaded), oldest


def nbytes(state: at.State) -> int:
    """Memory of all arrays, used or not."""
    return sum(array.nbytes for array in state)
