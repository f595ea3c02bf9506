"""What a model listens to, from its own arrays."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.scoring.artifacts.manifest import FOREST, LINEAR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.scoring.artifacts.artifact import Artifact


def importance_of(artifact: Artifact) -> list[tuple[str, float]]:
    """Inputs with their share of what moves the log-odds, the greatest first; empty where it cannot be told.

    Of a forest, the variance over its training rows that splits on the input take away; of a linear model,
    the absolute weight of a standard deviation.
    """
    if FOREST in artifact.files:
        weights = _forest(_arrays(artifact.files[FOREST]), len(artifact.manifest.inputs))
    elif LINEAR in artifact.files:
        weights = np.abs(_arrays(artifact.files[LINEAR])["weight"]).ravel()
    else:
        return []
    shares = weights / max(float(weights.sum()), 1e-12)
    ranked = sorted(zip(artifact.manifest.inputs, shares.tolist(), strict=True), key=lambda item: -item[1])
    return [(name, share) for name, share in ranked if share > 0]


def _arrays(content: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        return dict(found)


def _forest(arrays: dict[str, Any], width: int) -> NDArray[np.float64]:
    feature, left, right = arrays["feature"], arrays["left"], arrays["right"]
    cover = np.maximum(arrays["cover"].astype(np.float64), 1e-12)
    mean, done = arrays["value"].astype(np.float64), feature < 0
    found = np.zeros(width)
    while not done.all():  # from the leaves up, a level at a time
        ready = np.flatnonzero(~done & done[left] & done[right])
        if not len(ready):
            break
        one, other = left[ready], right[ready]
        whole = cover[one] + cover[other]
        mean[ready] = (cover[one] * mean[one] + cover[other] * mean[other]) / whole
        np.add.at(found, feature[ready], cover[one] * cover[other] / whole * (mean[one] - mean[other]) ** 2)
        done[ready] = True
    return found
