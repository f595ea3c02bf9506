"""Models that score in this process: a boosted forest and a logistic regression, each with exact reasons.

Both add up column by column or tree by tree, so that a payment's probability is bit for bit the same alone,
in any batch, and in a replay. Each is a `scoring.artifacts.models.Scorer`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.errors import ScorerError
from ringfence.scoring.artifacts.manifest import LINEAR_ARRAYS
from ringfence.scoring.artifacts.reasons import texts_of
from ringfence.scoring.logistic import logistic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.scoring.artifacts.manifest import Bands, Manifest, ReasonText
    from ringfence.scoring.forest import Forest


@dataclass(slots=True)
class Described:
    """What every model of an artifact says of itself."""

    manifest: Manifest
    digest: str
    reasons: Mapping[str, ReasonText] = field(init=False)  # by input

    def __post_init__(self) -> None:
        self.reasons = texts_of(self.manifest)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of its inputs, in order."""
        return self.manifest.inputs

    @property
    def zone(self) -> str:
        """Time zone of its inputs `hour` and `weekday`."""
        return self.manifest.zone

    @property
    def waits(self) -> bool:
        """Whether it waits for somebody else."""
        return False

    @property
    def bands(self) -> Bands:
        """Probabilities from which it asks for an outcome."""
        return self.manifest.bands

    def calibrated(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-odds of raw ones."""
        scale = self.manifest.calibration
        return scale.slope * raw + scale.intercept

    def explained(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Contributions to calibrated log-odds of those to raw ones, the base last."""
        scale = self.manifest.calibration
        raw = raw * scale.slope
        raw[:, -1] += scale.intercept
        return raw


@dataclass(slots=True)
class ForestModel(Described):
    """Boosted trees."""

    forest: Forest

    def score(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Scorer.score`."""
        return logistic(self.calibrated(self.forest.sums(inputs)))

    def contributions(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Scorer.contributions`."""
        return self.explained(self.forest.contributions(inputs))


@dataclass(slots=True)
class LinearModel(Described):
    """A logistic regression over scaled inputs."""

    arrays: Mapping[str, NDArray[np.float64]]

    def score(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Scorer.score`."""
        raw = np.full(len(inputs), self.arrays["bias"][0])
        for column in self._terms(inputs):
            raw += column
        return logistic(self.calibrated(raw))

    def contributions(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Scorer.contributions`."""
        bias = np.full((1, len(inputs)), self.arrays["bias"][0])
        return self.explained(np.concatenate([self._terms(inputs), bias]).T)

    def _terms(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each input adds, (k, n)."""
        fill, mean, scale, weight = (
            self.arrays[name][:, None] for name in ("fill", "mean", "scale", "weight")
        )
        columns = inputs.T
        known: NDArray[np.float64] = np.where(np.isnan(columns), fill, columns)
        return (known - mean) / scale * weight


def linear_arrays(arrays: Mapping[str, Any], width: int) -> dict[str, NDArray[np.float64]]:
    """The arrays of `manifest.LINEAR_ARRAYS` for `width` inputs; `ScorerError` where they are none."""
    shapes = dict.fromkeys(LINEAR_ARRAYS, (width,)) | {"bias": (1,)}
    for name, shape in shapes.items():
        found = arrays.get(name)
        if found is None or found.dtype != np.float64 or found.shape != shape or not np.isfinite(found).all():
            raise ScorerError(
                f"array {name} of the regression is not {shape[0]} finite numbers: the artifact is damaged "
                "or of another version; train the model again"
            )
    if (arrays["scale"] <= 0).any():
        raise ScorerError("a scale of the regression is not above 0: train the model again")
    return {name: arrays[name] for name in shapes}
