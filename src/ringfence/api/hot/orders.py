"""What the decider is asked beside the records of requests, and how a promise of its answer is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ringfence.api.http.problems import unavailable

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ringfence.api.http.problems import Refusal
    from ringfence.events.batch import EventBatch
    from ringfence.runner import Arrival, PendingBatch, Runner


@dataclass(slots=True, eq=False)
class Look:
    """A question to the state, asked between two steps."""

    ask: Callable[[], Any]
    result: asyncio.Future[Any]


@dataclass(slots=True, eq=False)
class Order:
    """Events of the server's own making: an activation, which is a batch of its own, or list entries."""

    events: EventBatch
    result: asyncio.Future[list[int]]  # offset of each, -1 where its id came before with other content

    def work(self, runner: Runner) -> PendingBatch:
        """Have it done; on the thread of whole steps."""
        return runner.put(self.events)


@dataclass(slots=True, eq=False)
class Arrived(Order):
    """Some records of a stream, which are decided as payments are that somebody asks about."""

    arrival: Arrival

    def work(self, runner: Runner) -> PendingBatch:
        """Have them decided; where the stream goes on commits with them."""
        return runner.take_in(self.arrival)


def cannot_decide() -> Refusal:
    """What is said once nothing can be decided any more."""
    return unavailable("the server cannot decide at the moment: try again, or look at /readyz")


def keep(promise: asyncio.Future[Any], value: Any) -> None:
    """Answer, unless whoever asked has gone."""
    if not promise.done():
        promise.set_result(value)


def give_up(promise: asyncio.Future[Any], refusal: Refusal) -> None:
    """Refuse, unless whoever asked has gone."""
    if not promise.done():
        promise.set_exception(refusal)
