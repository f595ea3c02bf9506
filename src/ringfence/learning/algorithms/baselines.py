"""What a model is held against: a logistic regression with labels, and isolation trees without them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.learning.algorithms.forest import ForestArrays, forest_of_isolation, mean_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.learning.algorithms.boosting import Sample
    from ringfence.learning.measures.metrics import Floats

_TREES: Final = 100
_PER_TREE: Final = 256


@dataclass(frozen=True)
class Linear:
    """A logistic regression over filled and scaled inputs (`manifest.LINEAR_ARRAYS`)."""

    arrays: dict[str, NDArray[np.float64]]

    def log_odds(self, inputs: NDArray[np.float64]) -> Floats:
        """Raw score, float64 (n,)."""
        one = self.arrays
        known = np.where(np.isnan(inputs), one["fill"], inputs)
        found: Floats = ((known - one["mean"]) / one["scale"]) @ one["weight"] + one["bias"][0]
        return found


@dataclass(frozen=True)
class Isolation:
    """Isolation trees: novelty is 2^(-mean path / expected path)."""

    forest: ForestArrays
    fill: NDArray[np.float64]
    expected_path: float
    model: Any

    def novelty(self, inputs: NDArray[np.float64]) -> Floats:
        """Float64 (n,), about 0.5 for a payment like most."""
        known = np.where(np.isnan(inputs), self.fill, inputs)
        found: Floats = -self.model.score_samples(known.astype(np.float32))
        return found


def fit_linear(learned: Sample) -> Linear:
    """With an L2 penalty; null becomes the median."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 (an optional extra)

    inputs = learned.inputs.astype(np.float64)
    fill = _medians(inputs)
    known = np.where(np.isnan(inputs), fill, inputs)
    mean = np.average(known, axis=0, weights=learned.weight)
    deviation = np.sqrt(np.average((known - mean) ** 2, axis=0, weights=learned.weight))
    scale = np.where(deviation > 0, deviation, 1.0)
    model = LogisticRegression(C=0.1, solver="newton-cholesky", max_iter=200)
    model.fit((known - mean) / scale, learned.fraud, learned.weight)
    weight, bias = model.coef_[0].astype(np.float64), model.intercept_.astype(np.float64)
    return Linear({"fill": fill, "mean": mean, "scale": scale, "weight": weight, "bias": bias})


def fit_isolation(inputs: NDArray[np.float64], seed: int = 0) -> Isolation:
    """Hundred trees of 256 payments each; labels play no part."""
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415 (an optional extra)

    fill = _medians(inputs)
    known = np.where(np.isnan(inputs), fill, inputs).astype(np.float32)
    size = min(_PER_TREE, len(known))
    model = IsolationForest(n_estimators=_TREES, max_samples=size, random_state=seed).fit(known)
    return Isolation(forest_of_isolation(model), fill, float(mean_path(np.array([size]))[0]), model)


def _medians(inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each input's known values, 0 where there are none."""
    unknown = np.isnan(inputs).all(axis=0)
    filled = np.where(unknown, 0.0, inputs)
    medians: NDArray[np.float64] = np.nanmedian(filled, axis=0)
    return medians
