"""The stage that brings rows and their places in the order together, and hands them to the shards."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.features.cell import shard_of
from ringfence.features.kernel import layout as at
from ringfence.sharded.wire import Element, pack, unpack

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from numpy.typing import NDArray

    from ringfence.sharded.plan import Measured, ShardedPlan

HALF: Final = struct.Struct("<cqq")
ROWS, PLACED = 0, 1  # which half of a chunk an element is


class Route:
    """One lane; what it keeps is halves of chunks whose other halves have not come."""

    def __init__(self, plan: ShardedPlan, state: MutableMapping[bytes, bytes]) -> None:
        self._plan = plan
        self._state = state
        self._halves = {key: state[key] for key in state}

    def take(self, data: bytes) -> list[Element]:
        """Rows of a chunk by shard, from the door; or their places, from the order."""
        (partition, number, half, *_), _ = unpack(data)
        key = HALF.pack(b"h", partition, number)
        other = self._halves.pop(key, None)
        if other is None:
            self._state[key] = self._halves[key] = data
            return []
        del self._state[key]
        rows, places = (data, other) if half == ROWS else (other, data)
        return self._parts(rows, places)

    def _parts(self, rows: bytes, told: bytes) -> list[Element]:
        _, columns = unpack(rows, writable=True)
        (partition, number, _, turn, limit), (places, labels, keys, marks) = unpack(told)
        shards, at_column = self._plan.shards, 0
        parts: list[list[NDArray[Any]]] = [[] for _ in range(shards)]
        for one in self._plan.measured:
            order, cuts, inputs, *spots = columns[at_column : at_column + 3 + one.compiled.needs_places]
            at_column += 3 + len(spots)
            offsets = places[0, order]
            inputs[:, at.IN_CLOCK] = places[1, order]
            if one.label_slot >= 0:
                _mark(one, inputs, order, marks)
            edges = cuts.tolist()
            refused = bool(len(offsets)) and bool((offsets < 0).any())
            for shard, part in enumerate(parts):
                mine = slice(edges[shard], edges[shard + 1])
                some = [column[mine] for column in (order, offsets, inputs, *spots)]
                if refused:
                    logged = some[1] >= 0
                    some = [column[logged] for column in some]
                part.extend(some)
            if one.label_slot >= 0 and len(labels):
                _add_labels(one, parts, labels, keys[:, one.label_slot])
        head = (turn, limit, partition, number)
        return [Element("shard", shard, pack(head, *part)) for shard, part in enumerate(parts)]


def _mark(
    one: Measured, inputs: NDArray[np.int64], order: NDArray[np.int32], marks: NDArray[np.int64]
) -> None:
    """What labels said that came before their payments."""
    word = at.IN_ROW + one.compiled.marks_word
    for row, fraud in marks.tolist():
        inputs[order == row, word] |= fraud << at.LABEL_BIT


def _add_labels(
    one: Measured, parts: list[list[NDArray[Any]]], labels: NDArray[np.int64], keys: NDArray[np.int64]
) -> None:
    """Rows of labels among the payments of their keys, each at its place; they are no rows of the chunk."""
    offsets, times, ids, fraud = labels.T
    made = one.label_rows(keys, ids, fraud, times)
    shards = np.where(keys == 0, -1, shard_of(keys, len(parts)))
    width = 3 + one.compiled.needs_places
    for shard in np.unique(shards[shards >= 0]).tolist():
        mine, part = shards == shard, parts[shard]
        own = part[-width:]
        added = [np.full(np.count_nonzero(mine), -1, np.int32), offsets[mine], made[mine]]
        if one.compiled.needs_places:
            added.append(np.full((len(added[0]), 2), np.nan))
        both = [np.concatenate([left, right]) for left, right in zip(own, added, strict=True)]
        order = np.argsort(both[1], kind="stable")
        part[-width:] = [column[order] for column in both]
