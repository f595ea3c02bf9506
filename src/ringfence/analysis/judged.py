"""One rule set over stored payments: what it would have asked for, and which rules fired where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from ringfence.decisions.policy import OUT_OF_TIME, Cause, Weights
from ringfence.scoring.artifacts.models import Scored, asked
from ringfence.scoring.rulesets.outcomes import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from numpy.typing import NDArray

    from ringfence.analysis.history import StoredColumns
    from ringfence.scoring.artifacts.manifest import Bands
    from ringfence.scoring.rulesets.rules import CompiledRules


class Judge:
    """A rule set as it decides, over stored payments; the control group lets nothing through here.

    `bands_of` gives the bands of a model by its digest; where it has none, that model asks for nothing, and
    `without_bands` names it.
    """

    def __init__(self, rules: CompiledRules, bands_of: Callable[[str], Bands | None]) -> None:
        self.rules = rules
        self.without_bands: set[str] = set()
        self._weights = Weights(rules)
        self._bands_of = bands_of

    def judge(self, columns: StoredColumns) -> Judged:
        """Outcomes and fired rules of these payments."""
        columns = columns.in_zone(self.rules.ruleset.zone)
        verdicts = self.rules.judge(columns)
        scored = self._scored(columns.stored)
        judgement = self._weights.apply(verdicts, _causes(columns.stored), scored)
        fired = np.concatenate([verdicts.active, verdicts.shadow])
        rule, row = np.nonzero(fired)
        return Judged(
            judgement.outcome,
            row.astype(np.int64),
            rule.astype(np.int16),
            None if scored is None else scored.asked,
        )

    def _scored(self, stored: pa.RecordBatch) -> Scored | None:
        models = stored.column("model")
        if models.null_count == len(models):
            return None
        scored = Scored(len(models), 0)
        scored.probability = stored.column("probability").to_numpy(zero_copy_only=False)
        speaker = pc.fill_null(models.indices, -1).to_numpy(zero_copy_only=False)
        for number, digest in enumerate(models.dictionary.to_pylist()):
            bands = self._bands_of(digest)
            if bands is None:
                self.without_bands.add(digest)
                continue
            found = asked(bands, np.nan_to_num(scored.probability))
            scored.asked = np.where(speaker == number, found, scored.asked)
        return scored


@dataclass(frozen=True, slots=True)
class Judged:
    """Outcomes (n,) as strictness; `rule[i]` of active, then shadow ones fired on payment `row[i]`.

    `asked` (n,) is what the model's bands ask for, None without a model.
    """

    outcome: NDArray[np.int8]
    row: NDArray[np.int64]
    rule: NDArray[np.int16]
    asked: NDArray[np.int8] | None


def _causes(stored: pa.RecordBatch) -> list[Cause]:
    """The parts that decisions were made without; being out of time is none."""
    degraded = stored.column("degraded")
    names = [name for name in pc.unique(degraded.flatten()).to_pylist() if name not in OUT_OF_TIME]
    if not names:
        return []
    parents = pc.list_parent_indices(degraded).to_numpy()
    causes = []
    for name in names:
        rows = np.zeros(len(degraded), np.bool_)
        rows[parents[np.flatnonzero(pc.equal(degraded.flatten(), name))]] = True
        causes.append(Cause(name, rows, skipped=True))
    return causes


class Without:
    """Outcomes as they would be without one rule, or with it firing elsewhere.

    From counts of fired rules by strictness and sums of points.

    Exact but for payments that were decided without one of their parts: those are taken as complete.
    """

    def __init__(self, rules: CompiledRules, fired: Fired, outcome: NDArray[np.int8]) -> None:
        """`fired` and `outcome` are of all payments that were judged."""
        self._rules, self._fired, self._outcome = rules, fired, outcome
        self._policy = rules.ruleset.policy
        count = len(outcome)
        acting = fired.rule < len(rules.active)
        row, rule = fired.row[acting], fired.rule[acting]
        levels = [OUTCOMES.index(one.outcome) if one.outcome else -1 for one in rules.active]
        self._level_of = np.array(levels, np.int8)
        self._points_of = np.array([one.points for one in rules.active], np.float64)
        level = self._level_of[rule]
        self._counts = [np.bincount(row[level == one], minlength=count) for one in range(len(OUTCOMES))]
        points = self._points_of[rule]
        self._points = np.bincount(row, weights=points, minlength=count)

    def rule(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """Rows where an active rule fired, and the outcomes that those would have without it."""
        rows = self._fired.rows_of(number)
        return rows, self._outcomes(rows, number, -1)

    def instead(self, number: int, fires: NDArray[np.int64]) -> NDArray[np.int8]:
        """Outcomes of all payments if an active rule fired on the rows of `fires` and nowhere else."""
        rows, outcome = self.rule(number)
        found = self._outcome.copy()
        found[rows] = outcome
        more = np.setdiff1d(fires, rows)
        found[more] = self._outcomes(more, number, 1)
        kept = np.intersect1d(fires, rows)
        found[kept] = self._outcome[kept]
        return found

    def _outcomes(self, rows: NDArray[np.int64], number: int, change: int) -> NDArray[np.int8]:
        """Outcomes of these rows with one firing of a rule more (1) or less (-1)."""
        counts = [
            self._counts[level][rows] + change * (self._level_of[number] == level)
            for level in range(len(OUTCOMES))
        ]
        points = np.clip(self._points[rows] + change * self._points_of[number], 0.0, 100.0)
        asked = self._fired.asked
        outcome = np.zeros(len(rows), np.int8) if asked is None else asked[rows].copy()
        policy = self._policy
        thresholds = (None, policy.challenge_at, policy.review_at, policy.decline_at)
        for level in range(1, len(OUTCOMES)):
            raised = counts[level] > 0
            threshold = thresholds[level]
            if threshold is not None:
                raised |= points >= threshold
            outcome[raised] = np.maximum(outcome[raised], level)
        if policy.allow_overrules is not None:
            outcome[(counts[0] > 0) & (outcome <= policy.allow_overrules.strictness)] = 0
        return outcome


@dataclass(slots=True)
class Fired:
    """Which rules fired on which of all payments, sparse, in order of the rule."""

    row: NDArray[np.int64]
    rule: NDArray[np.int16]
    asked: NDArray[np.int8] | None
    _starts: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        order = np.argsort(self.rule, kind="stable")
        self.row, self.rule = self.row[order], self.rule[order]
        most = int(self.rule[-1]) + 1 if len(self.rule) else 0
        self._starts = np.searchsorted(self.rule, np.arange(most + 1))

    def rows_of(self, number: int) -> NDArray[np.int64]:
        """Payments on which a rule fired, ascending."""
        if number + 1 >= len(self._starts):
            return np.empty(0, np.int64)
        return self.row[self._starts[number] : self._starts[number + 1]]

    @classmethod
    def joined(cls, parts: list[tuple[int, Judged]]) -> Fired:
        """Of runs of payments, each with the number of its first payment."""
        rows: Any = [one.row + base for base, one in parts]
        asked_for: Any = [
            np.zeros(len(one.outcome), np.int8) if one.asked is None else one.asked for _, one in parts
        ]
        heard = any(one.asked is not None for _, one in parts)
        return cls(
            np.concatenate([np.empty(0, np.int64), *rows]),
            np.concatenate([np.empty(0, np.int16), *(one.rule for _, one in parts)]),
            np.concatenate([np.empty(0, np.int8), *asked_for]) if heard else None,
        )
