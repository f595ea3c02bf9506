"""From raw log-odds to probabilities: Platt scaling on windows later than what was learned from.

Scaling says how steep probabilities are, the share of fraud how high: see `shifted`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ringfence.scoring.artifacts.manifest import Calibration
from ringfence.scoring.logistic import logistic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.learning.measures.metrics import Floats

_ROUNDS = 50
_SMALLEST_SLOPE = 0.05
_FARTHEST = 50.0  # log-odds


def platt(log_odds: Floats, fraud: NDArray[np.bool_]) -> Calibration:
    """The slope and intercept of greatest likelihood, by Newton's method.

    Labels are drawn towards 1/2 by one observation, as Platt did, so that a perfect ranking gives no infinite
    slope. A ranking that is no better than chance keeps a small positive slope: order is never turned round.

    >>> x = np.linspace(-4, 4, 4001)
    >>> y = np.random.default_rng(0).random(4001) < 1 / (1 + np.exp(-(2 * x - 1)))
    >>> found = platt(x, y)
    >>> abs(found.slope - 2) < 0.2, abs(found.intercept + 1) < 0.2
    (True, True)
    """
    frauds, good = int(fraud.sum()), int((~fraud).sum())
    target = np.where(fraud, (frauds + 1) / (frauds + 2), 1 / (good + 2))
    table = np.stack([log_odds, np.ones(len(log_odds))])
    found = np.array([1.0, 0.0])
    for _ in range(_ROUNDS):
        probability = logistic(found @ table)
        gradient = table @ (probability - target)
        curvature = (table * (probability * (1 - probability))) @ table.T + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        step *= min(1.0, 2.0 / max(np.abs(step).max(), 1e-12))
        found -= step
        if np.abs(step).max() < 1e-9:
            break
    if not np.isfinite(found).all() or found[0] < _SMALLEST_SLOPE:
        base = np.log((frauds + 1) / (good + 1))
        return Calibration(_SMALLEST_SLOPE, float(base - _SMALLEST_SLOPE * log_odds.mean()))
    return Calibration(float(found[0]), float(found[1]))


def shifted(calibration: Calibration, log_odds: Floats, share: float) -> Calibration:
    """The calibration moved until the mean probability of these payments is a known share of fraud.

    A model that learned from everything scores higher or lower as a whole than the ones that learned from a
    part and were calibrated on later windows. Payments later than its own training say by how much: their
    labels are not needed, only how many frauds there are among so many payments.

    >>> raw = np.random.default_rng(0).normal(-5, 2, 1000)
    >>> found = shifted(Calibration(1.1, 3.0), raw, 0.02)
    >>> round(float(calibrated(raw, found).mean()), 6), found.slope
    (0.02, 1.1)
    """
    low, high = -_FARTHEST, _FARTHEST
    for _ in range(_ROUNDS * 2):
        middle = (low + high) / 2
        told = logistic(calibration.slope * log_odds + middle).mean()
        low, high = (low, middle) if told > share else (middle, high)
    return Calibration(calibration.slope, (low + high) / 2)


def calibrated(log_odds: Floats, calibration: Calibration) -> Floats:
    """Probabilities of raw log-odds."""
    return logistic(calibration.slope * log_odds + calibration.intercept)


def reliability(
    probability: Floats, fraud: NDArray[np.bool_], bins: int = 10
) -> list[tuple[float, float, int]]:
    """(mean probability, share of fraud, payments) of groups with equally many frauds expected."""
    order = np.argsort(probability, kind="stable")
    expected = np.cumsum(probability[order])
    group = np.minimum((expected / max(expected[-1], 1e-12) * bins).astype(np.int64), bins - 1)
    rows = []
    for number in range(bins):
        inside = order[group == number]
        if len(inside):
            rows.append((float(probability[inside].mean()), float(fraud[inside].mean()), len(inside)))
    return rows
