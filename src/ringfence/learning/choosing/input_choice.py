"""Which inputs a model learns from: those that say something, and what is strange about the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.errors import InputError
from ringfence.events.model import ATTRIBUTE_PREFIX
from ringfence.learning.data.dataset import listed
from ringfence.learning.measures.metrics import Ranking, auc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ringfence.learning.data.dataset import Dataset
    from ringfence.learning.data.splits import Part

_SAMPLE: Final = 20_000
_CUTS: Final = 12  # leaves of the tree that looks for the label in one input
_FEWEST_IN_LEAF: Final = 20  # payments: fewer frauds than that are told apart by chance
_CERTAIN: Final = 0.9995
_LATE: Final = re.compile(
    "chargeback|charge_back|refund|dispute|fraud|label|resolution|resolved|settled|investigat|recovered|"
    "written_off|blocked_at|reported"
)
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
    found = suspected(data, train, usable)
    told = {name.partition("=")[0] for name in (*found.wholly, *found.nearly)}
    repeats = [name for name in usable if told & data.made_of.get(name, frozenset())]
    gone = {*found.wholly, *repeats}
    kept = tuple(name for name in usable if name.partition("=")[0] not in gone)
    if repeats:
        notes.append(f"left out, made of a field that tells the label: {listed(repeats)}")
    if not kept:
        raise InputError(f"every input that is left tells the label: {listed(found.wholly)}; map others, too")
    left = replace(found, nearly=tuple(name for name in found.nearly if name not in repeats))
    return Choice(kept, (*notes, *left.notes))


def _tells(data: Dataset, train: Part, name: str) -> bool:
    """Whether being known at all differs between frauds and good payments."""
    known = ~np.isnan(data.inputs[data.names.index(name)][train.rows])
    return bool(known[train.fraud].mean() != known[~train.fraud].mean()) if train.fraud.any() else False


@dataclass(frozen=True, slots=True)
class Suspected:
    """Inputs that tell the label by themselves, wholly or nearly, or that have the name of one that might."""

    wholly: tuple[str, ...]
    nearly: tuple[str, ...]
    late: tuple[str, ...]

    @property
    def notes(self) -> list[str]:
        """What whoever uses the model should know of them."""
        said = []
        if self.wholly:
            said.append(
                f"left out, as it is the label in other words: {listed(self.wholly)}. What tells fraud from "
                "good without fail is known only afterwards: take it out of the mapping, too"
            )
        if self.nearly:
            said.append(
                f"alone all but tells fraud from good, as what is known only later does: "
                f"{listed(self.nearly)}. Unless it is known when the payment is decided, take it out of the "
                "mapping: these figures are worth nothing"
            )
        if self.late:
            said.append(
                f"by its name known only after the payment: {listed(self.late)}. Unless it is known when the "
                "payment is decided, take it out of the mapping"
            )
        return said


def suspected(data: Dataset, train: Part, names: Sequence[str]) -> Suspected:
    """Look for the label in each input, and in the values of one text field together."""
    late = tuple(name for name in names if _LATE.search(_own_name(name)))
    if not train.fraud.any() or train.fraud.all():
        return Suspected((), (), late)
    rng = np.random.default_rng(0)
    good = np.flatnonzero(~train.fraud)
    frauds = np.flatnonzero(train.fraud)
    some = [rng.choice(each, min(_SAMPLE, len(each)), replace=False) for each in (frauds, good)]
    keep = np.concatenate(some)
    rows, fraud = train.rows[keep], train.fraud[keep]
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.partition("=")[0], []).append(name)
    wholly, nearly = [], []
    for field, members in groups.items():
        values = [data.inputs[data.names.index(name)][rows] for name in members]
        known = values[0] if len(members) == 1 else _joined(values)
        area = telling(known, fraud)
        if area > _CERTAIN:
            wholly.append(field)
        elif area > TOO_GOOD:
            nearly.append(members[0] if len(members) == 1 else field)
    return Suspected(tuple(wholly), tuple(nearly), late)


def _own_name(name: str) -> str:
    """What a source calls an input; nothing for what the engine measures, which is never late."""
    field = name.partition("=")[0]
    return field.removeprefix(ATTRIBUTE_PREFIX) if field.startswith(ATTRIBUTE_PREFIX) else ""


def _joined(indicators: list[NDArray[Any]]) -> NDArray[Any]:
    """Which of a field's frequent values each payment has: its place, -1 for another, NaN for none."""
    table = np.stack(indicators)
    place = np.where(np.nan_to_num(table) > 0, np.arange(len(table))[:, None], -1).max(axis=0)
    return np.where(np.isnan(table[0]), np.nan, place.astype(np.float64))


def telling(values: NDArray[np.floating[Any]], fraud: NDArray[np.bool_]) -> float:
    """AUC of one input by itself, or of a few together (n, k), through whatever few cuts separate them best.

    >>> code = np.repeat([10.0, 20.0, 30.0], 20)
    >>> float(telling(code, code == 20))
    1.0
    """
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415 (an optional extra)

    least = max(int(fraud.sum()) // _CUTS, _FEWEST_IN_LEAF)
    known = values.astype(np.float32).reshape(len(values), -1)
    if np.isnan(known).all():
        return 0.5
    grown = DecisionTreeClassifier(
        max_leaf_nodes=_CUTS, min_samples_leaf=least, class_weight="balanced", random_state=0
    ).fit(known, fraud)
    score = grown.predict_proba(known)[:, 1]
    nobody = np.zeros(len(score), np.int64)
    ranking = Ranking.of(score, fraud, np.zeros(len(score)), nobody, nobody)
    return auc(ranking, ranking.ones)
