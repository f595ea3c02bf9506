"""Streams that the server reads beside what comes over HTTP: one thread each, at most two batches under way.

    stream ──► thread ──► decider (a step of its own) ──► commit with the stream's position
                 ▲                                              │
                 └──────── waits while two are under way ◄──────┘

While the decider is busy the thread waits, the client library's queue fills, and brokers are not asked for
more: a backlog stays where it is kept best.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from random import Random
from threading import Event, Thread
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from ringfence.errors import RingfenceError
from ringfence.follow.backoff import wait_seconds
from ringfence.ports.sources import Warns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from prometheus_client import Metric

    from ringfence.api.hot.decider import Decider
    from ringfence.ports import Clock
    from ringfence.ports.sources import StreamSource
    from ringfence.runner import Arrival

_ROWS: Final = 2048  # of a step: those who ask over HTTP wait for one at most
_IN_FLIGHT: Final = 2
_WAIT_SECONDS: Final = 0.02  # for the first record of a batch
_TICK_SECONDS: Final = 0.2  # how long it takes to notice that the server stops
_SILENT_MS: Final = 60_000  # with records waiting: worth a warning


class SourceState(msgspec.Struct, frozen=True):
    """One stream: `reading`, or `failing` with the problem; what is waiting there, and what came from it.

    Kafka counts the records that wait, Kinesis tells how many seconds the next one has waited.
    """

    name: str
    state: str
    lag_records: int
    lag_seconds: float
    records: int
    quarantined: int
    parts: int
    problem: str


class _Reading:
    """One stream and its thread."""

    def __init__(
        self, stream: StreamSource, take: Callable[[Arrival], Future[None]], now_ms: Callable[[], int]
    ) -> None:
        self.stream = stream
        self.records = self.quarantined = self.restarts = 0
        self.waited_seconds = 0.0  # for the decider
        self.taken_ms = now_ms()
        self._problem = ""
        self._take = take
        self._now_ms = now_ms
        self._stopping = Event()
        self._thread = Thread(target=self._loop, name="ringfence-source", daemon=True)

    @property
    def problem(self) -> str:
        return self._problem or self.stream.problem

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _loop(self) -> None:
        failures, random = 0, Random()  # noqa: S311 (spreads attempts)
        while not self._stopping.is_set():
            try:
                if not self.stream.is_open:  # else the command has opened it
                    self.stream.open()
                self._problem, failures = "", 0
                self._read()
            except RingfenceError as error:
                self._problem = str(error)
            except Exception as error:  # noqa: BLE001 (of the server, which tells it itself)
                self._problem = f"reading stopped: {error!r}"
            self.stream.close()
            if self._stopping.is_set():
                return
            failures += 1
            self.restarts += 1
            self._stopping.wait(wait_seconds(failures, random))

    def _read(self) -> None:
        """Until the server stops; all that was handed over is durable or refused on return."""
        under_way: deque[Future[None]] = deque()
        is_over = self._stopping.is_set
        try:
            for arrival in self.stream.batches(_ROWS, wait_seconds=_WAIT_SECONDS, is_over=is_over):
                if not (len(arrival.events) or arrival.bad or arrival.positions):
                    continue
                under_way.append(self._take(arrival))
                self.records += len(arrival.events) + len(arrival.bad)
                self.quarantined += len(arrival.bad)
                while len(under_way) >= _IN_FLIGHT:
                    self._wait(under_way.popleft())
                self.taken_ms = self._now_ms()
        finally:
            while under_way:
                self._wait(under_way.popleft())

    def _wait(self, promise: Future[None]) -> None:
        begin = perf_counter()
        while True:
            with suppress(TimeoutError):
                promise.result(_TICK_SECONDS)
                break
        self.waited_seconds += perf_counter() - begin


class Sources:
    """The streams of a server; a collector of metrics."""

    def __init__(self, decider: Decider, clock: Clock) -> None:
        self._decider = decider
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._readings: list[_Reading] = []

    def add(self, streams: Sequence[StreamSource]) -> None:
        """Read these once the server has started; they are open."""
        self._readings += [_Reading(stream, self._take, self._clock.now_ms) for stream in streams]

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to read."""
        self._loop = loop
        for reading in self._readings:
            reading.start()

    def stop(self) -> None:
        """Take no more; what was handed over is durable on return."""
        for reading in self._readings:
            reading.stop()

    def states(self) -> list[SourceState]:
        """All of them, in the order in which they were named."""
        return [
            SourceState(
                reading.stream.name,
                "failing" if reading.problem else "reading",
                reading.stream.lag,
                reading.stream.behind_ms / 1000,
                reading.records,
                reading.quarantined,
                reading.stream.parts,
                reading.problem,
            )
            for reading in self._readings
        ]

    def warnings(self) -> list[str]:
        """What somebody should see to."""
        told = [f"source {one.name}: {one.problem}" for one in self.states() if one.problem]
        streams = [one.stream for one in self._readings]
        told += [one.warning for one in streams if isinstance(one, Warns) and one.warning]
        now_ms = self._clock.now_ms()
        return told + [
            f"source {one.stream.name} has {_waiting(one.stream)} waiting and gave none for a minute"
            for one in self._readings
            if not one.problem
            and (one.stream.lag or one.stream.behind_ms)
            and now_ms - one.taken_ms > _SILENT_MS
        ]

    def collect(self) -> Iterator[Metric]:
        """The figures of each stream, in Prometheus' form."""
        gauges: dict[str, tuple[str, Callable[[_Reading], float]]] = {
            "lag_records": ("Records of a stream that have not been taken.", lambda one: one.stream.lag),
            "lag_seconds": (
                "Age of the next record of a stream of Kinesis.",
                lambda one: one.stream.behind_ms / 1000,
            ),
            "parts": ("Partitions or shards of a stream that are read.", lambda one: one.stream.parts),
            "failing": ("1 while a stream cannot be read.", lambda one: float(bool(one.problem))),
        }
        counters: dict[str, tuple[str, Callable[[_Reading], float]]] = {
            "records": ("Records taken from a stream.", lambda one: one.records),
            "quarantined": ("Records of a stream that are in quarantine.", lambda one: one.quarantined),
            "rebalances": ("Changes of the set of parts that are read.", lambda one: one.stream.moves),
            "restarts": ("Attempts to read a stream that failed.", lambda one: one.restarts),
            "waited_seconds": ("Seconds that a stream was held back.", lambda one: one.waited_seconds),
        }
        kinds: list[tuple[Any, dict[str, tuple[str, Callable[[_Reading], float]]]]] = [
            (GaugeMetricFamily, gauges),
            (CounterMetricFamily, counters),
        ]
        for family, figures in kinds:
            for name, (about, value) in figures.items():
                made = family(f"ringfence_source_{name}", about, labels=("source",))
                for reading in self._readings:
                    made.add_metric((reading.stream.name,), value(reading))
                yield made

    def _take(self, arrival: Arrival) -> Future[None]:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(self._decider.take_in(arrival), self._loop)


def _waiting(stream: StreamSource) -> str:
    return f"{stream.lag:,} records" if stream.lag else f"records of {stream.behind_ms / 1000:,.0f} seconds"
