"""Window minima and maxima: per key and field a strip of the events that no later one exceeds.

`sign` is 1 for a maximum and -1 for a minimum. Along the strip times rise and values fall.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.features.kernel.jit import inlined, kernel
from ringfence.features.kernel.layout import CAPACITY, END, FIRST, NULL, START
from ringfence.features.kernel.strips import append, first_after, insert, ref_at

if TYPE_CHECKING:
    from ringfence.features.kernel.layout import Refs, State, Words


@inlined
def value_at(arena: Words, pool: Refs, rows: Words, strip: int, position: int, column: int) -> int:
    return rows[ref_at(arena, pool, strip, position) & (rows.shape[0] - 1), column]


@inlined
def push(s: State, strip: int, column: int, sign: int, ref: int, x: int) -> None:
    """Note the newest event's value."""
    if x == NULL:
        return
    end, first = s.arena[strip + END], s.arena[strip + FIRST]
    while end > first and sign * value_at(s.arena, s.pool, s.rows, strip, end - 1, column) <= sign * x:
        end -= 1
    s.arena[strip + END] = end
    append(s, strip, ref)


@kernel
def push_late(s: State, strip: int, column: int, sign: int, ref: int, x: int, time: int) -> None:
    """Note a late event's value at its place, unless a later event exceeds it."""
    if x == NULL:
        return
    position = first_after(s.arena, s.pool, s.rows, strip, time)
    end = s.arena[strip + END]
    if position < end and sign * value_at(s.arena, s.pool, s.rows, strip, position, column) >= sign * x:
        return
    keep = position
    while (
        keep > s.arena[strip + FIRST]
        and sign * value_at(s.arena, s.pool, s.rows, strip, keep - 1, column) <= sign * x
    ):
        keep -= 1
    if keep == position:
        insert(s, strip, position, ref)
        return
    start, mask = s.arena[strip + START], s.arena[strip + CAPACITY] - 1
    s.pool[start + (keep & mask)] = ref
    dropped = position - keep - 1
    for later in range(position, end):
        s.pool[start + ((later - dropped) & mask)] = s.pool[start + (later & mask)]
    s.arena[strip + END] = end - dropped


@kernel
def forget(s: State, strip: int, ref: int) -> None:
    """Drop an event that leaves the key's history."""
    if (
        s.arena[strip + FIRST] < s.arena[strip + END]
        and ref_at(s.arena, s.pool, strip, s.arena[strip + FIRST]) == ref
    ):
        s.arena[strip + FIRST] += 1


@inlined
def extremum(s: State, strip: int, column: int, edge: int) -> int:
    """Greatest (or least) value of the events later than `edge`; NULL if there is none."""
    position = first_after(s.arena, s.pool, s.rows, strip, edge)
    if position == s.arena[strip + END]:
        return NULL
    return value_at(s.arena, s.pool, s.rows, strip, position, column)


@kernel
def extremum_as_of(
    s: State, strip: int, events: int, column: int, sign: int, edge: int, low: int, high: int
) -> int:
    """The same among positions [low, high) of the key's events only, when later ones exist.

    If the overall answer lies inside, it is the answer; otherwise the range is scanned.
    """
    rows = s.rows.shape[0] - 1
    position = first_after(s.arena, s.pool, s.rows, strip, edge)
    if position < s.arena[strip + END] and low < high:
        found = s.rows[ref_at(s.arena, s.pool, strip, position) & rows, 0]
        if found <= s.rows[ref_at(s.arena, s.pool, events, high - 1) & rows, 0]:
            return value_at(s.arena, s.pool, s.rows, strip, position, column)
    best = NULL
    for at in range(low, high):
        x = value_at(s.arena, s.pool, s.rows, events, at, column)
        if x != NULL and (best == NULL or sign * x > sign * best):
            best = x
    return best
