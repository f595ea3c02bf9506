"""A search for the parameters of boosted trees: the best on later windows, bounded in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.learning.algorithms.boosting import (
    DEFAULTS,
    GOOD_IN_FIT,
    MOST_TREES,
    PROBE,
    USUAL_SECONDS,
    defaults_for,
    hurried,
    sample,
    seconds_a_tree,
    table_of,
    watched,
)
from ringfence.learning.algorithms.worked_seconds import Worked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.learning.algorithms.boosting import OnWindow, Sample
    from ringfence.learning.data.dataset import Dataset
    from ringfence.learning.data.splits import Fold

_MORE_THAN_FIRST: Final = 3  # times the trees of `defaults_for` that a search has to have time for
_LEAST_GOOD: Final = 60_000
_GOOD_PER_FRAUD: Final = 8
_LOOKED_AT_FIRST: Final = 8  # trials before the sampler follows what was found
_NEVER_PRUNED: Final = 4


@dataclass(frozen=True)
class Searched:
    """The best parameters found, their mean worth over the folds, and how many were tried.

    Attributes:
        thinned: good payments that the greatest of its windows had and that it looked at, None for all.
        boosters: of the best, one for each fold, as many trees as were best on its later window.
    """

    parameters: dict[str, Any]
    worth: float
    trials: int
    thinned: tuple[int, int] | None = None
    boosters: tuple[Any, ...] = ()


def good_in_search(seconds: float, frauds: int = 0) -> int:
    """How many good payments of a window a search of so long looks at; all its frauds, always.

    Beside many frauds a few good payments are learned by heart, and fewer trees seem enough than are.

    >>> good_in_search(45), good_in_search(450), good_in_search(3600), good_in_search(45, 15_000)
    (60000, 197368, 400000, 120000)
    """
    usual = 0.19 * USUAL_SECONDS
    wanted = max(_LEAST_GOOD * seconds / (3 * usual), _GOOD_PER_FRAUD * frauds)
    return int(np.clip(wanted, _LEAST_GOOD, GOOD_IN_FIT))


def search(
    data: Dataset,
    folds: Sequence[Fold],
    names: Sequence[str],
    seconds: float,
    tell: Callable[[float, str], None],
    *,
    seed: int = 0,
    stopwatch: Callable[[], float] | None = None,
) -> Searched:
    """Parameters of the highest mean worth over prequential folds, until `seconds` are over.

    How many trees a trial grows is told by the later windows: as many as make it better. Where there is no
    time for so many they learn faster, and what is found is told for the slower ones. `tell` hears of the
    share of the time that is over and of the best so far. The defaults are tried first, and at least they
    are; a trial that is not done in time counts for nothing.
    """
    stopwatch = stopwatch or Worked()
    begin = stopwatch()

    def spent() -> float:
        return stopwatch() - begin

    frauds = max(int(fold.train.fraud.sum()) for fold in folds)
    most, first = good_in_search(seconds, frauds), defaults_for(frauds)
    tables = [table_of(sample(data, fold.train, names, most)) for fold in folds]
    judged = [sample(data, fold.judge, names, most) for fold in folds]
    expected = min(_MORE_THAN_FIRST * first["trees"], MOST_TREES) * len(folds)
    expected *= seconds_a_tree(tables[-1], first, seed, spent)
    hurry = max(expected / max(seconds - spent(), seconds / 2), 1.0)
    trials = _Trials(tables, judged, first, seed, hurry, lambda: spent() > seconds)

    def hear(study: Any, _trial: Any) -> None:
        over = spent()
        tell(min(over / seconds, 1.0), f"best precision + AUC {study.best_value:.3f}")
        if over > seconds:
            study.stop()

    study = _study(first, seed)
    study.optimize(trials.worth_of, callbacks=[hear])
    good = max(int((~part.fraud).sum()) for fold in folds for part in (fold.train, fold.judge))
    return Searched(
        DEFAULTS | study.best_params | {"trees": study.best_trial.user_attrs["trees"]},
        float(study.best_value),
        sum(one.value is not None for one in study.trials),
        (good, most) if good > most else None,
        trials.boosters,
    )


@dataclass(slots=True)
class _Trials:
    """Fits with the parameters that are suggested, each on all windows, and the boosters of the best."""

    tables: list[Any]
    judged: list[Sample]
    first: dict[str, Any]  # the parameters that were tried first
    seed: int
    hurry: float  # how many times fewer trees there is time for
    is_over: Callable[[], bool]
    worth: float = -1.0
    boosters: tuple[Any, ...] = ()

    def worth_of(self, trial: Any) -> float:
        """Mean worth of a trial over the windows; one that is given up says so by an exception of Optuna."""
        parameters = _suggest(trial, int(self.first["num_leaves"])) | {"trees": MOST_TREES}
        rate = parameters["learning_rate"]
        quick = parameters | {"learning_rate": hurried(rate, self.hurry)}
        found = self._on_windows(trial, quick)
        trees = round(float(np.mean([one.trees for one in found])) * quick["learning_rate"] / rate)
        trial.set_user_attr("trees", int(np.clip(trees, PROBE, MOST_TREES)))
        worth = float(np.mean([one.worth for one in found]))
        if worth > self.worth:
            self.worth, self.boosters = worth, tuple(one.booster for one in found)
        return worth

    def _on_windows(self, trial: Any, parameters: dict[str, Any]) -> list[OnWindow]:
        given_up = _optuna().TrialPruned

        def in_time() -> None:
            if trial.number and self.is_over():
                raise given_up

        found: list[OnWindow] = []
        for number, (table, later) in enumerate(zip(self.tables, self.judged, strict=True)):
            found.append(watched(table, later, parameters, self.seed, in_time))
            trial.report(float(np.mean([one.worth for one in found])), number)
            if trial.should_prune():
                raise given_up
        return found


def _study(first: dict[str, Any], seed: int) -> Any:
    """Trials that are to make the most of something, beginning with these parameters."""
    optuna = _optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=_LOOKED_AT_FIRST),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_NEVER_PRUNED),
    )
    study.enqueue_trial({name: first[name] for name in DEFAULTS if name != "trees"})
    return study


def _optuna() -> Any:
    import optuna  # noqa: PLC0415 (an optional extra)

    return optuna


def _suggest(trial: Any, leaves: int) -> dict[str, Any]:
    return {
        "num_leaves": trial.suggest_int("num_leaves", 4, 2 * leaves + 1, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.1, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 5, 200, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.15, 0.9),
        "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
        "lambda_l2": trial.suggest_float("lambda_l2", 1.0, 50.0, log=True),
        "path_smooth": trial.suggest_float("path_smooth", 0.0, 20.0),
    }
