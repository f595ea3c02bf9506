"""Another number of shards: retained rows go to the shards of their keys, and engines are made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.features.cell import shard_of
from ringfence.sharded.decide import CARRIED, features_key
from ringfence.sharded.route import ROWS
from ringfence.sharded.shard import CURSOR, PART, PLACE, UNTOLD
from ringfence.sharded.wire import FEATURES, PLACES, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.sharded.plan import ShardedPlan

    States = Mapping[tuple[str, int], Mapping[bytes, bytes]]


def rescaled(plan: ShardedPlan, states: States, shards: int) -> dict[tuple[str, int], dict[bytes, bytes]]:
    """The states of a job, by stage and key, for the same plan with so many shards.

    Every shard must have had the same elements, as at a savepoint. Then each `shard` takes b"" once, to tell
    what lanes still wait for.
    """
    made = {place: dict(state) for place, state in states.items() if place[0] != "shard"}
    old = [dict(states.get(("shard", number), {})) for number in range(plan.shards)]
    for (name, _), state in made.items():
        if name == "route":
            for key, data in state.items():
                state[key] = _split_again(plan, data, shards)
    waiting = _take_back(made, plan.shards, shards)
    new: list[dict[bytes, bytes]] = [{} for _ in range(shards)]
    places = [PLACE.unpack(state[CURSOR]) for state in old if CURSOR in state]
    if places:
        turns, limits, clocks = zip(*places, strict=True)
        cursor = PLACE.pack(max(turns), max(limits), min(clocks))
        for state in new:
            state[CURSOR] = cursor
            state.update({UNTOLD.pack(b"u", *chunk): b"" for chunk in waiting})
    for key in sorted({key for state in old for key in state if key[:1] == b"p"}):
        parts = [unpack(state[key]) for state in old if key in state]
        joined = _joined(plan, [columns for _, columns in parts])
        for state, part in zip(new, _dealt(plan, joined, shards), strict=True):
            state[PART.pack(*PART.unpack(key))] = pack(parts[0][0], *part)
    return made | {("shard", number): state for number, state in enumerate(new)}


def _take_back(
    states: Mapping[tuple[str, int], dict[bytes, bytes]], before: int, after: int
) -> list[tuple[int, int]]:
    """Chunks of which lanes lack what some shards measured; what others did is carried over as one."""
    found = []
    for state in (state for (name, _), state in states.items() if name == "decide"):
        told: dict[tuple[int, int], list[bytes]] = {}
        for key, data in state.items():
            head = unpack(data)[0] if len(key) > 1 else ()
            if len(head) > 2 and head[2] in (FEATURES, PLACES):
                told.setdefault((head[0], head[1]), []).extend([key] if head[2] == FEATURES else [])
        for chunk, keys in told.items():
            parts = [unpack(state.pop(key))[1] for key in keys]
            whole = [np.concatenate(some, axis=some[0].ndim - 1) for some in zip(*parts, strict=True)]
            if whole:
                state[features_key(chunk, CARRIED)] = pack((*chunk, FEATURES, CARRIED), *whole)
            if sum(key != features_key(chunk, CARRIED) for key in keys) < before:
                found.append(chunk)
                continue
            nothing = [column[..., :0] for column in whole]
            for shard in range(after):
                state[features_key(chunk, shard)] = pack((*chunk, FEATURES, shard), *nothing)
    return sorted(found)


def _widths(plan: ShardedPlan) -> list[int]:
    return [3 + one.compiled.needs_places for one in plan.measured]


def _joined(plan: ShardedPlan, parts: Sequence[Sequence[NDArray[Any]]]) -> list[list[NDArray[Any]]]:
    """Rows of a chunk, entity by entity, in the order of the log."""
    found, begin = [], 0
    for width in _widths(plan):
        columns = [np.concatenate([part[begin + column] for part in parts]) for column in range(width)]
        order = np.argsort(columns[1], kind="stable")
        found.append([column[order] for column in columns])
        begin += width
    return found


def _dealt(
    plan: ShardedPlan, entities: Sequence[Sequence[NDArray[Any]]], shards: int
) -> list[list[NDArray[Any]]]:
    """The same rows, each in the shard of its key."""
    out: list[list[NDArray[Any]]] = [[] for _ in range(shards)]
    for one, columns in zip(plan.measured, entities, strict=True):
        owner = shard_of(columns[2][:, one.compiled.key_column], shards)
        for shard, part in enumerate(out):
            mine = owner == shard
            part.extend(column[mine] for column in columns)
    return out


def _split_again(plan: ShardedPlan, data: bytes, shards: int) -> bytes:
    """Rows that wait for their places, by the new shards."""
    head, columns = unpack(data)
    if head[2] != ROWS:
        return data
    out: list[NDArray[Any]] = []
    begin = 0
    for one, width in zip(plan.measured, _widths(plan), strict=True):
        rows, _, inputs, *spots = columns[begin : begin + width]
        begin += width
        owner = shard_of(inputs[:, one.compiled.key_column], shards)
        order = np.lexsort((rows, owner))
        cuts = np.searchsorted(owner[order], np.arange(shards + 1)).astype(np.int32)
        out += [rows[order], cuts, inputs[order], *(spot[order] for spot in spots)]
    return pack(head, *out)
