"""How good scores are on payments with known labels, several contestants side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ringfence.learning.algorithms.baselines import fit_isolation, fit_linear
from ringfence.learning.algorithms.boosting import sample
from ringfence.learning.measures.metrics import DAY_MS, Ranking, differences, drawn, measure_all
from ringfence.learning.measures.money import outcome_costs, outcomes_of
from ringfence.scoring.rulesets.outcomes import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.learning.data.dataset import Dataset
    from ringfence.learning.data.splits import Part
    from ringfence.learning.measures.metrics import Floats, Measure
    from ringfence.learning.train import Trained
    from ringfence.scoring.artifacts.manifest import Costs, Metric

CHALLENGE, REVIEW, DECLINE = 1, 2, 3  # strictness
SHUFFLED = "shuffled"
"""Name of the contestant that learned from labels dealt out at random."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """Scores of a part's payments in order, and the outcomes that they lead to (None: it decides nothing)."""

    score: Floats
    outcome: NDArray[np.int8] | None = None


def figures(
    data: Dataset,
    part: Part,
    contestants: Mapping[str, Contestant],
    costs: Costs,
    *,
    rounds: int = 100,
    seed: int = 0,
) -> dict[str, dict[str, Metric]]:
    """Every measure of every contestant, with intervals over the same draws of entities."""
    found = {}
    for name, one in contestants.items():
        ranking = Ranking.of(
            one.score, part.fraud, data.amount[part.rows], data.entity[part.rows], data.time_ms[part.rows]
        )
        more = {} if one.outcome is None else at_bands(ranking, _in_order(one), costs)
        found[name] = measure_all(ranking, more, rounds=rounds, seed=seed)
    return found


def gained(
    data: Dataset, part: Part, one: Contestant, other: Contestant, costs: Costs, *, rounds: int = 100
) -> dict[str, Metric]:
    """How much more of every measure the second contestant has, both over the same draws of entities."""
    found = []
    for each in (one, other):
        ranking = Ranking.of(
            each.score, part.fraud, data.amount[part.rows], data.entity[part.rows], data.time_ms[part.rows]
        )
        more = {} if each.outcome is None else at_bands(ranking, _in_order(each), costs)
        found.append(drawn(ranking, more, rounds=rounds))
    return differences(*found)


def at_bands(ranking: Ranking, outcome: NDArray[np.int8], costs: Costs) -> dict[str, Measure]:
    """Measures of the outcomes themselves; payments from review up are alerts."""
    alerted = outcome >= REVIEW
    each = outcome_costs(ranking, costs)[outcome, np.arange(len(ranking))]
    lost = ranking.fraud * ranking.amount
    days = max(len(np.unique(ranking.time_ms // DAY_MS)), 1)

    def share(part: Floats) -> Measure:
        def measured(_ranking: Ranking, weight: Floats) -> float:
            whole = float(np.sum(weight * part))
            return float(np.sum(weight * part * alerted)) / whole if whole else np.nan

        return measured

    def precision(ranking: Ranking, weight: Floats) -> float:
        alerts = float(np.sum(weight * alerted))
        return float(np.sum(weight * ranking.fraud * alerted)) / alerts if alerts else np.nan

    def taking(level: int) -> Measure:
        inside = outcome == level

        def measured(_ranking: Ranking, weight: Floats) -> float:
            return float(np.sum(weight * inside) / max(weight.sum(), 1e-12))

        return measured

    def hit(ranking: Ranking, weight: Floats) -> float:
        challenged = weight * (outcome == CHALLENGE)
        return float(np.sum(challenged * ranking.fraud) / challenged.sum()) if challenged.any() else np.nan

    def cost(_ranking: Ranking, weight: Floats) -> float:
        return float(np.sum(weight * each) / max(weight.sum(), 1e-12))

    def per_day(_ranking: Ranking, weight: Floats) -> float:
        return float(np.sum(weight * alerted)) / days

    return {
        "recall_at_bands": share(ranking.fraud.astype(np.float64)),
        "precision_at_bands": precision,
        "value_detected_at_bands": share(lost),
        "alerts_per_day": per_day,
        "share_challenged": taking(CHALLENGE),
        "share_reviewed": taking(REVIEW),
        "share_declined": taking(DECLINE),
        "precision_of_challenges": hit,
        "expected_cost_per_payment": cost,
    }


@dataclass(frozen=True, slots=True)
class TakenAlerts:
    """One outcome of a model's bands on its test part; `at` is the probability from which it is asked for."""

    outcome: str
    at: float | None
    payments: int
    share: float
    per_day: float
    frauds: int


def taken_by(trained: Trained) -> list[TakenAlerts]:
    """How many payments of the test part, and frauds, each outcome takes, strictest first."""
    part, bands = trained.test, trained.chosen.bands
    outcome = outcomes_of(trained.probability, bands)
    days, rows = max((part.end_ms - part.start_ms) / DAY_MS, 1 / 24), max(len(part.rows), 1)
    at = (None, bands.challenge_at, bands.review_at, bands.decline_at)
    found = []
    for level in reversed(range(len(OUTCOMES))):
        inside = outcome == level
        count = int(inside.sum())
        found.append(
            TakenAlerts(
                str(OUTCOMES[level]),
                at[level],
                count,
                count / rows,
                count / days,
                int((inside & part.fraud).sum()),
            )
        )
    return found


def compared(data: Dataset, trained: Trained) -> dict[str, Contestant]:
    """The trained model on its test part beside what it has to beat.

    The rules alone, a copy of itself that learned from shuffled labels, a logistic regression and isolation
    trees over the same inputs and the same past; a quick one only beside the first two.
    """
    part, names = trained.test, trained.inputs
    own = outcomes_of(trained.probability, trained.chosen.bands)
    found = {"model": Contestant(trained.probability, own)}
    if data.points is not None and data.outcome is not None:
        found["rules"] = Contestant(data.points[part.rows], data.outcome[part.rows])
    if trained.shuffled is not None:
        found[SHUFFLED] = Contestant(trained.shuffled)
    if trained.plan.quick:
        return found
    if trained.plan.algorithm == "lightgbm":
        linear = fit_linear(sample(data, trained.train, names, most_good=_BASELINE_ROWS))
        found["logistic"] = Contestant(data.scored(linear.log_odds, part.rows, names))
    if trained.plan.algorithm != "isolation_forest":
        grown = fit_isolation(data.matrix(_few(trained.train.rows), names))
        found["isolation_forest"] = Contestant(data.scored(grown.novelty, part.rows, names))
    return found


_BASELINE_ROWS = 50_000


def _few(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.sort(np.random.default_rng(0).permutation(rows)[:_BASELINE_ROWS])


def _in_order(one: Contestant) -> NDArray[np.int8]:
    assert one.outcome is not None
    return one.outcome[np.argsort(-one.score, kind="stable")]
