"""How good a model's scores are as curves: kept with the model, and drawn wherever it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from ringfence.errors import InputError
from ringfence.learning.measures.calibrate import reliability
from ringfence.learning.measures.metrics import DAY_MS, Ranking
from ringfence.learning.measures.money import cost_curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.learning.measures.metrics import Floats
    from ringfence.scoring.artifacts.manifest import Costs

SCORE_BINS: Final = 20
_MOST_POINTS: Final = 200


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Points in order."""

    x: list[float]
    y: list[float]

    @classmethod
    def of(cls, x: Floats, y: Floats) -> Curve:
        """At most so many points, the ends among them, half of them where the scores are highest."""
        last, half = len(x) - 1, _MOST_POINTS // 2
        spread = np.linspace(0, last, min(len(x), half)), np.geomspace(1, max(last, 1), half) - 1
        keep = np.unique(np.concatenate(spread).astype(np.int64))
        return cls(*([float(f"{value:.4g}") for value in side[keep]] for side in (x, y)))


class Curves(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scores of some payments against what became known of them.

    Attributes:
        days: UTC days with a payment.
        precision: by recall.
        roc: recall by false-positive rate.
        value: share of the money lost to fraud by good payments suspected per fraud.
        calibration: share that was fraud by probability told, of groups expected to hold equally many frauds.
        cost: of a day, in major units, by payments reviewed a day, all others approved.
        good, fraud: payments by score, `SCORE_BINS` bins from 0 to 1.
    """

    payments: int
    frauds: int
    days: int
    precision: Curve
    roc: Curve
    value: Curve
    calibration: Curve
    cost: Curve
    good: list[int]
    fraud: list[int]

    @classmethod
    def from_json(cls, text: bytes) -> Curves:
        """`InputError` for a text that holds none."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise InputError(f"curves.json of the model is unusable ({error}): train it again") from error


def curves_of(ranking: Ranking, costs: Costs) -> Curves | None:
    """The curves of a ranking by probability; None without a fraud or without a good payment.

    >>> import numpy as np
    >>> from ringfence.scoring.artifacts.manifest import Costs
    >>> score, fraud = np.array([0.9, 0.2, 0.1]), np.array([True, False, False])
    >>> one = curves_of(Ranking.of(score, fraud, *[np.ones(3, np.int64)] * 3), Costs())
    >>> one.precision.x[0], one.precision.y[0], one.roc.y[0], one.fraud[18]
    (1.0, 1.0, 1.0, 1)
    """
    frauds, payments = int(ranking.fraud.sum()), len(ranking)
    if not 0 < frauds < payments:
        return None
    found = np.cumsum(ranking.fraud)[ranking.ends].astype(np.float64)
    good = ranking.ends + 1 - found
    lost = np.cumsum(ranking.fraud * ranking.amount)[ranking.ends]
    days = max(len(np.unique(ranking.time_ms // DAY_MS)), 1)
    told = reliability(ranking.score, ranking.fraud)
    reviewed, cost = cost_curve(ranking, costs, _MOST_POINTS)
    return Curves(
        payments,
        frauds,
        days,
        Curve.of(found / frauds, found / (found + good)),
        Curve.of(good / good[-1], found / frauds),
        Curve.of(good / frauds, lost / max(lost[-1], 1e-9)),
        Curve.of(np.array([one[0] for one in told]), np.array([one[1] for one in told])),
        Curve.of(reviewed / days, cost / days),
        _bins(ranking.score[~ranking.fraud]),
        _bins(ranking.score[ranking.fraud]),
    )


def _bins(score: Floats) -> list[int]:
    places: NDArray[np.int64] = (score * SCORE_BINS).astype(np.int64).clip(0, SCORE_BINS - 1)
    return [int(count) for count in np.bincount(places, minlength=SCORE_BINS)]
