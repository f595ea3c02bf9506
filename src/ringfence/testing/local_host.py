"""A host of the stages of `ringfence.sharded` in one process: what a cluster does, without one."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from ringfence.sharded import STAGES, stage_of
from ringfence.sharded.rescale import rescaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ringfence.sharded import Element, ShardedPlan, ShardedStage


class LocalHost:
    """Elements travel from key to key in order; which of them arrives first is up to `choose`.

    Attributes:
        plan: of the job.
        states: what a checkpoint would hold, by stage and key.
        outputs: what came out, by the name of the output.
    """

    def __init__(self, plan: ShardedPlan, choose: Callable[[int], int] = lambda _: 0) -> None:
        """`choose(n)` is a number below n: which of so many elements arrives next."""
        self.plan = plan
        self.states: dict[tuple[str, int], dict[bytes, bytes]] = {}
        self.outputs: dict[str, list[Element]] = {}
        self._choose = choose
        self._stages: dict[tuple[str, int], ShardedStage] = {}
        self._channels: dict[tuple[str, int, str, int], deque[bytes]] = {}

    def stage(self, name: str, key: int) -> ShardedStage:
        """One key of a stage; made from its state where it is not there."""
        place = (name, key)
        if place not in self._stages:
            self._stages[place] = stage_of(self.plan, name, key, self.states.setdefault(place, {}))
        return self._stages[place]

    def lose(self, name: str, key: int) -> None:
        """The process with this key is gone: all that it kept is its state."""
        self._stages.pop((name, key), None)

    def lose_all(self) -> None:
        """All processes are gone; what is on its way is part of the checkpoint."""
        self._stages.clear()

    def rescale(self, shards: int) -> None:
        """Go on with so many shards, once all that is on its way has arrived."""
        self.run()
        self.states = rescaled(self.plan, self.states, shards)
        self.plan = replace(self.plan, shards=shards)
        self.lose_all()
        for shard in range(shards):
            self.send(self.stage("shard", shard).take(b""), "shard", shard)

    def send(self, elements: Iterable[Element], name: str = "", key: int = 0) -> None:
        """Put elements on their way, from a key of a stage."""
        for element in elements:
            if element.to in STAGES:
                channel = (name, key, element.to, element.key)
                self._channels.setdefault(channel, deque()).append(element.data)
            else:
                self.outputs.setdefault(element.to, []).append(element)

    def run(self, most: int | None = None) -> int:
        """Deliver elements, so many at most, until none is left; how many were."""
        done = 0
        for name, key, data in self._arrivals():
            self.send(self.stage(name, key).take(data), name, key)
            done += 1
            if done == most:
                break
        return done

    def _arrivals(self) -> Iterator[tuple[str, int, bytes]]:
        while self._channels:
            channels = list(self._channels)
            channel = channels[self._choose(len(channels))]
            waiting = self._channels[channel]
            data = waiting.popleft()
            if not waiting:
                del self._channels[channel]
            yield channel[2], channel[3], data
