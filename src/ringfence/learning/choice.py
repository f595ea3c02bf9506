"""Which inputs a model learns from: those that say something, and what is strange about the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.errors import InputError
from ringfence.learning.dataset import listed
from ringfence.learning.metrics import Ranking, auc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.learning.dataset import Dataset
    from ringfence.learning.splits import Part

_SAMPLE: Final = 50_000
_FEW_VALUES: Final = 50
TOO_GOOD: Final = 0.995
"""AUC above which a leak is more likely than good fortune, of one input as of a whole model."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The inputs that are learned from, and remarks for whoever uses the model."""

    names: tuple[str, ...]
    notes: tuple[str, ...]


def choose_inputs(data: Dataset, train: Part) -> Choice:
    """Leave out inputs that are always null or always the same in the training part.

    `InputError` where none is left.
    """
    empty, constant, usable = [], [], []
    for name, values in zip(data.names, data.inputs, strict=True):
        seen = values[train.rows]
        known = seen[~np.isnan(seen)]
        if not len(known):
            empty.append(name)
        elif np.ptp(known) == 0 and (len(known) == len(seen) or not _tells(data, train, name)):
            constant.append(name)
        else:
            usable.append(name)
    if not usable:
        raise InputError(
            "every input is null or constant in the training period: check that the mapping fills the ids "
            "and amounts that the features look at"
        )
    said = [("always null", empty), ("always the same", constant)]
    notes = [f"left out, {why}: {listed(names)}" for why, names in said if names]
    return Choice(tuple(usable), (*notes, *_suspicions(data, train, usable)))


def _tells(data: Dataset, train: Part, name: str) -> bool:
    """Whether being known at all differs between frauds and good payments."""
    known = ~np.isnan(data.inputs[data.names.index(name)][train.rows])
    return bool(known[train.fraud].mean() != known[~train.fraud].mean()) if train.fraud.any() else False


def _suspicions(data: Dataset, train: Part, names: list[str]) -> list[str]:
    """Inputs that all but give the label away."""
    if not train.fraud.any() or train.fraud.all():
        return []
    rng = np.random.default_rng(0)
    good = np.flatnonzero(~train.fraud)
    keep = np.concatenate(
        [np.flatnonzero(train.fraud), rng.choice(good, min(_SAMPLE, len(good)), replace=False)]
    )
    rows, fraud = train.rows[keep], train.fraud[keep]
    found = [name for name in names if telling(data.inputs[data.names.index(name)][rows], fraud) > TOO_GOOD]
    if not found:
        return []
    said = (
        f"alone all but tells fraud from good, as what is known only later does: {listed(found)}. Unless it "
        "is known when the payment is decided, take it out of the mapping: these figures are worth nothing"
    )
    return [said]


def telling(values: NDArray[np.floating[Any]], fraud: NDArray[np.bool_]) -> float:
    """AUC of one input by itself, whichever way it points; of a code with few values, by value.

    >>> code = np.array([10.0, 20.0, 30.0, 20.0])
    >>> telling(code, code == 20)
    1.0
    """
    known = np.nan_to_num(values.astype(np.float64), nan=np.nanmin(values, initial=0.0) - 1)
    distinct, place = np.unique(known, return_inverse=True)
    if len(distinct) <= _FEW_VALUES:
        known = (np.bincount(place, fraud) / np.bincount(place))[place]
    nobody = np.zeros(len(known), np.int64)
    ranking = Ranking.of(known, fraud, np.zeros(len(known)), nobody, nobody)
    area = auc(ranking, ranking.ones)
    return max(area, 1 - area)
