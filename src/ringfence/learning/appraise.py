"""Whether a model is worth putting in force: against chance, a shuffled copy of itself, and the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.learning.choosing.input_choice import TOO_GOOD, telling
from ringfence.learning.data.repeats import copied_frauds
from ringfence.learning.evaluate import SHUFFLED, gained
from ringfence.learning.measures.metrics import Ranking
from ringfence.learning.measures.money import outcome_costs
from ringfence.scoring.artifacts.manifest import Appraisal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ringfence.learning.data.dataset import Dataset
    from ringfence.learning.data.splits import Part
    from ringfence.learning.evaluate import Contestant
    from ringfence.learning.train import Trained
    from ringfence.scoring.artifacts.manifest import Metric

    Figures = Mapping[str, Mapping[str, Metric]]

_TOO_FEW_FRAUDS, _FEW_FRAUDS = 5, 20  # in the test part, below which its figures say nothing, or little
_HIGH_CAP: Final = 1.5  # a band may take so many times its cap on the test part without a word


def appraise(
    data: Dataset, trained: Trained, contestants: Mapping[str, Contestant], found: Figures
) -> Appraisal:
    """What speaks against a model, in words; `found` are the figures of the contestants."""
    supervised = trained.plan.algorithm != "isolation_forest"
    problems = list(_problems(data, trained, contestants, found)) if supervised else []
    return Appraisal(tuple(problems), tuple(_warnings(data, trained, found)))


def _problems(
    data: Dataset, trained: Trained, contestants: Mapping[str, Contestant], found: Figures
) -> Iterator[str]:
    test = trained.test
    if np.ptp(trained.probability) == 0:
        yield "it gives every payment the same score"
        return
    area, precision = found["model"]["auc"], found["model"]["average_precision"]
    if area.value is None or precision.value is None:
        kind = "fraud" if not test.fraud.any() else "good payment"
        yield f"its test part has no {kind}, so nothing is known of how good it is"
        return
    frauds = int(test.fraud.sum())
    if frauds < _TOO_FEW_FRAUDS:
        yield f"its test part has only {_counted(frauds)}, too few to tell it from chance"
    elif area.low is None or area.low <= 0.5:
        yield f"it is no better than chance (AUC {_said(area)}, chance is 0.5)"
    elif SHUFFLED in contestants:
        more = gained(data, test, contestants[SHUFFLED], contestants["model"], trained.plan.costs)["auc"]
        other = found[SHUFFLED]["auc"].value
        if more.low is not None and more.low <= 0:
            yield (
                f"it is no better than a copy that learned from shuffled labels (AUC {_said(area)}, the copy "
                f"{other:.3f})"
            )
    if "rules" in found:
        rules = found["rules"]["average_precision"].value
        if rules is not None and precision.value <= rules:
            yield (
                f"it ranks no better than the rules alone (average precision {precision.value:.3f}, rules "
                f"{rules:.3f})"
            )
    spent, nothing = found["model"]["expected_cost_per_payment"].value, _doing_nothing(data, trained)
    if spent is not None and spent > nothing:
        yield f"its outcomes cost more than approving all ({spent:.3f} a payment against {nothing:.3f})"


def _warnings(data: Dataset, trained: Trained, found: Figures) -> Iterator[str]:
    area = found["model"].get("auc")
    if area is not None and area.value is not None and area.value > TOO_GOOD:
        yield (
            f"AUC {area.value:.3f} is too good to be true, a leak is suspected: an input probably knows the "
            f"label, as what is known only later does. Look at {_most_telling(data, trained)}"
        )
    if trained.plan.algorithm != "isolation_forest":
        yield from copied_frauds(data, trained.train, trained.test)
    frauds = int(trained.test.fraud.sum())
    if _TOO_FEW_FRAUDS <= frauds < _FEW_FRAUDS:
        yield f"its test part has only {frauds} frauds: the figures may be luck"
    caps = trained.plan.caps
    for name, most in (
        ("challenged", caps.challenge),
        ("reviewed", caps.review),
        ("declined", caps.decline),
    ):
        share = found["model"].get(f"share_{name}")
        if share is not None and share.value is not None and share.value > _HIGH_CAP * most:
            yield (
                f"{share.value:.1%} of the test part would be {name}, more than the {most:.1%} of the "
                "payments before it: payments have changed"
            )


def _doing_nothing(data: Dataset, trained: Trained) -> float:
    """Cost of a payment of the test part where all are approved."""
    rows = trained.test.rows
    ranking = Ranking.of(
        trained.probability, trained.test.fraud, data.amount[rows], data.entity[rows], data.time_ms[rows]
    )
    return float(outcome_costs(ranking, trained.plan.costs)[0].mean())


def _most_telling(data: Dataset, trained: Trained) -> str:
    """Where to look for a label: the input that tells it, the two that do together, or what is leaned on."""

    def told_by(names: Sequence[str], part: Part) -> float:
        return telling(data.matrix(part.rows, names), part.fraud)

    alone = {name: told_by([name], trained.test) for name in trained.inputs}
    best = max(alone, key=lambda name: alone[name])
    leaned_on = sorted(trained.importance, key=lambda name: -trained.importance[name])[:2]
    if alone[best] > TOO_GOOD or len(leaned_on) < 2:
        return f"{best} first"
    if told_by(leaned_on, trained.train) > TOO_GOOD:  # which has more frauds
        return f"{' and '.join(leaned_on)} together first"
    return f"{best} first, then at {' and '.join(leaned_on)}, on which it leans most: no single one tells all"


def _counted(frauds: int) -> str:
    return "1 fraud" if frauds == 1 else f"{frauds} frauds"


def _said(one: Metric) -> str:
    return f"{one.value:.3f}" + ("" if one.low is None else f", {one.low:.3f} to {one.high:.3f}")
