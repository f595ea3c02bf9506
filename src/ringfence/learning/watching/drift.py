"""Whether payments still look as in training: population stability of every input and of the score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.learning.data.dataset import Dataset
    from ringfence.learning.measures.metrics import Floats
    from ringfence.learning.train import Trained

BINS: Final = 10
_FLOOR: Final = 1e-4  # an empty bin would make the index infinite


class Spread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a number was spread: shares of payments between `edges`, the last share being of nulls.

    A value x falls into the first bin whose edge is >= x; the bin after the last edge takes the rest.
    """

    edges: list[float]
    shares: list[float]

    @classmethod
    def of(cls, values: Floats) -> Spread:
        """Bins of about equally many payments; fewer where values repeat.

        >>> Spread.of(np.array([1.0, 1.0, 2.0, np.nan])).shares
        [0.5, 0.25, 0.25]
        """
        known = values[~np.isnan(values)]
        cuts: Any = np.quantile(known, np.arange(1, BINS) / BINS, method="inverted_cdf") if len(known) else []
        edges = np.unique(np.append(cuts, known.min() if len(known) else []))
        edges = edges[edges < known.max()] if len(known) else edges
        found = cls([float(edge) for edge in edges], [])
        return cls(found.edges, found.count(values).tolist())

    def count(self, values: Floats) -> Floats:
        """Shares of these values in the bins."""
        # Both rounded alike: training keeps single precision, and a value may be an edge itself.
        edges = np.array(self.edges, np.float32)
        bins = np.searchsorted(edges, values.astype(np.float32), side="left")
        bins[np.isnan(values)] = len(self.edges) + 1
        counts = np.bincount(bins, minlength=len(self.edges) + 2)
        return counts / max(len(values), 1)

    def index(self, values: Floats) -> float:
        """Population stability index of these values against the spread: 0 where nothing changed.

        >>> one = Spread.of(np.arange(1000.0))
        >>> round(one.index(np.arange(1000.0)), 3), one.index(np.arange(500.0, 1500.0)) > 1
        (0.0, True)
        """
        was = np.maximum(np.array(self.shares), _FLOOR)
        now = np.maximum(self.count(values), _FLOOR)
        return float(np.sum((now - was) * np.log(now / was)))


class DriftReference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What drift is measured against: the training part's inputs, and scores of later windows."""

    inputs: dict[str, Spread]
    score: Spread
    rows: int

    @classmethod
    def from_json(cls, text: bytes) -> DriftReference:
        """`InputError` for a text that is no reference."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise InputError(f"reference.json of the model is unusable ({error}): train it again") from error


def reference_of(trained: Trained, data: Dataset) -> DriftReference:
    """The reference of a training."""
    inputs = {
        name: Spread.of(data.inputs[data.names.index(name)][trained.train.rows]) for name in trained.inputs
    }
    return DriftReference(inputs, Spread.of(trained.later.score), len(trained.train.rows))


SEASONAL: Final = frozenset({"hour", "weekday"})
"""Inputs that no single day spreads as a whole training does: their index by day says nothing."""


class Day(msgspec.Struct, frozen=True):
    """One UTC day against training.

    Attributes:
        day_ms: its beginning.
        inputs: stability index by input; `score`: of the model's score.
        null_shares: share of nulls of inputs that had fewer in training by a tenth or more.
        frauds: known among its payments, None while labels may still come.
        recall: share of them at or above the review band, None without any.
    """

    day_ms: int
    payments: int
    score: float
    inputs: dict[str, float]
    null_shares: dict[str, float]
    frauds: int | None = None
    recall: float | None = None


def by_day(
    reference: DriftReference,
    data: Dataset,
    score: Floats,
    review_at: float | None,
    mature_until_ms: int,
    fewest: int = 100,
) -> list[Day]:
    """Every day with at least `fewest` payments; `score` are the model's probabilities of `data`."""
    days = data.time_ms // 86_400_000
    found = []
    for day in np.unique(days):
        rows = np.flatnonzero(days == day)
        if len(rows) >= fewest:
            found.append(_day(reference, data, rows, score[rows], review_at, mature_until_ms))
    return found


def _day(
    reference: DriftReference,
    data: Dataset,
    rows: NDArray[np.int64],
    score: Floats,
    review_at: float | None,
    mature_until_ms: int,
) -> Day:
    day_ms = int(data.time_ms[rows[0]]) // 86_400_000 * 86_400_000
    values = {name: data.inputs[data.names.index(name)][rows] for name in reference.inputs}
    steady = [name for name in values if name not in SEASONAL]
    frauds = recall = None
    if day_ms + 86_400_000 <= mature_until_ms:
        fraud = data.fraud_at(np.iinfo(np.int64).max - 1)[rows]
        frauds = int(fraud.sum())
        if frauds and review_at is not None:
            recall = float(np.mean(score[fraud] >= review_at))
    return Day(
        day_ms,
        len(rows),
        reference.score.index(score),
        {name: reference.inputs[name].index(values[name]) for name in steady},
        _more_nulls(reference, values),
        frauds,
        recall,
    )


def _more_nulls(reference: DriftReference, values: Mapping[str, Floats]) -> dict[str, float]:
    shares = {name: float(np.isnan(one).mean()) for name, one in values.items()}
    return {name: share for name, share in shares.items() if share - reference.inputs[name].shares[-1] >= 0.1}
