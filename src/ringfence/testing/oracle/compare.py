"""How equal an engine's values must be to the oracle's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.features.spec import FeatureKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.features.spec import Feature, FeatureSpec

_ROUNDED = {
    FeatureKind.MEAN,
    FeatureKind.STD,
    FeatureKind.RATIO,
    FeatureKind.ZSCORE,
    FeatureKind.SHARE,
    FeatureKind.LABEL_RATE,
    FeatureKind.HOUR_SHARE,
}
# The arc sine loses half of its digits near the antipodes; a wrong previous place is off by far more.
_TRIGONOMETRIC = {FeatureKind.DISTANCE, FeatureKind.SPEED}
_EXACT_SUM = 2.0**53 / 1000


def differences(spec: FeatureSpec, got: NDArray[np.float64], want: NDArray[np.float64]) -> list[str]:
    """One line per feature whose values differ, with the first difference; empty when all are equal.

    Counts, distinct counts, minima, maxima, times and sums below 2^53 fixed-point units are equal in every
    bit; quotients to 1e-12 of the value or 1e-9; distances and speeds to 1e-7.
    """
    if got.shape != want.shape:
        return [f"shape {got.shape} instead of {want.shape}"]
    found = []
    for feature, ours, theirs in zip(spec.features, got, want, strict=True):
        wrong = np.flatnonzero(~_equal(feature, ours, theirs))
        if len(wrong):
            at = wrong[0]
            what = f"{ours[at]!r} instead of {theirs[at]!r}"
            found.append(f"{feature.name}: transaction {at} has {what}; {len(wrong)} differ")
    return found


def _equal(feature: Feature, ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Any:
    if feature.kind in _TRIGONOMETRIC:
        return np.isclose(ours, theirs, rtol=1e-7, atol=1e-9, equal_nan=True)
    if feature.kind in _ROUNDED:
        return np.isclose(ours, theirs, rtol=1e-12, atol=1e-9, equal_nan=True)
    exact = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    if feature.kind is FeatureKind.SUM:
        # Beyond 53 bits an exact integer may have no double: the nearest two are both right.
        return exact | ((np.abs(theirs) > _EXACT_SUM) & np.isclose(ours, theirs, rtol=4e-16, atol=0))
    return exact
