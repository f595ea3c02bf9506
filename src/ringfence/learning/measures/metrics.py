"""How well scores rank frauds, each figure with a bootstrap interval.

Every measure takes a `Ranking`, payments in order of falling score, and a weight per payment: the bootstrap
draws weights instead of rows. Frauds cluster (a stolen card, a skimmed terminal), so it draws whole entities.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ringfence.scoring.artifacts.manifest import Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Measure = Callable[["Ranking", Floats], float]

DAY_MS: Final = 86_400_000
FALSE_POSITIVE_RATES: Final = (0.001, 0.01)
ALERT_SHARE: Final = 0.005
"""Share of payments that an alert rate of 1 in 200 reviews."""


@dataclass(frozen=True)
class Ranking:
    """Payments in order of falling score, arrays of length n.

    `amount` is in major units, 0 where unknown; `entity` is whose payment it is. `of` takes 0 for nobody's,
    and counts each such payment as an entity of its own.
    """

    score: Floats
    fraud: NDArray[np.bool_]
    amount: Floats
    entity: NDArray[np.int64]
    time_ms: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        score: Floats,
        fraud: NDArray[np.bool_],
        amount: Floats,
        entity: NDArray[np.int64],
        time_ms: NDArray[np.int64],
    ) -> Ranking:
        """From arrays in any order."""
        order = np.argsort(-score, kind="stable")
        known = np.nan_to_num(np.asarray(amount, np.float64))
        whose = np.where(entity == 0, -1 - np.arange(len(entity)), entity)
        return cls(score[order], fraud[order], known[order], whose[order], time_ms[order])

    def __len__(self) -> int:
        return len(self.score)

    @property
    def names_anybody(self) -> bool:
        """Whether it is known whose payments they are."""
        return bool(((self.entity >= 0) | (self.entity < -len(self))).any())

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """Index of the last payment of each run of equal scores."""
        return np.append(np.flatnonzero(np.diff(self.score)), len(self.score) - 1)

    @cached_property
    def ones(self) -> Floats:
        """Weight 1 for every payment."""
        return np.ones(len(self.score))


def _counts(ranking: Ranking, weight: Floats) -> tuple[Floats, Floats]:
    """Weighted frauds and good payments down to each distinct score."""
    frauds = np.cumsum(weight * ranking.fraud)[ranking.ends]
    return frauds, np.cumsum(weight)[ranking.ends] - frauds


def auc(ranking: Ranking, weight: Floats) -> float:
    """Chance that a fraud scores above a good payment, ties half.

    >>> one = Ranking.of(np.array([.9, .1, .5]), np.array([True, False, True]), *[np.zeros(3)] * 3)
    >>> auc(one, one.ones)
    1.0
    """
    frauds, good = _counts(ranking, weight)
    if not frauds[-1] * good[-1]:
        return np.nan
    before = np.append(0.0, frauds[:-1])
    return float(np.sum(np.diff(good, prepend=0.0) * (frauds + before)) / (2 * frauds[-1] * good[-1]))


def average_precision(ranking: Ranking, weight: Floats) -> float:
    """Precision at each score, weighted by the frauds that it adds."""
    frauds, good = _counts(ranking, weight)
    if not frauds[-1]:
        return np.nan
    precision = frauds / np.maximum(frauds + good, 1e-12)
    return float(np.sum(np.diff(frauds, prepend=0.0) * precision) / frauds[-1])


def recall_at(rate: float) -> Measure:
    """Share of frauds found where no more than this share of good payments is suspected."""

    def recall(ranking: Ranking, weight: Floats) -> float:
        frauds, good = _counts(ranking, weight)
        if not frauds[-1] * good[-1]:
            return np.nan
        last = int(np.searchsorted(good, rate * good[-1], side="right")) - 1
        return float(frauds[last] / frauds[-1]) if last >= 0 else 0.0

    return recall


def value_detected_at(share: float) -> Measure:
    """Share of the money lost to fraud that this share of payments, the highest scores, would have caught."""

    def detected(ranking: Ranking, weight: Floats) -> float:
        lost = np.cumsum(weight * ranking.fraud * ranking.amount)[ranking.ends]
        seen = np.cumsum(weight)[ranking.ends]
        if not lost[-1]:
            return np.nan
        last = int(np.searchsorted(seen, share * seen[-1], side="right")) - 1
        return float(lost[last] / lost[-1]) if last >= 0 else 0.0

    return detected


def card_precision(ranking: Ranking, k: int = 100) -> Floats:
    """Card precision@k of each UTC day, oldest first.

    Per day, entities by their highest score; of the first k, the share with a fraud that day. An entity found
    on an earlier day is taken out.
    """
    days = ranking.time_ms // DAY_MS
    found = np.empty(0, np.int64)
    daily = []
    for day in np.unique(days):
        rows = np.flatnonzero(days == day)
        names, first, inverse = np.unique(ranking.entity[rows], return_index=True, return_inverse=True)
        defrauded = np.zeros(len(names), np.bool_)
        np.logical_or.at(defrauded, inverse, ranking.fraud[rows])
        order = np.argsort(first, kind="stable")  # rows fall in score: the first is an entity's highest
        order = order[~np.isin(names[order], found)][:k]
        hits = defrauded[order]
        daily.append(hits.sum() / k)
        found = np.concatenate([found, names[order][hits]])
    return np.array(daily)


MEASURES: Final[Mapping[str, Measure]] = {
    "auc": auc,
    "average_precision": average_precision,
    **{f"recall_at_fpr_{rate:g}": recall_at(rate) for rate in FALSE_POSITIVE_RATES},
    f"value_detected_at_alert_rate_{ALERT_SHARE:g}": value_detected_at(ALERT_SHARE),
}


class Drawn(NamedTuple):
    """A measure on all payments, and on each draw of the bootstrap; NaN where it has no meaning."""

    value: float
    draws: list[float]


def drawn(
    ranking: Ranking, more: Mapping[str, Measure] | None = None, *, rounds: int = 100, seed: int = 0
) -> dict[str, Drawn]:
    """Every measure over `rounds` draws of entities (and days, for card precision).

    Two rankings of the same payments are drawn alike by the same seed.
    """
    rng = np.random.default_rng(seed)
    measures = {**MEASURES, **(more or {})}
    _, code = np.unique(ranking.entity, return_inverse=True)
    size = int(code.max(initial=-1)) + 1
    draws: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        weight = rng.poisson(1.0, size).astype(np.float64)[code]
        if not weight.any():
            continue
        for name, act in measures.items():
            draws[name].append(act(ranking, weight))
    found = {name: Drawn(act(ranking, ranking.ones), draws[name]) for name, act in measures.items()}
    if not ranking.names_anybody:
        return found
    daily = card_precision(ranking)
    means = [float(rng.choice(daily, len(daily)).mean()) for _ in range(rounds)] if len(daily) else []
    return found | {"card_precision_100": Drawn(float(daily.mean()) if len(daily) else np.nan, means)}


def measure_all(
    ranking: Ranking, more: Mapping[str, Measure] | None = None, *, rounds: int = 100, seed: int = 0
) -> dict[str, Metric]:
    """Every measure with its 95 % interval, as `drawn` draws."""
    return measured(drawn(ranking, more, rounds=rounds, seed=seed))


def measured(draws: Mapping[str, Drawn]) -> dict[str, Metric]:
    """Draws as values with their 95 % intervals."""
    return {name: _metric(*one) for name, one in draws.items()}


def differences(one: Mapping[str, Drawn], other: Mapping[str, Drawn]) -> dict[str, Metric]:
    """How much more the second has of each measure that both have, with the interval of paired draws."""
    return {
        name: _metric(
            other[name].value - first.value,
            [b - a for a, b in zip(first.draws, other[name].draws, strict=True)],
        )
        for name, first in one.items()
        if name in other
    }


def _metric(value: float, draws: Any) -> Metric:
    usable = np.array([draw for draw in draws if np.isfinite(draw)])
    if not np.isfinite(value):
        return Metric(None)
    if len(usable) < 2:
        return Metric(value)
    low, high = np.quantile(usable, [0.025, 0.975])
    return Metric(value, float(low), float(high))
