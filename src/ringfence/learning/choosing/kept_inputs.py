"""Which offered inputs are kept: those without which a later window is told worse."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.learning.algorithms import boosting
from ringfence.learning.algorithms.worked_seconds import Worked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ringfence.learning.data.dataset import Dataset
    from ringfence.learning.data.splits import Fold

_LEAST_FRAUDS: Final = 100  # in the later window, below which a difference is luck
_GOOD: Final = 60_000
_LITTLE: Final = 0.002  # share of all that trees gain, of the inputs that together gain no more
_SAME: Final = 0.0005  # of average precision plus AUC
_PARAMETERS: Final = boosting.DEFAULTS | {"learning_rate": 0.1, "trees": 300}


@dataclass(slots=True)
class Lifted:
    """The inputs that are kept, and what became of each group that was offered, in words."""

    names: tuple[str, ...]
    notes: list[str] = field(default_factory=list)


def lifting(
    data: Dataset,
    fold: Fold,
    names: Sequence[str],
    groups: Mapping[str, frozenset[str]],
    seconds: float,
    seed: int = 0,
    stopwatch: Callable[[], float] | None = None,
) -> Lifted:
    """Leave out groups of inputs without which the later window of a fold is told as well, and idle inputs.

    A group that there is no time to try is kept, and that is said.
    """
    kept = Lifted(tuple(names))
    if int(fold.judge.fraud.sum()) < _LEAST_FRAUDS:
        return kept
    stopwatch = stopwatch or Worked()
    begin = stopwatch()

    def tried(chosen: Sequence[str]) -> boosting.OnWindow:
        table = boosting.table_of(boosting.sample(data, fold.train, chosen, _GOOD))
        later = boosting.sample(data, fold.judge, chosen, _GOOD)
        return boosting.watched(table, later, _PARAMETERS, seed)

    best = tried(kept.names)
    took = stopwatch() - begin
    for title, members in groups.items():
        rest = [name for name in kept.names if name not in members]
        if not rest or len(rest) == len(kept.names):
            continue
        if stopwatch() - begin + took > seconds:
            kept.notes.append(f"{title}: kept untried, as the budget left no time to try without")
            continue
        found = tried(rest)
        said = (
            f"{title}: average precision on a later window {best.precision:.3f} with ({best.worth:.4f} with "
            f"AUC added, by which is judged), {found.precision:.3f} without ({found.worth:.4f})"
        )
        if found.worth >= best.worth - _SAME:
            kept.names, best = tuple(rest), found
            said += ": left out"
        kept.notes.append(said)
    gains = best.booster.feature_importance("gain")
    order = np.argsort(gains, kind="stable")
    idle = order[np.cumsum(gains[order]) <= _LITTLE * gains.sum()]
    if len(idle):
        kept.notes.append(f"{len(idle)} of {len(kept.names)} inputs left out: trees hardly ask for them")
        out = set(idle.tolist())
        kept.names = tuple(name for place, name in enumerate(kept.names) if place not in out)
    return kept
