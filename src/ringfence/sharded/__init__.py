"""The same engine in parts that a distributed host runs: stages over opaque elements, and no host in them.

    records ─► door ─► ids ─► order ─► route ─► shard ─► decide ─► decisions
                └────────────── rows, events ──────────────┘

Every stage is keyed (`ShardedPlan.keys`), takes one element at a time and answers with elements for those
behind it. What it must not lose stands in the mapping that the host gives it; the rest it makes again from
that. The log that they decide together is the one that the embedded host would have: partitions merged by
(partition clock, partition, offset).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from ringfence.sharded.decide import Decide
from ringfence.sharded.first_stage import Door
from ringfence.sharded.frames import frame
from ringfence.sharded.ids import Ids
from ringfence.sharded.order import LogOrder
from ringfence.sharded.plan import ShardedPlan
from ringfence.sharded.route import Route
from ringfence.sharded.shard import EntityShard
from ringfence.sharded.wire import Element

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

__all__ = ["STAGES", "Door", "Element", "ShardedPlan", "ShardedStage", "frame", "stage_of"]


class ShardedStage(Protocol):
    """What a host calls."""

    def take(self, data: bytes) -> list[Element]:
        """What follows from an element."""
        ...


_MADE: Final[dict[str, Callable[[ShardedPlan, int, MutableMapping[bytes, bytes]], ShardedStage]]] = {
    "door": Door,
    "ids": Ids,
    "order": lambda plan, _, state: LogOrder(plan, state),
    "route": lambda plan, _, state: Route(plan, state),
    "shard": EntityShard,
    "decide": Decide,
}

STAGES: Final = tuple(_MADE)
"""Their names, in the order in which elements pass through them."""


def stage_of(plan: ShardedPlan, name: str, key: int, state: MutableMapping[bytes, bytes]) -> ShardedStage:
    """One key of a stage, as `state` has it."""
    return _MADE[name](plan, key, state)
