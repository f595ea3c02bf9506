"""What the engine remembers, as a handful of arrays: made, written down and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.features.kernel import layout as at
from ringfence.features.kernel.tables import reinsert
from ringfence.features.memory import zeros

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.features.program import CompiledFeatures

SMALLEST_RING: Final = 1 << 5
_SMALLEST: Final = 1 << 5  # places of a hash table, refs of the pool
_FEW: Final = 4  # cells, the empty one among them


def fresh(compiled: CompiledFeatures, ring: int = SMALLEST_RING) -> at.State:
    """An empty state; `ring` events fit before it grows."""
    entities, trackers = len(compiled.spec.entities), len(compiled.program.trackers)
    counters = zeros(at.PER_ENTITY + 2 * entities, np.int64)
    counters[at.WATERMARK] = at.LONG_AGO
    counters[at.ARENA_TOP] = -(
        -compiled.cell_words // at.UNIT
    )  # cell 0 stays empty and must be readable as any entity's
    counters[at.POOL_TOP] = 4  # 0 means "no run"
    arena = zeros(_FEW * -(-compiled.cell_words // at.UNIT) * at.UNIT, np.int64)
    arena[at.LOCATED] = -1
    return at.State(
        rows=zeros((ring, compiled.row_words), np.int64, growing=True),
        places=zeros((ring if compiled.needs_places else 1, 2), np.float64, growing=True),
        slots=zeros((ring, entities), np.int32, growing=True),
        pairs=zeros((ring if trackers else 1, max(trackers, 1)), np.int32, growing=True),
        table=zeros(_SMALLEST, np.int64),
        arena=arena,
        pool=zeros(_SMALLEST, np.int32),
        pair_table=zeros(_SMALLEST if trackers else 4, np.int64),
        pairs_known=zeros((_SMALLEST // 2 if trackers else 1, 2), np.int64),
        pair_stamp=zeros(_SMALLEST // 2 if trackers else 1, np.int64),
        id_table=zeros(_SMALLEST if compiled.needs_labels else 4, np.int64),
        table_larger=at.nothing(),
        pair_larger=at.nothing(),
        id_larger=at.nothing(),
        counters=counters,
        scratch=zeros(compiled.cell_words, np.int64),
        values=zeros((len(compiled.spec.features), at.LANES), np.float64),
        moments=zeros((len(compiled.program.groups), at.M_WORDS, at.LANES), np.int64),
    )


def blank_next(
    state: at.State, compiled: CompiledFeatures, time_ms: int, hour: int, starts: NDArray[np.int64]
) -> None:
    """Make the ring's next row, which must be free, an event at this time without any content.

    `starts` is when its calendar windows began.
    """
    row = int(state.counters[at.SEQ_END]) & (len(state.rows) - 1)
    state.rows[row] = at.NULL
    state.rows[row, 0] = time_ms
    state.rows[row, compiled.calendar_word : compiled.calendar_word + len(starts)] = starts
    if compiled.marks_word >= 0:
        state.rows[row, compiled.marks_word] = hour << at.HOUR_SHIFT
    if compiled.needs_places:
        state.places[row] = np.nan
    if len(state.pairs) == len(state.rows):
        state.pairs[row] = -1


def to_arrays(state: at.State, oldest: int) -> dict[str, NDArray[Any]]:
    """Contiguous views of all that must be kept; of the ring what is not older than `oldest`, in pieces."""
    counters = state.counters
    end, size = int(counters[at.SEQ_END]), len(state.rows)
    low, high = oldest & (size - 1), end & (size - 1)
    parts = [(low, low + end - oldest)] if low + end - oldest <= size else [(low, size), (0, high)]
    arrays: dict[str, NDArray[Any]] = {}
    for name in at.RING_ARRAYS:
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


def from_arrays(compiled: CompiledFeatures, arrays: Mapping[str, NDArray[Any]]) -> tuple[at.State, int]:
    """The state that `to_arrays` wrote, and its oldest sequence number."""
    oldest, size = (int(word) for word in arrays["oldest"])
    state = fresh(compiled, size)
    loaded: dict[str, NDArray[Any]] = {}
    for name in at.RING_ARRAYS:
        array, at_seq = getattr(state, name), oldest
        for part in (arrays[key] for key in (f"{name}.0", f"{name}.1") if key in arrays):
            begin = at_seq & (size - 1)
            array[begin : begin + len(part)] = part
            at_seq += len(part)
    for name in ("table", "id_table", "counters"):
        loaded[name] = np.array(arrays[name])
    loaded["pair_table"] = _fitting(arrays["pair_table"], len(arrays["pairs_known"]))
    for name in ("arena", "pool", "pairs_known", "pair_stamp"):
        part = arrays[name]
        room = max(len(getattr(state, name)), _power_of_two(len(part)))
        if name in ("pairs_known", "pair_stamp"):  # half of the table, as ever: it grows where they are full
            room = max(room, len(loaded["pair_table"]) // 2)
        array = zeros((room, *part.shape[1:]), part.dtype, growing=True)
        array[: len(part)] = part
        loaded[name] = array
    return state._replace(**loaded), oldest


def _fitting(table: NDArray[np.int64], pairs: int) -> NDArray[np.int64]:
    """The table of so many pairs, without the room that it got by restarts: each once doubled it."""
    places = max(_SMALLEST, 8 * _power_of_two(pairs))
    if len(table) <= places:
        return np.array(table)
    fitting = zeros(places, np.int64)
    reinsert(table, fitting, 0, len(table))
    return fitting


def _power_of_two(size: int) -> int:
    """The least one that is not smaller."""
    return 1 << max(size - 1, 0).bit_length()


def nbytes(state: at.State) -> int:
    """Memory of all arrays, used or not."""
    return sum(array.nbytes for array in state)
