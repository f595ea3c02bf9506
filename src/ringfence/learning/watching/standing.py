"""How a model in force stands by now: against chance, the rules and its challengers, and against training.

Only payments count whose label has had its time to come, fraud or not: of younger ones the frauds that are
known already say nothing of those that are not.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import numpy as np

from ringfence.learning.data.splits import part
from ringfence.learning.measures.metrics import Ranking, differences, drawn, measured
from ringfence.learning.watching.drift import Day, DriftReference, by_day
from ringfence.learning.watching.drift_alerts import DriftAlert, alerts_of
from ringfence.scoring.artifacts.manifest import Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.learning.data.dataset import Dataset
    from ringfence.learning.data.splits import Part
    from ringfence.learning.measures.metrics import Floats
    from ringfence.scoring.artifacts.manifest import Manifest

FEWEST_FRAUDS: Final = 10
"""From which on a difference can be told from chance: resampling fewer tells less than it seems to."""

CHANCE, RULES = "chance", "rules"
State = Literal["above", "level", "below", "too few to tell"]
_THRESHOLD: Final = 0.25  # of the stability index
_FEWEST_OF_DAY: Final = 100
_ROUNDS: Final = 100
_SEEN_DAYS: Final = 14  # of drift: earlier ones were told of then
_KEPT_INPUTS: Final = 12  # of a day, the furthest from training


class Rivalry(msgspec.Struct, frozen=True):
    """A model against one other.

    Attributes:
        against: `chance`, `rules`, or the digest of a challenger.
        measure: what both are measured by.
        value: the model's; `other`: the other one's, None of too few frauds.
        gain: how much more the model has, with the interval of paired draws.
        state: `above` and `below` are beyond chance. A model is below chance once it cannot be told from it.
        since_ms: when it was first found below, None while it is not.
    """

    against: str
    measure: str
    value: float | None
    other: float | None
    gain: Metric
    state: State
    since_ms: int | None = None


class Standing(msgspec.Struct, frozen=True):
    """What was measured of the champion.

    Attributes:
        model: its digest; empty where none is in force.
        start_ms, end_ms: event times of the payments that count.
        payments: how many of them there are, and `frauds` known among them; `waiting` are too young.
        maturity_ms: how long labels take.
        figures: ranking of these payments, with intervals; empty of too few frauds.
        days: the last ones against training, oldest first, with the inputs that are furthest off.
        alerts: what is over the threshold among them.
    """

    model: str
    measured_ms: int
    start_ms: int = 0
    end_ms: int = 0
    payments: int = 0
    frauds: int = 0
    waiting: int = 0
    maturity_ms: int = 0
    figures: dict[str, Metric] = {}
    rivalries: list[Rivalry] = []
    days: list[Day] = []
    alerts: list[DriftAlert] = []

    @property
    def weakened(self) -> list[Rivalry]:
        """What the model has fallen below."""
        return [one for one in self.rivalries if one.state == "below"]


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said of n payments that the champion decided.

    Attributes:
        data: the payments with the champion's inputs, and labels as they are known by now.
        own: the champion's probabilities.
        points: of the rules alone, NaN where they are not known.
        challengers: probabilities by digest, NaN where one was not heard.
    """

    data: Dataset
    own: Floats
    points: Floats
    challengers: Mapping[str, Floats] = field(default_factory=dict)


def standing(
    heard: Heard,
    model: str,
    manifest: Manifest,
    reference: DriftReference | None,
    now_ms: int,
    before: Standing | None = None,
) -> Standing:
    """Measure; `before` is what was found last, which tells since when the model is below something."""
    data = heard.data
    learned = manifest.spans["train"].end_ms if "train" in manifest.spans else 0
    waited_ms = max(data.maturity_ms, manifest.label_cut_off_ms - learned if learned else 0)
    last_ms = int(data.time_ms.max()) + 1
    end_ms = max(last_ms - waited_ms, 0)
    period = part(data, learned, end_ms, max(last_ms, now_ms))
    known = {one.against: one for one in before.rivalries} if before and before.model == model else {}
    own = heard.own[period.rows]
    contests = _contests(heard, period, known, now_ms)
    days = []
    if reference is not None:
        days = by_day(reference, data, heard.own, manifest.bands.review_at, end_ms, _FEWEST_OF_DAY)
        days = days[-_SEEN_DAYS:]
    return Standing(
        model,
        now_ms,
        int(data.time_ms[period.rows].min(initial=end_ms)),
        end_ms,
        len(period.rows),
        int(period.fraud.sum()),
        int(np.count_nonzero(data.time_ms >= end_ms)),
        waited_ms,
        measured(drawn(_ranking(data, period, own), rounds=_ROUNDS)) if _enough(period) else {},
        contests,
        [_brief(day) for day in days],
        alerts_of(model, days, _THRESHOLD),
    )


def _contests(heard: Heard, period: Part, known: Mapping[str, Rivalry], now_ms: int) -> list[Rivalry]:
    own = heard.own[period.rows]
    found = [_against_chance(heard.data, period, own)]
    others = {RULES: heard.points, **heard.challengers}
    for name, score in others.items():
        there = ~np.isnan(score[period.rows])
        if there.any():
            other = score[period.rows][there]
            found.append(against(heard.data, _only(period, there), own[there], other, name))
    return [_since(one, known.get(one.against), now_ms) for one in found]


def _since(one: Rivalry, before: Rivalry | None, now_ms: int) -> Rivalry:
    """With when it fell below; what has become too little to tell is not below, and not forgotten either."""
    since_ms = before.since_ms if before else None
    if one.state == "below":
        return msgspec.structs.replace(one, since_ms=now_ms if since_ms is None else since_ms)
    return msgspec.structs.replace(one, since_ms=since_ms if one.state == "too few to tell" else None)


def _against_chance(data: Dataset, period: Part, own: Floats) -> Rivalry:
    if not _enough(period):
        return Rivalry(CHANCE, "auc", None, None, Metric(None), "too few to tell")
    area = measured(drawn(_ranking(data, period, own), rounds=_ROUNDS))["auc"]
    value = area.value or 0.0
    low, high = (0.0 if one is None else one for one in (area.low, area.high))
    gain = Metric(value - 0.5, low - 0.5, high - 0.5)
    return Rivalry(CHANCE, "auc", value, 0.5, gain, "above" if low > 0.5 else "below")


def against(data: Dataset, period: Part, own: Floats, other: Floats, name: str) -> Rivalry:
    """One model against another one, called `name`, on the payments of a period, in order."""
    measure = "average_precision"
    if not _enough(period):
        return Rivalry(name, measure, None, None, Metric(None), "too few to tell")
    pair = [drawn(_ranking(data, period, each), rounds=_ROUNDS) for each in (other, own)]
    gain = differences(*pair)[measure]
    state: State = "level"
    if gain.low is not None and gain.high is not None:
        state = "above" if gain.low > 0 else "below" if gain.high < 0 else "level"
    return Rivalry(name, measure, pair[1][measure].value, pair[0][measure].value, gain, state)


def _enough(period: Part) -> bool:
    frauds = int(period.fraud.sum())
    return frauds >= FEWEST_FRAUDS and len(period.rows) - frauds >= FEWEST_FRAUDS


def _only(period: Part, rows: NDArray[np.bool_]) -> Part:
    return replace(period, rows=period.rows[rows], fraud=period.fraud[rows])


def _ranking(data: Dataset, period: Part, score: Floats) -> Ranking:
    rows = period.rows
    return Ranking.of(score, period.fraud, data.amount[rows], data.entity[rows], data.time_ms[rows])


def _brief(day: Day) -> Day:
    worst = sorted(day.inputs.items(), key=lambda item: -item[1])[:_KEPT_INPUTS]
    return msgspec.structs.replace(day, inputs=dict(worst))
