"""The main path. Read this first.

    events ──► measure ──► enrich ──► score ──► judge ──► decide ──► decisions
               └── stages of the walk ──┘

A payment is decided by a deterministic function of an ordered log: `Pipeline` is that function and what it
carries along the log, which is the state of a `Walk`'s stages and the versions in force. It commits nothing,
waits for nothing and knows no clock; `runner.py` is the shell that does. The same log, from the beginning or
from a snapshot, gives the same decisions bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.in_force import InForce
from ringfence.decisions.policy import FUTURE, LATE, Cause
from ringfence.events.activation import is_activation, versions
from ringfence.events.clock import believed_times
from ringfence.scoring.artifacts.models import NO_MODELS, Models, tell
from ringfence.walk import Measure, Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.features.engine import Engine
    from ringfence.features.spec import FeatureSpec
    from ringfence.ports import Library
    from ringfence.scoring.artifacts.models import Scored
    from ringfence.scoring.columns import Columns
    from ringfence.scoring.reference import Lookups, Reference
    from ringfence.scoring.rulesets.rules import CompiledRules, Verdicts
    from ringfence.scoring.rulesets.ruleset import RuleSet
    from ringfence.walk import Run

MODEL = "model"
"""Cause of degradation: the model that should have spoken gave no score."""


class Reaction(NamedTuple):
    """Control events that a payment led to, as row `row` of what was judged: next in the log after it."""

    row: int
    events: EventBatch


React: TypeAlias = "Callable[[Columns, Verdicts, NDArray[np.int64]], Reaction | None]"
"""The first of the payments judged, at these offsets, that leads to anything; None where none does."""


@dataclass(slots=True)
class Step:
    """What one batch of events led to.

    Attributes:
        events: the batch as it is to be logged, with what payments of it led to right behind each.
        put: before which row of the batch, as it came, how many such events there are.
        flag_matches: transactions decided earlier that a flag of this batch turned out to cover
            (`FLAG_MATCH_SCHEMA`).
        ahead: the places of transactions whose time moved no clock.
    """

    decisions: DecisionBatch | None
    events: EventBatch
    put: list[tuple[int, int]] = field(default_factory=list)
    flag_matches: list[pa.RecordBatch] = field(default_factory=list)
    ahead: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class View:
    """What decides and what payments are looked up in, at one moment: for any thread, nothing changes it."""

    offset: int
    rules: CompiledRules
    models: Models
    lookups: Lookups


class Pipeline(InForce):
    """What decides, and the state of all stages, along one log."""

    def __init__(
        self,
        spec: FeatureSpec,
        rules: RuleSet | CompiledRules,
        seed: int = 0,
        *,
        models: Models = NO_MODELS,
        library: Library | None = None,
        stopwatch: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`seed` keys the hashes of ids; one log keeps one seed.

        `library` has the versions that the log activates; without one they are passed over, and what is
        given here decides throughout, as a backtest wants. `stopwatch` gives seconds, for `seconds` and
        latencies, which are 0 without one.
        """
        super().__init__(spec, rules, models, library)
        self.seed = seed
        self.walk = Walk(spec, seed, stopwatch)
        self.walk.seconds |= dict.fromkeys(("score", "judge", "decide"), 0.0)
        self.stopwatch = stopwatch

    def view(self) -> View:
        """What is in force now; cheap, and asked between two steps (only who decides may touch the state)."""
        return View(self.offset, self.rules, self.models, self.reference.view())

    @property
    def offset(self) -> int:
        """In the log, of the next event."""
        return self.walk.offset

    @property
    def seconds(self) -> dict[str, float]:
        """Spent so far, by verb."""
        return self.walk.seconds

    @property
    def engine(self) -> Engine:
        """The features' state, as it is now."""
        return self.walk.stage(Measure).engine

    @property
    def reference(self) -> Reference:
        """Lists, flags and profiles, as they are now."""
        return self.walk.reference

    def step(
        self,
        events: EventBatch,
        decided_at_ms: int = 0,
        received: float | None = None,
        react: React | None = None,
    ) -> Step:
        """Take the next events of the log; one decision per transaction, in order.

        `received` is the stopwatch's reading then. What a payment leads to by `react` is known to those
        behind it; a replay, which has it in the log, leaves `react` out.
        """
        if is_activation(events):
            return self._change(events)
        self.settle()
        passage = self.walk.over(events)
        parts = [self._decide(run, decided_at_ms, received, react) for run in passage]
        times = events.event_time_ms
        times = times if events.only_payments else times[events.is_transaction]
        ahead = np.flatnonzero(times > self.walk.stage(Measure).clock)
        return Step(_joined(parts), passage.logged, passage.put, passage.matches, ahead)

    def absorb(self, events: EventBatch) -> None:
        """Take events whose decisions are known already: the state moves on, nothing is judged."""
        if is_activation(events):
            for part, digest in versions(events):
                self.expect(part, digest)
        self.walk.absorb(events)

    def _change(self, events: EventBatch) -> Step:
        for part, digest in versions(events):
            self.activate(part, digest)
        self.walk.absorb(events)
        return Step(None, events)

    def _decide(
        self,
        run: Run,
        decided_at_ms: int,
        received: float | None,
        react: React | None,
    ) -> DecisionBatch:
        """Decide a run up to and with the first payment that leads to anything."""
        zone, offsets = self.rules.ruleset.zone, run.offsets
        columns = run.columns(zone)
        scored = None
        if self.models is not NO_MODELS:
            scored = self.walk.timed("score", self.models.score, columns)
            tell(columns, scored)
        verdicts = self.walk.timed("judge", self.rules.judge, columns)
        found = None if react is None else react(columns, verdicts, offsets)
        if found is not None:
            count = found.row + 1
            run.cut(count, found.events)
            columns, verdicts, offsets = run.columns(zone, count), verdicts.first(count), offsets[:count]
            if scored is not None:
                scored = scored.first(count)
                tell(columns, scored)
        clock = self.walk.stage(Measure).clock[run.begin : run.begin + len(columns)]
        causes = causes_of(columns.transactions, clock, self.spec, scored)
        latency_us = 0 if received is None else round(1e6 * (self.stopwatch() - received))
        return self.walk.timed(
            "decide",
            self.decider.decide,
            columns,
            verdicts,
            offsets,
            decided_at_ms,
            scored=scored,
            causes=causes,
            latency_us=latency_us,
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Views of the state behind `offset`, for a snapshot; they change with the next step."""
        return self.walk.arrays()

    def restore(self, arrays: Mapping[str, NDArray[Any]], offset: int) -> None:
        """Go on from the `arrays` of a pipeline with the same specification and seed, taken at `offset`."""
        self.walk.restore(arrays, offset)


def causes_of(
    payments: EventBatch, clock: NDArray[np.int64], spec: FeatureSpec, scored: Scored | None
) -> list[Cause]:
    """What is wrong with payments that came late, were dated after their receipt, or have no score.

    `clock` is the stream's after each.
    """
    times, causes = payments.event_time_ms, []
    late = times < clock - spec.allowed_lateness_ms
    if late.any():
        causes.append(Cause(LATE, late))
    if (times > clock).any():
        future = times > believed_times(payments)
        if future.any():
            causes.append(Cause(FUTURE, future))
    if scored is not None and scored.failed is not None:
        causes.append(Cause(MODEL, scored.failed, skipped=True))
    return causes


def _joined(parts: list[DecisionBatch]) -> DecisionBatch | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    whole = pa.Table.from_batches([part.table for part in parts]).combine_chunks()
    return DecisionBatch(whole.to_batches()[0])  # `concat_batches` is younger than the oldest Arrow
