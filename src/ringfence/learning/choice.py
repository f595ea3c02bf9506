"""Which inputs a model learns from: those that say something, and what is strange about the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.errors import InputError
from ringfence.learning.dataset import listed
from ringfence.learning.metrics import Ranking, auc

if TYPE_CHECKING:
    from ringfence.learning.dataset import Dataset
    from ringfence.learning.splits import Part

_SAMPLE: Final = 50_000
_TOO_GOOD: Final = 0.995


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
    nobody = np.zeros(len(rows), np.int64)
    found = []
    for name in names:
        values = data.inputs[data.names.index(name)][rows]
        values = np.nan_to_num(values, nan=np.nanmin(values, initial=0.0) - 1)
        ranking = Ranking.of(values, fraud, np.zeros(len(rows)), nobody, nobody)
        area = auc(ranking, ranking.ones)
        if max(area, 1 - area) > _TOO_GOOD:
            found.append(name)
    if not found:
        return []
    said = (
        f"alone all but tells fraud from good, as what is known only later does: {listed(found)}. Unless it "
        "is known when the payment is decided, take it out of the mapping: these figures are worth nothing"
    )
    return [said]
