"""Strips: growable circular runs of event refs, allocated from one pool in powers of two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.features.kernel.jit import inlined, kernel
from ringfence.features.kernel.layout import CAPACITY, END, FIRST, POOL_FREE, POOL_TOP, START

if TYPE_CHECKING:
    from ringfence.features.kernel.layout import Refs, State, Words

SMALLEST = 2  # exponent of the first capacity: 4


@inlined
def ref_at(arena: Words, pool: Refs, strip: int, position: int) -> int:
    """The ref at a position of the strip whose words begin at `strip`."""
    return pool[arena[strip + START] + (position & (arena[strip + CAPACITY] - 1))]


@inlined
def full(arena: Words, strip: int) -> bool:
    """Whether one more ref needs a larger run."""
    return arena[strip + END] - arena[strip + FIRST] == arena[strip + CAPACITY]


@kernel
def exponent(capacity: int) -> int:
    k = SMALLEST
    while (1 << k) < capacity:
        k += 1
    return k


@kernel
def release(s: State, strip: int) -> None:
    """Give the run back."""
    capacity = s.arena[strip + CAPACITY]
    if capacity != 0:
        k = exponent(capacity)
        start = s.arena[strip + START]
        s.pool[start] = s.counters[POOL_FREE + k]
        s.counters[POOL_FREE + k] = start
        s.arena[strip + CAPACITY] = 0


@kernel
def grow(s: State, strip: int) -> None:
    """Move to a run of twice the capacity."""
    k = exponent(max(2 * s.arena[strip + CAPACITY], 1))
    start = s.counters[POOL_FREE + k]
    if start != 0:
        s.counters[POOL_FREE + k] = s.pool[start]
    else:
        start = s.counters[POOL_TOP]
        s.counters[POOL_TOP] += 1 << k
    mask = (1 << k) - 1
    for position in range(s.arena[strip + FIRST], s.arena[strip + END]):
        s.pool[start + (position & mask)] = ref_at(s.arena, s.pool, strip, position)
    release(s, strip)
    s.arena[strip + START] = start
    s.arena[strip + CAPACITY] = 1 << k


@inlined
def append(s: State, strip: int, ref: int) -> None:
    """Add a ref at the end. The caller has made sure that there is room."""
    if full(s.arena, strip):
        grow(s, strip)
    end = s.arena[strip + END]
    s.pool[s.arena[strip + START] + (end & (s.arena[strip + CAPACITY] - 1))] = ref
    s.arena[strip + END] = end + 1


@kernel
def insert(s: State, strip: int, position: int, ref: int) -> None:
    """Put a ref before the one at `position`; those from there on move up by one."""
    append(s, strip, ref)
    start, mask = s.arena[strip + START], s.arena[strip + CAPACITY] - 1
    at = s.arena[strip + END] - 1
    while at > position:
        s.pool[start + (at & mask)] = s.pool[start + ((at - 1) & mask)]
        at -= 1
    s.pool[start + (position & mask)] = ref


@kernel
def first_after(arena: Words, pool: Refs, rows: Words, strip: int, time: int) -> int:
    """First position whose event is later than `time`; END if none is."""
    mask = rows.shape[0] - 1
    low, high = arena[strip + FIRST], arena[strip + END]
    while low < high:
        middle = (low + high) >> 1
        if rows[ref_at(arena, pool, strip, middle) & mask, 0] <= time:
            low = middle + 1
        else:
            high = middle
    return low
