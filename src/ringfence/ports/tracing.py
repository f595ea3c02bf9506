"""Traces: which request led to which step, and where the time went. Nothing in them names a person."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from prometheus_client import CollectorRegistry


class StageSpan(NamedTuple):
    """A part of a step, in seconds of `time.perf_counter`."""

    name: str
    begin: float
    end: float


class RequestTrace(Protocol):
    """One request, from its head on."""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits: the caller's, where the caller sent one."""
        ...

    @property
    def is_sampled(self) -> bool:
        """Whether anybody will see it."""
        ...

    def end(self, method: str, route: str, status: int) -> None:
        """It has been answered; status 0: the caller hung up first. `route` is a pattern, never a path."""
        ...


class Tracing(Protocol):
    """Where traces go. Any thread may call; no call waits for whoever receives them, and none raises."""

    @property
    def exported(self) -> int:
        """Spans that were received."""
        ...

    @property
    def dropped(self) -> int:
        """Spans that found no room in the queue, or nobody who took them."""
        ...

    def request(self, traceparent: bytes) -> RequestTrace:
        """A request begins; `traceparent` as W3C Trace Context has it, empty or wrong where it has none."""
        ...

    def step(
        self, requests: Sequence[RequestTrace], stages: Sequence[StageSpan], counts: Mapping[str, int]
    ) -> None:
        """A step is durable. It belongs to the first sampled request and refers to the others.

        Without requests (streams, batches) it is a trace of its own; where none is sampled it is left out.
        """
        ...

    def take(self, follower: str, topic: str) -> AbstractContextManager[Callable[[int], None]]:
        """Frames one take of a follower; the block tells how many records it was."""
        ...

    def close(self) -> None:
        """Send what is left, within a few seconds."""
        ...


class Metering(Protocol):
    """Where figures go, on a thread of its own; nothing waits for whoever receives them."""

    def start(self, registry: CollectorRegistry, /) -> None:
        """Send the figures of a registry from now on."""
        ...

    def stop(self) -> None:
        """Send what is left, within a few seconds."""
        ...


def untraced(_follower: str, _topic: str) -> AbstractContextManager[Callable[[int], None]]:
    """Frames a take that nobody wants to hear of."""
    return nullcontext(_ignored)


def _ignored(_records: int) -> None: ...
