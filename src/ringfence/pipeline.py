"""The main path. Read this first.

    events ──► enrich ──► measure ──► score ──► judge ──► decide ──► decisions

A payment is decided by a deterministic function of an ordered log: `Pipeline` is that function and the state
that it carries along the log. It commits nothing, waits for nothing and knows no clock; `runner.py` is the
shell that does. The same log, from the beginning or from a snapshot, gives the same decisions bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ringfence.decisions.decide import Decider
from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.policy import FUTURE, LATE, Cause
from ringfence.events.activation import Part, is_activation, versions
from ringfence.events.clock import believed_times
from ringfence.features.engine import Engine
from ringfence.scoring.columns import Columns
from ringfence.scoring.models import NO_MODELS, Models
from ringfence.scoring.reference import Reference, segments
from ringfence.scoring.rules import RuleSet, compile_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.features.spec import FeatureSpec
    from ringfence.ports import Library
    from ringfence.scoring.reference import Lookups
    from ringfence.scoring.rules import CompiledRules

MODEL = "model"
"""Cause of degradation: the model that should have spoken gave no score."""


@dataclass(slots=True)
class Step:
    """What one batch of events led to.

    `flag_matches` are transactions decided earlier that a flag of this batch turned out to cover
    (`FLAG_MATCH_SCHEMA`). `ahead` are the places of transactions whose time moved no clock.
    """

    decisions: DecisionBatch | None
    flag_matches: list[pa.RecordBatch] = field(default_factory=list)
    ahead: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class View:
    """What decides and what payments are looked up in, at one moment: for any thread, nothing changes it."""

    offset: int
    rules: CompiledRules
    models: Models
    lookups: Lookups


class Pipeline:
    """Features, reference state, models and rules along one log."""

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
        self.spec = spec
        self.seed = seed
        self.engine = Engine(spec, seed)
        self.reference = Reference(seed)
        self.offset = 0
        self.stopwatch = stopwatch
        self.seconds = dict.fromkeys(("measure", "enrich", "score", "judge", "decide"), 0.0)
        self._library = library
        self._due: dict[Part, str] = {}  # versions in force that nothing has been judged by yet
        self.use(rules, models)

    def use(self, rules: RuleSet | CompiledRules | None = None, models: Models | None = None) -> None:
        """Judge by these rules, and ask these models, from the next event on; None leaves what is."""
        if rules is not None:
            self.rules = compile_rules(rules, self.spec) if isinstance(rules, RuleSet) else rules
            self._due.pop(Part.RULES, None)
        if models is not None:
            self.models = models
            self._due.pop(Part.MODELS, None)
        self._decider = Decider(self.rules, self.models)

    @property
    def versions(self) -> dict[Part, str]:
        """Digest of what is in force, part by part."""
        return self._at_hand | self._due

    @property
    def _at_hand(self) -> dict[Part, str]:
        return {Part.RULES: self.rules.ruleset.digest, Part.MODELS: self.models.deployment.digest}

    def view(self) -> View:
        """What is in force now; cheap, and asked between two steps (only who decides may touch the state)."""
        return View(self.offset, self.rules, self.models, self.reference.view())

    def activate(self, part: Part, digest: str) -> None:
        """Use a version of the library from the next event on."""
        if self._library is None:
            return
        if self._at_hand[part] == digest:
            self._due.pop(part, None)
        elif part is Part.RULES:
            self.use(self._library.rules(digest))
        else:
            self.use(models=self._library.models(digest) if digest else NO_MODELS)

    def expect(self, part: Part, digest: str) -> None:
        """As `activate`, but the library is asked only once something is to be judged by it, or by `settle`.

        What was in force long ago may not fit the features of today, and need not.
        """
        if self._library is not None:
            self._due[part] = digest

    def settle(self) -> None:
        """Have what is in force at hand; the library's errors where it cannot give it."""
        for part, digest in list(self._due.items()):
            self.activate(part, digest)

    def step(self, events: EventBatch, decided_at_ms: int = 0, received: float | None = None) -> Step:
        """Take the next events of the log; one decision per transaction, in order.

        `received` is the stopwatch's reading then.
        """
        if is_activation(events):
            return self._change(events)
        self.settle()
        base = self.offset
        clock = self.engine.advance(events)
        late, future, ahead = self._out_of_time(events, clock)
        features = self._timed("measure", self.engine.measure, events, clock)
        parts, matches, begin = [], [], 0
        for start, stop, is_control in segments(events):
            segment = events if stop - start == len(events) else events.slice(start, stop)
            if is_control:
                found = self._timed("enrich", self.reference.apply, segment, base + start)
                if found.num_rows:
                    matches.append(found)
                continue
            rows = (
                np.arange(len(segment)) if segment.only_payments else np.flatnonzero(segment.is_transaction)
            )
            payments = segment if len(rows) == len(segment) else segment.take(rows)
            end = begin + len(rows)
            if len(rows):
                here = ((LATE, late[begin:end]), (FUTURE, future[begin:end]))
                causes = [Cause(name, rows) for name, rows in here if rows.any()]
                parts.append(
                    self._decide(
                        payments, features[:, begin:end], base + start + rows, causes, decided_at_ms, received
                    )
                )
            self._timed("enrich", self.reference.remember, segment, base + start)
            begin = end
        self.offset = base + len(events)
        return Step(_joined(parts), matches, ahead)

    def absorb(self, events: EventBatch) -> None:
        """Take events whose decisions are known already: the state moves on, nothing is judged."""
        if is_activation(events):
            for part, digest in versions(events):
                self.expect(part, digest)
            self.offset += len(events)
            return
        self.engine.measure(events)
        for start, stop, is_control in segments(events):
            act = self.reference.apply if is_control else self.reference.remember
            act(events.slice(start, stop), self.offset + start)
        self.offset += len(events)

    def _change(self, events: EventBatch) -> Step:
        for part, digest in versions(events):
            self.activate(part, digest)
        self.offset += len(events)
        return Step(None)

    def _decide(
        self,
        payments: EventBatch,
        features: NDArray[np.float64],
        offsets: NDArray[np.int64],
        causes: list[Cause],
        decided_at_ms: int,
        received: float | None,
    ) -> DecisionBatch:
        columns = Columns(payments, self.spec, features, self.reference, self.rules.ruleset.zone)
        scored = None
        if self.models is not NO_MODELS:
            scored = self._timed("score", self.models.score, columns)
            columns.add("model.probability", scored.probability)
            columns.add("model.score", 100 * scored.probability)
            if scored.failed is not None:
                causes = [*causes, Cause(MODEL, scored.failed, skipped=True)]
        verdicts = self._timed("judge", self.rules.judge, columns)
        latency_us = 0 if received is None else round(1e6 * (self.stopwatch() - received))
        return self._timed(
            "decide",
            self._decider.decide,
            columns,
            verdicts,
            offsets,
            decided_at_ms,
            scored=scored,
            causes=causes,
            latency_us=latency_us,
        )

    def _out_of_time(
        self, events: EventBatch, clock: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
        """Transactions later than the specification allows; dated after their receipt; ahead of the clock."""
        payments = events if events.only_payments else events.take(events.is_transaction)
        times = payments.event_time_ms
        late: NDArray[np.bool_] = times < clock - self.spec.allowed_lateness_ms
        ahead = np.flatnonzero(times > clock)
        future = np.zeros(len(times), np.bool_)
        if len(ahead):
            future = times > believed_times(payments)
        return late, future, ahead

    def _timed(self, stage: str, act: Any, *args: Any, **more: Any) -> Any:
        begin = self.stopwatch()
        result = act(*args, **more)
        self.seconds[stage] += self.stopwatch() - begin
        return result

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Views of the state behind `offset`, for a snapshot; they change with the next step."""
        engine = {f"engine.{name}": array for name, array in self.engine.arrays().items()}
        return engine | {f"reference.{name}": array for name, array in self.reference.to_arrays().items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]], offset: int) -> None:
        """Go on from the `arrays` of a pipeline with the same specification and seed, taken at `offset`."""
        engine = Engine.from_arrays(self.spec, self.seed, _part(arrays, "engine."))
        self.reference = Reference.from_arrays(_part(arrays, "reference."), self.seed)
        self.engine = engine
        self.offset = offset


def _part(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _joined(parts: list[DecisionBatch]) -> DecisionBatch | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    return DecisionBatch(pa.concat_batches([part.table for part in parts]))
