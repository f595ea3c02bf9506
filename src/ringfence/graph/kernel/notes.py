"""What the search in hand notes of nodes: a small hash table, which a cache holds whatever the graph has.

A note belongs to one search. The next one finds the places empty without clearing them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.features.kernel.jit import inlined
from ringfence.graph.kernel.layout import (
    N_BITS,
    N_ONE,
    N_TWO,
    N_WHOSE,
    NONE,
    S_PAIRS,
    S_REACH,
    S_STEPS,
    SEARCH,
)

if TYPE_CHECKING:
    from ringfence.graph.kernel.layout import State, Words

_NODE_BITS = 31
_SEARCHES = 1 << 31  # after which their numbers begin again
_SPREAD = 2654435761


def notes_for(shape: Words) -> int:
    """Places for the most nodes that one search notes, no more than half of them taken."""
    reach, steps, pairs = (int(shape[word]) for word in (S_REACH, S_STEPS, S_PAIRS))
    return 1 << (2 * max(2 * reach + 2, reach + steps + 1, pairs + 1)).bit_length()


@inlined
def one_of_64(node: int) -> int:
    """The bit of a node in a word of those that a search has noted: others may have the same."""
    one: Any = np.int64(1)
    return one << (node & 63)


@inlined
def begin_search(s: State) -> None:
    """Begin a search, of which nothing is noted yet."""
    s.counters[SEARCH] += 1
    if s.counters[SEARCH] == _SEARCHES:
        for place in range(s.notes.shape[0]):
            s.notes[place, N_WHOSE] = 0
        s.counters[SEARCH] = 1


@inlined
def _whose(s: State, node: int) -> int:
    return (s.counters[SEARCH] << _NODE_BITS) | node


@inlined
def _place(s: State, node: int) -> int:
    """Where the note on a node stands, or the empty place where it would."""
    wide: Any = np.int64(node)
    mask, number = s.notes.shape[0] - 1, s.counters[SEARCH]
    at = ((wide * _SPREAD) >> 16) & mask
    while s.notes[at, N_WHOSE] != _whose(s, node) and s.notes[at, N_WHOSE] >> _NODE_BITS == number:
        at = (at + 1) & mask
    return at


@inlined
def notes_of(s: State, node: int) -> int:
    """The place of the note on a node, zeros where the search has none yet."""
    at = _place(s, node)
    if s.notes[at, N_WHOSE] != _whose(s, node):
        s.notes[at, N_WHOSE] = _whose(s, node)
        s.notes[at, N_ONE] = s.notes[at, N_TWO] = s.notes[at, N_BITS] = 0
    return at


@inlined
def noted(s: State, node: int) -> int:
    """The place of the note on a node, `NONE` where the search has none."""
    at = _place(s, node)
    return at if s.notes[at, N_WHOSE] == _whose(s, node) else NONE
