"""Live traffic to a server: several connections, none of which holds up the others or the pace."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from zlib import crc32

import msgspec
import numpy as np

from ringfence.client import Answer, Client, ServerError
from ringfence.errors import ConflictError, InputError
from ringfence.simulate.lines import json_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    T = TypeVar("T")

_WAITING: Final = 512  # events of a connection; beyond them the pace yields
_TICK_SECONDS: Final = 0.1  # how long it takes to notice that another connection has failed
_TRIES: Final = 8
_FIRST_WAIT_SECONDS: Final = 0.05
_LONGEST_WAIT_SECONDS: Final = 2.0
_LATER: Final = frozenset({429, 503})
_KEPT: Final = 20_000  # times of a connection
_Job = tuple[dict[str, Any], float]  # an event, and when it was handed over


@dataclass(slots=True)
class Tally:
    """What became of the events of a connection."""

    outcomes: Counter[str] = field(default_factory=Counter)
    events: int = 0  # that are no payments
    refused: int = 0  # as bad input or a conflict
    put_off: int = 0  # answers 429 and 503; each was followed by another try
    given_up: int = 0  # after the last try
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))


class Traffic:
    """Sends events as they are handed over; counts what the server answers.

    Events of one customer go over one connection, in order. A payment that got no answer is sent again: its
    id is the idempotency key. Leaving the block waits until everything is answered, after an error until
    what is under way has.
    """

    def __init__(self, url: str, key: str | None, connections: int, at_once: int) -> None:
        """`at_once` payments go in a request, where so many wait."""
        self._at_once = at_once
        self._queues: list[queue.Queue[_Job | None]] = [queue.Queue(_WAITING) for _ in range(connections)]
        self._tallies = [Tally() for _ in range(connections)]
        self._failure: BaseException | None = None
        self._dropping = False
        self.dropped = 0
        self._threads = [
            threading.Thread(target=self._loop, args=(url, key, *each), name="ringfence-traffic", daemon=True)
            for each in zip(self._queues, self._tallies, strict=True)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._dropping |= kind is not None
        for waiting in self._queues:
            self._put(waiting, None)
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def send(self, batch: pa.RecordBatch) -> None:
        """Hand over the events of a batch, whatever becomes of each; the error of a server that is gone."""
        for line in json_lines(batch).to_pylist():
            record = msgspec.json.decode(line)
            whose = record.get("customer_id") or record.get("transaction_id") or record.get("entity_id") or ""
            self._put(self._queues[crc32(whose.encode()) % len(self._queues)], (record, time.perf_counter()))
            if self._failure is not None:
                raise self._failure

    def drop(self) -> None:
        """What waits is not sent any more."""
        self._dropping = True

    def _put(self, waiting: queue.Queue[_Job | None], job: _Job | None) -> None:
        while self._failure is None:
            try:
                waiting.put(job, timeout=_TICK_SECONDS)
            except queue.Full:
                continue
            return

    def _loop(self, url: str, key: str | None, waiting: queue.Queue[_Job | None], tally: Tally) -> None:
        try:
            with Client(url, key, tries=1) as client:
                while jobs := self._next(waiting):
                    if self._dropping:
                        self.dropped += len(jobs)
                        continue
                    self._deliver(client, jobs, tally)
        except BaseException as error:  # noqa: BLE001 (raised where events are handed over)
            self._failure = error

    def _next(self, waiting: queue.Queue[_Job | None]) -> list[_Job]:
        """The next event, or as many payments as wait and fit; none at the end."""
        jobs: list[_Job] = []
        while self._failure is None:
            try:
                job = waiting.queue[0] if jobs else waiting.get(timeout=_TICK_SECONDS)
            except (IndexError, queue.Empty):
                if jobs:
                    break
                continue
            if job is None:
                break
            if jobs:
                if not (_is_payment(jobs[-1]) and _is_payment(job)):
                    break
                waiting.get()
            jobs.append(job)
            if len(jobs) >= self._at_once:
                break
        return jobs

    def _deliver(self, client: Client, jobs: list[_Job], tally: Tally) -> None:
        records = [record for record, _ in jobs]
        try:
            answers = self._tried(lambda: _asked(client, records), tally)
        except (ConflictError, InputError):
            tally.refused += len(records)
            return
        if answers is None:
            tally.given_up += len(records)
            return
        now = time.perf_counter()
        tally.seconds.extend(now - since for _, since in jobs)
        tally.outcomes.update(answer for answer in answers if answer)
        tally.refused += answers.count("")
        tally.events += len(records) - len(answers)

    def _tried(self, ask: Callable[[], T], tally: Tally) -> T | None:
        """What the server answers in the end; None where it puts off for too long."""
        for attempt in range(_TRIES):
            try:
                return ask()
            except ServerError as error:
                status = error.problem.status if error.problem else None
                if status is None and attempt + 1 == _TRIES:
                    raise
                if status is not None and status not in _LATER:
                    raise
                tally.put_off += status is not None
            if attempt + 1 < _TRIES:
                time.sleep(min(_FIRST_WAIT_SECONDS * 2**attempt, _LONGEST_WAIT_SECONDS))
        return None

    def _sum(self, name: str) -> int:
        return sum(getattr(tally, name) for tally in self._tallies)

    @property
    def said(self) -> str:
        """How many were answered how."""
        outcomes = sum((tally.outcomes for tally in self._tallies), Counter[str]())
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(outcomes.items()))
        parts = [f"{outcomes.total():,} decided ({counts or 'none'})"]
        for name, words in (
            ("refused", "refused"),
            ("put_off", "times told to come later (429, 503)"),
            ("given_up", "given up after that"),
        ):
            if number := self._sum(name):
                parts.append(f"{number:,} {words}")
        if self.dropped:
            parts.append(f"{self.dropped:,} not sent any more")
        return ", ".join([*parts, f"{self._sum('events'):,} other events"])

    @property
    def latency(self) -> str:
        """How long answers took, waiting for a free connection included."""
        seconds = np.concatenate([np.array(tally.seconds) for tally in self._tallies])
        if not len(seconds):
            return "no answers"
        median, most = 1000 * np.quantile(seconds, [0.5, 0.99])
        return f"answered within {median:.1f} ms (p50), {most:.1f} ms (p99)"


def _is_payment(job: _Job) -> bool:
    return bool(job[0]["kind"] == "transaction")


def _asked(client: Client, records: list[dict[str, Any]]) -> list[str]:
    """The outcome of each payment, empty where it was refused; nothing for another event."""
    if records[0]["kind"] != "transaction":
        client.send(records[0])
        return []
    if len(records) == 1:
        return [client.decide(records[0]).outcome]
    return [one.outcome if isinstance(one, Answer) else "" for one in client.decide_batch(records)]
