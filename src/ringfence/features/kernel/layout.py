"""How the engine's state and program lie in arrays.

A *row* is one event in the ring. A *ref* is an event's sequence number modulo 2^31; its row is `ref &
(capacity - 1)`. A *cell* is one key's state: int64 words in the arena, in units of `UNIT` words; cell 0 is
empty for ever and stands for "no such key". A *strip* is a growable circular run of refs in the pool,
described by four words of a cell: start, capacity, first, end. Positions in a strip count up for ever;
position `i` lies at `start + (i & (capacity - 1))`.

    cell:  KEY | strip of the key's events in time order | LOCATED | windows ... | strips of extrema ...
    window:  TAIL TAIL_TIME [HEAD HEAD_TIME]  accumulators ...

Windows stand in order of their reach, the longest first: where an event has left one, it has left the rest.
Calendar windows, whose length changes from event to event, stand before them.

A window holds the events at positions [TAIL, END) of the strip, a delayed one [TAIL, HEAD). TAIL_TIME is the
time of the event at TAIL, so that a key whose tails need not move costs no look at the ring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Words: TypeAlias = "NDArray[np.int64]"
Refs: TypeAlias = "NDArray[np.int32]"

NULL: Final = int(np.iinfo(np.int64).min)
NEVER: Final = int(np.iinfo(np.int64).max)
LONG_AGO: Final = NULL // 2  # the clock before the first event; a retention may be taken from it
REF_MASK: Final = (1 << 31) - 1
UNIT: Final = 8  # a cache line

# Words of a cell.
KEY: Final = 0
EVENTS: Final = 1  # the key's strip of events
START, CAPACITY, FIRST, END = 0, 1, 2, 3  # words of any strip
LOCATED: Final = 5  # ref of the latest event that has a position, or -1
CELL_HEADER: Final = 6

# Words of a window.
TAIL, TAIL_TIME, HEAD, HEAD_TIME = 0, 1, 2, 3

# Accumulators. SUMMED: n, sum high, sum low. SQUARED: these and squares high, low.
SUMMED, SQUARED, BIT, DISTINCT, HOURS = 0, 1, 2, 3, 4
ACCUMULATOR_WORDS: Final = (3, 5, 1, 1, 24)

# Words of a pair: hash of (cell, tracker, value), in a free pair the next free one; ref of its latest event.
PAIR_HASH, PAIR_LAST = 0, 1

# Bits of an event's marks: one per condition; one per tracker, set while no later event of the key has the
# same value; in the first word also the hour of day and the fraud label.
MARK_BITS: Final = 56  # of each word
HOUR_SHIFT: Final = 56
LABEL_BIT: Final = 61

# Words of `State.counters`.
SEQ_END, SEQ_IDS, WATERMARK, ARENA_TOP, POOL_TOP, KEYS, PAIR_TOP, PAIR_FREE, PAIRS, IDS, STAMP = range(11)
POOL_FREE: Final = 11  # heads of the free lists of strips, by capacity exponent
PER_ENTITY: Final = (
    POOL_FREE + 32
)  # then, per entity: oldest kept sequence number, head of the free list of cells

# Why `measure` stopped before the end of its input.
DONE, NEED_ARENA, NEED_POOL, NEED_KEYS, NEED_PAIRS, NEED_IDS = range(6)

# Words of an input row: what it is, the stream's clock after it, then the words of the ring's row, the keys'
# hashes, the trackers' values.
IN_KIND: Final = 0
IN_CLOCK: Final = 1
IN_ROW: Final = 2
IS_EVENT, IS_LABEL = 0, 1  # a label carries the id in the id word and 0 or 1 in the marks word


class State(NamedTuple):
    """Everything the engine remembers."""

    rows: Words  # (ring, row words): time, values, when its calendar windows began, marks, id hash
    places: NDArray[np.float64]  # (ring or 1, 2): latitude, longitude, NaN for null
    slots: NDArray[np.int32]  # (ring, entities): the cell of each entity's key, 0 where there is none
    pairs: NDArray[np.int32]  # (ring, trackers): which (key, value) pair, -1 for a null value
    table: Words  # hash table: cells
    arena: Words  # cells
    pool: NDArray[np.int32]  # strips
    pair_table: Words  # hash table: pairs + 1
    pairs_known: Words  # (pairs, 2): PAIR_HASH, PAIR_LAST
    pair_stamp: Words  # last scan that saw the pair
    id_table: Words  # hash table: refs + 1 of the events that a label may name
    table_larger: Words  # what each hash table is moving into, a single word while it stands still
    pair_larger: Words
    id_larger: Words
    counters: NDArray[np.int64]
    scratch: Words  # a cell as it stands at the time of a late event
    values: NDArray[np.float64]  # (features, LANES): what a block's events have been measured to
    moments: Words  # (groups, M_WORDS, LANES): sums that the features of a group are yet to be made of


RING_ARRAYS: Final = ("rows", "places", "slots", "pairs")


def nothing() -> Words:
    """In place of a larger table while a table stands still."""
    return np.zeros(1, np.int64)


class Program(NamedTuple):
    """A feature specification as tables. Offsets are in words from the start of a cell."""

    entities: Words  # (entities, E_WORDS)
    windows: Words  # (windows, W_WORDS)
    accumulators: Words  # (accumulators, A_WORDS)
    extrema: Words  # (extrema, 3): offset of the strip, source column, 1 for max or -1 for min
    trackers: Words  # (trackers, T_WORDS)
    ops: Words  # (operations, O_WORDS)
    groups: Words  # (groups, G_WORDS)
    made: Words  # (features, 2): SUM, MEAN or STD and the group that it is made of, or UNGROUPED
    scales: NDArray[np.float64]  # (features,): what the stored integers are divided by
    defaults: NDArray[np.float64]  # (features,): in place of null
    shape: Words  # S_WORDS: counts and columns


# Words of a row of `Program.entities`. Ranges are first, end.
E_UNITS, E_SALT, E_RETENTION, E_KEY_COLUMN, E_WINDOWS, E_EXTREMA, E_TRACKERS, E_BEFORE, E_AFTER = (
    0,
    1,
    2,
    3,
    4,
    6,
    8,
    10,
    12,
)
GROUPS_OF_SIDE: Final = 4  # from a side's range of operations to its range of groups
E_LOCATES: Final = 18
E_CALENDAR: Final = 19  # end of the calendar windows, which stand first: they may grow from event to event
E_WORDS: Final = 20

# Words of a row of `Program.windows`. A window holds the events later than its reach before what stands in
# the current event's column EDGE: its time, or for a calendar window when the period began.
W_OFFSET, W_REACH, W_DELAY, W_DELAYED, W_ACCUMULATORS, W_EDGE = 0, 1, 2, 3, 4, 6
W_WORDS: Final = 7

# Words of a row of `Program.accumulators`: the source is a column, a bit or a tracker, a mark (word, bit).
A_KIND, A_OFFSET, A_SOURCE, A_WORD, A_BIT = range(5)
A_WORDS: Final = 5

# Words of a row of `Program.trackers`: entity, input column of the value, mark of the latest event with it.
T_ENTITY, T_COLUMN, T_WORD, T_BIT = range(4)
T_WORDS: Final = 4

# Words of a row of `Program.ops`.
O_CODE, O_FEATURE, O_WINDOW, O_DELAYED, O_ACCUMULATOR, O_SOURCE, O_REACH, O_EXTREMUM, O_EDGE, O_BACK = range(
    10
)
O_WORDS: Final = 10

# Words of a row of `Program.groups`: sum, mean and std of one field in one window. The accumulator's offset,
# whether it has squares, and where its operations are.
G_ACCUMULATOR, G_SQUARED, G_FIRST, G_LAST = range(4)
G_WORDS: Final = 4
UNGROUPED: Final = -1

# Words of a group's moments, each of as many lanes.
M_COUNT, M_SUM, M_SQUARES = range(3)
M_WORDS: Final = 3
LANES: Final = 24  # events measured together; more of them no longer fit the nearest caches
STEP: Final = 8  # lanes in one instruction

# Operations, one per feature kind that is computed differently.
COUNT, BITS, BIT_SHARE, SUM, MEAN, STD, RATIO, ZSCORE, MIN, MAX, N_DISTINCT = range(11)
HOUR_SHARE, SINCE_LAST, SINCE_FIRST, IS_NEW, DISTANCE, SPEED, PREVIOUS, IS_SAME = range(11, 19)

# Words of `Program.shape`.
# S_MARKS, S_ID: words of a row, -1 for none.
S_LATENESS, S_ROW_WORDS, S_MARKS, S_ID, S_PLACES = range(5)
S_WORDS: Final = 5

# Where the scratch cell begins. Typed, or Numba would compile what reads it once more for the literal 0.
SCRATCH: Final[Any] = np.int64(0)

# How a row is measured.
ON_TIME, LATE_BEFORE, LATE_AFTER = range(3)
