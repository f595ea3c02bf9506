"""Probabilities of log-odds, with the same bits on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ringfence.features.kernel.elementary import exp
from ringfence.features.kernel.jit import entry

if TYPE_CHECKING:
    from numpy.typing import NDArray


def logistic(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + e^-x) of each value.

    >>> logistic(np.array([0.0, -1000.0, 1000.0])).tolist()
    [0.5, 0.0, 1.0]
    """
    found = np.empty(log_odds.shape)
    _logistic(np.ascontiguousarray(log_odds).reshape(-1), found.reshape(-1))
    return found


@entry
def _logistic(log_odds: NDArray[np.float64], found: NDArray[np.float64]) -> None:
    for row in range(len(log_odds)):
        found[row] = 1.0 / (1.0 + exp(-log_odds[row]))
