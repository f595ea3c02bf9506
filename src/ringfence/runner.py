"""The shell around the pipeline: log → pipeline → commit, and back to where it was after a crash.

`Runner.ingest` does one batch and returns when its decisions are durable. `Runner.run` does a whole source with reading, deciding and
committing on three threads. Both go through the same door and the same pipeline.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

import pyarrow as pa

from ringfence.events import codec
from ringfence.intake import Admitted, Intake
from ringfence.ports import DECISIONS, EVENTS, FLAG_MATCHES, LogBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ringfence.decisions.decision import DecisionBatch
    from ringfence.events.bad import BadRecord
    from ringfence.events.batch import EventBatch
    from ringfence.pipeline import Pipeline, Step
    from ringfence.ports import Clock, Journal, SnapshotStore

_AHEAD = 4  # batches read before they are decided, and decided before they are committed
_GROUP = 8  # batches that one commit may hold


class Arrival(Protocol):
    """Some rows of a source, as a reader hands them over."""

    @property
    def events(self) -> EventBatch: ...

    @property
    def labels(self) -> EventBatch | None: ...

    @property
    def bad(self) -> Sequence[BadRecord]: ...


@dataclass(slots=True)
class Totals:
    """What a run has done so far."""

    events: int = 0
    transactions: int = 0
    duplicates: int = 0
    bad: int = 0
    conflicts: int = 0
    flag_matches: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    degraded: int = 0


@dataclass(frozen=True, slots=True)
class Snapshotting:
    """When states are saved: after so many events, or so long after the last one if there were any."""

    every_events: int = 1_000_000
    every_ms: int = 300_000


@dataclass(slots=True)
class _Work:
    admitted: Admitted
    step: Step
    base: int
    bad: Sequence[BadRecord]


class Runner:
    """One writer on one journal. Not thread-safe: one call at a time."""

    def __init__(
        self,
        journal: Journal,
        pipeline: Pipeline,
        clock: Clock,
        snapshots: SnapshotStore | None = None,
        snapshotting: Snapshotting = Snapshotting(),  # noqa: B008 (immutable)
    ) -> None:
        self.journal = journal
        self.pipeline = pipeline
        self.intake = Intake(journal.log, pipeline.seed)
        self.seconds = pipeline.seconds | dict.fromkeys(("read", "admit", "encode", "commit"), 0.0)
        pipeline.seconds = self.seconds
        self._clock = clock
        self._snapshots = snapshots
        self._snapshotting = snapshotting
        self._saved_offset = 0
        self._saved_ms = clock.now_ms()

    def recover(self, progress: Callable[[int, int], None] = lambda done, total: None) -> list[str]:
        """Bring the state to the end of the log, from the newest usable snapshot on. Call once, first.

        `progress` hears of events replayed and to replay. Returns what was wrong with snapshots that could not be used.
        """
        log = self.journal.log
        begin, end = log.start_offset(EVENTS), log.end_offset(EVENTS)
        warnings: list[str] = []
        if self._snapshots is not None:
            self._snapshots.discard_beyond(end)
            saved, warnings = self._snapshots.load_latest()
            if (
                saved is not None
                and saved.header["spec"] == self.pipeline.spec.digest
                and saved.offset >= begin
            ):
                self.pipeline.restore(_part(saved.arrays, "pipeline."), saved.offset)
                self.intake.restore(_part(saved.arrays, "intake."))
                begin = saved.offset
        self.pipeline.offset = begin
        self._saved_offset = begin
        for batch in log.read(EVENTS, begin) if begin < end else ():
            events = codec.decode(batch.payload)
            self.intake.absorb(events, batch.base_offset)
            self.pipeline.absorb(events)
            progress(batch.next_offset - begin, end - begin)
        pending = self.journal.schedule()
        self.intake.resume(codec.decode(pending) if pending else None, self.pipeline.engine.watermark_ms)
        return warnings

    def ingest(
        self, events: EventBatch, labels: EventBatch | None = None, bad: Sequence[BadRecord] = ()
    ) -> tuple[Admitted, Step]:
        """Take one batch; on return its events and decisions are on stable storage."""
        work = self._decide(events, labels, bad)
        self._commit([work])
        self._maybe_save()
        return work.admitted, work.step

    def run(
        self,
        source: Iterable[Arrival],
        progress: Callable[[Arrival, Totals], None] = lambda arrival, totals: None,
    ) -> Totals:
        """Take a whole source; labels that are not due at its end stay scheduled. Returns when all is durable.

        Stops cleanly at any exception, also a keyboard interrupt: what was decided is committed before it goes on.
        """
        totals = Totals()
        with (
            _Worker(self._commit) as writer,
            contextlib.closing(_ahead(source, self.seconds, self.pipeline.stopwatch)) as arrivals,
        ):
            for arrival in arrivals:
                work = self._decide(arrival.events, arrival.labels, arrival.bad)
                writer.put(work)
                _count(totals, work)
                self._maybe_save()
                progress(arrival, totals)
        self._keep_schedule()
        return totals

    def close(self) -> None:
        """Save a snapshot if there is anything new; the journal stays the caller's."""
        if self._snapshots is not None and self.pipeline.offset > self._saved_offset:
            self._snapshots.wait()
            self._snapshots.save(self._arrays(), self._header(), self.pipeline.offset)
            self._saved_offset = self.pipeline.offset

    def _decide(self, events: EventBatch, labels: EventBatch | None, bad: Sequence[BadRecord]) -> _Work:
        received = self.pipeline.stopwatch()
        base = self.pipeline.offset
        admitted = self.intake.admit(events, labels, base)
        self.seconds["admit"] += self.pipeline.stopwatch() - received
        step = self.pipeline.step(admitted.events, self._clock.now_ms(), received)
        return _Work(admitted, step, base, bad)

    def _commit(self, works: list[_Work]) -> None:
        begin = self.pipeline.stopwatch()
        ends = {topic: self.journal.log.end_offset(topic) for topic in (DECISIONS, FLAG_MATCHES)}
        batches: list[LogBatch] = []
        for work in works:
            events = work.admitted.events
            if len(events):
                times = events.event_time_ms
                span = int(times.min()), int(times.max())
                batches.append(LogBatch(EVENTS, work.base, len(events), *span, codec.encode(events)))
            if work.step.decisions is not None:
                batches.append(_batch(DECISIONS, ends, work.step.decisions))
            batches += [_matches(ends, found) for found in work.step.flag_matches]
        encoded = self.pipeline.stopwatch()
        bad = [record for work in works for record in (*work.bad, *work.admitted.conflicts)]
        if batches or bad:
            self.journal.commit(batches, bad_records=bad, now_ms=self._clock.now_ms())
        self.seconds["encode"] += encoded - begin
        self.seconds["commit"] += self.pipeline.stopwatch() - encoded

    def _keep_schedule(self) -> None:
        pending = self.intake.pending()
        payload = codec.encode(pending) if pending is not None else b""
        if payload != (self.journal.schedule() or b""):
            self.journal.commit(schedule=payload, now_ms=self._clock.now_ms())

    def _maybe_save(self) -> None:
        if self._snapshots is None:
            return
        fresh = self.pipeline.offset - self._saved_offset
        now_ms = self._clock.now_ms()
        due = fresh >= self._snapshotting.every_events or (
            fresh and now_ms - self._saved_ms >= self._snapshotting.every_ms
        )
        if due and self._snapshots.save_in_background(self._arrays(), self._header(), self.pipeline.offset):
            self._saved_offset, self._saved_ms = self.pipeline.offset, now_ms

    def _arrays(self) -> dict[str, Any]:
        pipeline = {f"pipeline.{name}": array for name, array in self.pipeline.arrays().items()}
        return pipeline | {f"intake.{name}": array for name, array in self.intake.arrays().items()}

    def _header(self) -> dict[str, Any]:
        return {"spec": self.pipeline.spec.digest}


def _part(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _batch(topic: str, ends: dict[str, int], decisions: DecisionBatch) -> LogBatch:
    times = decisions.table.column("event_time_ms").to_numpy()
    base = ends[topic]
    ends[topic] += len(decisions)
    return LogBatch(topic, base, len(decisions), int(times.min()), int(times.max()), decisions.encode())


def _matches(ends: dict[str, int], found: pa.RecordBatch) -> LogBatch:
    times = found.column("transaction_time_ms").to_numpy()
    base = ends[FLAG_MATCHES]
    ends[FLAG_MATCHES] += found.num_rows
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, found.schema) as stream:
        stream.write_batch(found)
    payload = bytes(sink.getvalue())
    return LogBatch(FLAG_MATCHES, base, found.num_rows, int(times.min()), int(times.max()), payload)


def _count(totals: Totals, work: _Work) -> None:
    totals.events += len(work.admitted.events)
    totals.duplicates += work.admitted.duplicates
    totals.conflicts += len(work.admitted.conflicts)
    totals.bad += len(work.bad)
    totals.flag_matches += sum(found.num_rows for found in work.step.flag_matches)
    if work.step.decisions is not None:
        table = work.step.decisions.table
        totals.transactions += table.num_rows
        totals.degraded += int(
            pa.compute.sum(
                pa.compute.greater(pa.compute.list_value_length(table.column("degraded")), 0)
            ).as_py()
        )
        for item in pa.compute.value_counts(table.column("outcome")).to_pylist():
            totals.outcomes[item["values"]] = totals.outcomes.get(item["values"], 0) + item["counts"]


class _Worker:
    """A thread that is handed work in order and does as much of it at once as has gathered."""

    def __init__(self, act: Callable[[list[_Work]], None]) -> None:
        self._act = act
        self._queue: queue.Queue[_Work | None] = queue.Queue(_AHEAD)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._loop, name="ringfence-commit", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def put(self, work: _Work) -> None:
        """Hand over; waits while too much is under way. Raises what the thread has run into."""
        while self._failure is None:
            with contextlib.suppress(queue.Full):
                self._queue.put(work, timeout=0.1)
                return
        raise self._failure

    def __exit__(self, *_: object) -> None:
        while self._thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=0.1)
                break
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _loop(self) -> None:
        done = False
        try:
            while not done:
                works = [self._queue.get()]
                while len(works) < _GROUP and works[-1] is not None:
                    try:
                        works.append(self._queue.get_nowait())
                    except queue.Empty:
                        break
                done = works[-1] is None
                ready = [work for work in works if work is not None]
                if ready:
                    self._act(ready)
        except BaseException as error:  # noqa: BLE001 (handed to the thread that waits for it)
            self._failure = error


def _ahead(
    source: Iterable[Arrival], seconds: dict[str, float], stopwatch: Callable[[], float]
) -> Iterable[Arrival]:
    """The same items, read a little ahead on a thread of their own."""
    items: queue.Queue[tuple[Arrival | None, BaseException | None]] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def offer(item: Arrival | None, error: BaseException | None) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                items.put((item, error), timeout=0.1)
                return

    def read() -> None:
        try:
            begin = stopwatch()
            for item in source:
                seconds["read"] += stopwatch() - begin
                offer(item, None)
                if stopped.is_set():
                    return
                begin = stopwatch()
        except BaseException as error:  # noqa: BLE001 (handed to the thread that reads)
            offer(None, error)
        else:
            offer(None, None)

    thread = threading.Thread(target=read, name="ringfence-read", daemon=True)
    thread.start()
    try:
        while True:
            item, error = items.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
    finally:
        stopped.set()
        thread.join()
