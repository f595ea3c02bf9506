"""The shell around the pipeline: log → pipeline → commit, and back to where it was after a crash.

`Runner.ingest` does one batch and returns when its decisions are durable. `Runner.run` does a whole source
with reading, deciding and committing on three threads. Both go through the same door and the same pipeline.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.given import given
from ringfence.errors import CorruptError
from ringfence.events import codec
from ringfence.events.activation import Part, is_activation, versions
from ringfence.events.ids.seen import SeenIds
from ringfence.events.origin import EventOrigin
from ringfence.intake import Intake
from ringfence.pipeline import Reaction
from ringfence.ports import DECISIONS, EVENTS, FLAG_MATCHES, LogBatch
from ringfence.ports.sources import StreamBatch
from ringfence.rulebook.additions import Additions
from ringfence.saving import SNAPSHOTTING, Saving, Snapshotting
from ringfence.threads import Behind, ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from ringfence.events.bad import BadRecord
    from ringfence.events.batch import EventBatch
    from ringfence.intake import Admitted
    from ringfence.pipeline import Pipeline, Step
    from ringfence.ports import Clock, EventLog, Journal, Position, SavedState, SnapshotStore
    from ringfence.scoring.columns import Columns
    from ringfence.scoring.rulesets.rules import Verdicts

_AHEAD = 4  # batches read before they are decided, and decided before they are committed
_GROUP = 8  # batches that one commit may hold
_MOST_AHEAD = 1000  # transactions remembered, to be named


class Arrival(Protocol):
    """Some rows of a source, as a reader hands them over."""

    @property
    def events(self) -> EventBatch: ...

    @property
    def labels(self) -> EventBatch | None: ...

    @property
    def bad(self) -> Sequence[BadRecord]: ...

    @property
    def positions(self) -> Sequence[Position]: ...  # where the source goes on after these rows


@dataclass(slots=True)
class RunTotals:
    """What a run has done so far."""

    events: int = 0
    transactions: int = 0
    duplicates: int = 0
    bad: int = 0
    conflicts: int = 0
    flag_matches: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)  # how often each active rule fired
    degraded: dict[str, int] = field(default_factory=dict)  # by cause
    ahead: dict[str, int] = field(default_factory=dict)  # transactions ahead of the clock when decided, ms


@dataclass(slots=True)
class PendingBatch:
    """One batch that has been decided and waits for its commit."""

    admitted: Admitted
    step: Step
    base: int
    bad: Sequence[BadRecord]
    positions: Sequence[Position] = ()
    origin: EventOrigin = EventOrigin.HERE


@dataclass(frozen=True, slots=True)
class JournalWrite:
    """What one transaction puts into the journal."""

    batches: Sequence[LogBatch]
    bad: Sequence[BadRecord]
    positions: Sequence[Position] = ()


class Runner:
    """One writer on one journal. Not thread-safe: one call at a time."""

    def __init__(
        self,
        journal: Journal,
        pipeline: Pipeline,
        clock: Clock,
        snapshots: SnapshotStore | None = None,
        snapshotting: Snapshotting = SNAPSHOTTING,
    ) -> None:
        self.journal = journal
        self.pipeline = pipeline
        self.intake = Intake(journal.log, pipeline.seed)
        self.additions = Additions()
        self.seconds = pipeline.seconds
        self.seconds |= dict.fromkeys(("read", "admit", "encode", "commit"), 0.0)
        self._clock = clock
        self.saving = Saving(snapshots, clock, snapshotting, pipeline.seed)
        self._ends: dict[str, int] | None = None  # of the topics that follow the events

    def recover(self, progress: Callable[[int, int], None] = lambda _done, _total: None) -> list[str]:
        """Bring the state to the end of the log, from the newest usable snapshot on. Call once, first.

        `progress` hears of events replayed and to replay. Returns what was wrong with snapshots that could
        not be used.
        """
        log = self.journal.log
        begin, end = log.start_offset(EVENTS), log.end_offset(EVENTS)
        check_ends(log)
        saved, warnings = self.saving.usable(begin, end, self.pipeline.spec.digest, self._restore)
        begin = begin if saved is None else saved
        if begin > self.pipeline.offset:
            raise CorruptError(
                f"the log begins at offset {begin:,}, and no usable snapshot has what these features saw "
                "before it: use the features of before, or restore a backup of the data folder"
            )
        for batch in log.read(EVENTS, begin) if begin < end else ():
            events = codec.decode(batch.payload)
            self.intake.absorb(events, batch.base_offset)
            self.pipeline.absorb(events)
            progress(batch.next_offset - begin, end - begin)
        pending = self.journal.schedule()
        self.intake.resume(codec.decode(pending) if pending else None, self.pipeline.engine.clock.now_ms)
        return warnings

    def ingest(
        self, events: EventBatch, labels: EventBatch | None = None, bad: Sequence[BadRecord] = ()
    ) -> tuple[Admitted, Step]:
        """Take one batch; on return its events and decisions are on stable storage."""
        work = self._decide(events, labels, bad)
        self.commit([work])
        self.saving.maybe(self.pipeline.offset, self._state)
        return work.admitted, work.step

    def run(
        self,
        source: Iterable[Arrival],
        progress: Callable[[Arrival, RunTotals], None] = lambda _arrival, _totals: None,
    ) -> RunTotals:
        """Take a whole source; labels that are not due at its end stay scheduled.

        Returns when all is durable.

        Stops cleanly at any exception, also a keyboard interrupt: what was decided is committed before it
        goes on.
        """
        totals = RunTotals()
        with (
            Behind(self.commit, _AHEAD, _GROUP) as writer,
            contextlib.closing(
                ahead(map(self._hashed, source), _AHEAD, self._spent_reading, self.pipeline.stopwatch)
            ) as arrivals,
        ):
            for arrival in arrivals:
                work = self._taken(arrival)
                writer.put(work)
                _count(totals, work)
                self.saving.maybe(self.pipeline.offset, self._state)
                progress(arrival, totals)
        self._keep_schedule()
        return totals

    def close(self) -> None:
        """Save a snapshot if there is anything new; the journal stays the caller's."""
        self.saving.close(self.pipeline.offset, self._state)

    def take(self, events: EventBatch, bad: Sequence[BadRecord] = ()) -> PendingBatch:
        """Decide live events; durable only once `commit`, in order, has returned."""
        work = self._decide(events, None, bad)
        self.saving.maybe(self.pipeline.offset, self._state)
        return work

    def take_in(self, arrival: Arrival) -> PendingBatch:
        """The same for what a source hands over; where it goes on commits with its events."""
        work = self._taken(arrival)
        self.saving.maybe(self.pipeline.offset, self._state)
        return work

    def activate(self, change: EventBatch) -> PendingBatch:
        """Put a version in force (`events.activation`) from the end of the log on; `commit` it in order.

        Nothing has changed where the library cannot give it (`RingfenceError`).
        """
        for part, digest in versions(change):
            self.pipeline.activate(part, digest)
        return self._step(
            self.intake.admit_now(change, self.pipeline.offset), self.pipeline.stopwatch(), bad=()
        )

    def put(self, events: EventBatch) -> PendingBatch:
        """Take an activation or list entries made here, as `take` does; no labels fall due by their times."""
        if is_activation(events):
            return self.activate(events)
        received = self.pipeline.stopwatch()
        return self._step(self.intake.admit_now(events, self.pipeline.offset), received, bad=())

    def commit(self, works: Sequence[PendingBatch]) -> None:
        """Put what was taken on stable storage."""
        self.write(self.encode(works))

    def encode(self, works: Sequence[PendingBatch]) -> JournalWrite:
        """The half of `commit` that is no waiting; in order, each work once."""
        begin = self.pipeline.stopwatch()
        if self._ends is None:
            self._ends = {topic: self.journal.log.end_offset(topic) for topic in (DECISIONS, FLAG_MATCHES)}
        ends = self._ends
        batches: list[LogBatch] = []
        for work in works:
            if len(work.step.events):
                batches.append(_events(work.base, work.step.events, work.origin))
            if work.step.decisions is not None:
                batches.append(_batch(DECISIONS, ends, work.step.decisions))
            batches += [_matches(ends, found) for found in work.step.flag_matches]
        bad = [record for work in works for record in (*work.bad, *work.admitted.conflicts)]
        self.seconds["encode"] += self.pipeline.stopwatch() - begin
        return JournalWrite(batches, bad, [position for work in works for position in work.positions])

    def write(self, writing: JournalWrite) -> None:
        """The half of `commit` that waits for the disk; on any thread, in the order of `encode`.

        Where it fails the state is ahead of the log: nothing more can be taken.
        """
        begin = self.pipeline.stopwatch()
        if writing.batches or writing.bad or writing.positions:
            try:
                self.journal.commit(
                    writing.batches,
                    bad_records=writing.bad,
                    positions=writing.positions,
                    now_ms=self._clock.now_ms(),
                )
            except BaseException:
                self._ends = None
                raise
        self.seconds["commit"] += self.pipeline.stopwatch() - begin

    def _taken(self, arrival: Arrival) -> PendingBatch:
        told = arrival.decided if isinstance(arrival, StreamBatch) else None
        work = self._decide(arrival.events, arrival.labels, arrival.bad, is_given=told is not None)
        work.positions = arrival.positions
        if isinstance(arrival, StreamBatch):
            work.origin = arrival.origin
        if told is not None and work.step.decisions is not None:
            work.step.decisions = given(work.step.decisions, told)
        return work

    def _decide(
        self,
        events: EventBatch,
        labels: EventBatch | None,
        bad: Sequence[BadRecord],
        *,
        is_given: bool = False,
    ) -> PendingBatch:
        received = self.pipeline.stopwatch()
        admitted = self.intake.admit(events, labels, self.pipeline.offset)
        return self._step(admitted, received, bad, is_given=is_given)

    def _step(
        self, admitted: Admitted, received: float, bad: Sequence[BadRecord], *, is_given: bool = False
    ) -> PendingBatch:
        base, now_ms = self.pipeline.offset, self._clock.now_ms()
        self.seconds["admit"] += self.pipeline.stopwatch() - received
        react = None if is_given else partial(self._react, now_ms)  # rules of here have not decided
        step = self.pipeline.step(admitted.events, now_ms, received, react)
        return PendingBatch(self.intake.moved(admitted, base, step.put, step.events), step, base, bad)

    def _react(
        self, now_ms: int, columns: Columns, verdicts: Verdicts, offsets: NDArray[np.int64]
    ) -> Reaction | None:
        """The list entries that rules ask for, of the first payment that leads to any."""
        rules, reference = self.pipeline.rules, self.pipeline.reference
        for row, entries in self.additions.first(columns, verdicts, rules, reference, now_ms):
            new = self.intake.enter(entries, int(offsets[row]) + 1)
            if len(new):
                return Reaction(row, new)
        return None

    def _hashed(self, arrival: Arrival) -> Arrival:
        """With the hashes of its ids, which the thread that reads has time for."""
        self.pipeline.walk.prepare(arrival.events)
        return arrival

    def _spent_reading(self, seconds: float) -> None:
        self.seconds["read"] += seconds

    def _keep_schedule(self) -> None:
        pending = self.intake.pending()
        payload = codec.encode(pending) if pending is not None else b""
        if payload != (self.journal.schedule() or b""):
            self.journal.commit(schedule=payload, now_ms=self._clock.now_ms())

    def _restore(self, saved: SavedState) -> None:
        """All of it or nothing."""
        expected = [(Part(part), digest) for part, digest in saved.header["versions"].items()]
        seen = SeenIds.from_arrays(_part(saved.arrays, "intake."))
        self.pipeline.restore(_part(saved.arrays, "pipeline."), saved.offset)
        self.intake.seen = seen
        for part, digest in expected:
            self.pipeline.expect(part, digest)

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The arrays of the state as it is, and what is kept beside them."""
        pipeline = {f"pipeline.{name}": array for name, array in self.pipeline.arrays().items()}
        arrays = pipeline | {f"intake.{name}": array for name, array in self.intake.arrays().items()}
        return arrays, self.saving.header(spec=self.pipeline.spec.digest, versions=self.pipeline.versions)


def check_ends(log: EventLog) -> None:
    """`CorruptError` where the log's last payments and its last decisions are not of each other."""
    end, decided = log.end_offset(EVENTS), log.end_offset(DECISIONS)
    is_kept = decided > log.start_offset(DECISIONS)
    last = next(iter(log.read(DECISIONS, decided - 1)), None) if is_kept else None
    decided_to = -1 if last is None else int(DecisionBatch.decode(last.payload).numbers("offset")[-1])
    paid_to = decided_to
    for batch in log.read(EVENTS, end - 1) if end > log.start_offset(EVENTS) else ():
        rows = np.flatnonzero(codec.decode(batch.payload).is_transaction)
        paid_to = batch.base_offset + int(rows[-1]) if len(rows) else decided_to
    if decided_to >= end or (paid_to != decided_to and (last is not None or not decided)):
        raise CorruptError(
            f"the log is not whole: its last payment is at offset {paid_to:,}, its last decision on offset "
            f"{decided_to:,}. Restore the folder from a backup (`ringfence restore`)"
        )


def _part(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _events(base: int, events: EventBatch, origin: EventOrigin) -> LogBatch:
    times = events.event_time_ms
    payload = codec.encode(events, None if events.only_payments else origin)
    return LogBatch(EVENTS, base, len(events), int(times.min()), int(times.max()), payload)


def _batch(topic: str, ends: dict[str, int], decisions: DecisionBatch) -> LogBatch:
    times = decisions.numbers("event_time_ms")
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


def _count(totals: RunTotals, work: PendingBatch) -> None:
    totals.events += len(work.admitted.events)
    totals.duplicates += work.admitted.duplicates
    totals.conflicts += len(work.admitted.conflicts)
    totals.bad += len(work.bad)
    totals.flag_matches += sum(found.num_rows for found in work.step.flag_matches)
    if work.step.decisions is not None:
        table = work.step.decisions.table
        totals.transactions += table.num_rows
        _add_counts(totals.degraded, pc.list_flatten(table.column("degraded")))
        for row in work.step.ahead[: _MOST_AHEAD - len(totals.ahead)].tolist():
            identity = table.column("transaction_id")[row].as_py()
            totals.ahead[identity] = table.column("event_time_ms")[row].as_py()
        _add_counts(totals.outcomes, table.column("outcome"))
        _add_counts(totals.rules, pc.list_flatten(table.column("rules")))


def _add_counts(counts: dict[str, int], values: Any) -> None:
    for item in pc.value_counts(values).to_pylist():
        counts[item["values"]] = counts.get(item["values"], 0) + item["counts"]
