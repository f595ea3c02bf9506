"""Gradient-boosted trees: one fit, and a search for its parameters on later windows, bounded in time.

Frauds are rare. None is drawn twice and none is invented: all frauds are kept, good payments are thinned only
where there are very many, each that stays standing for its lot, so that probabilities stay probabilities.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.learning.metrics import Ranking, auc, average_precision

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ringfence.learning.dataset import Dataset
    from ringfence.learning.metrics import Floats
    from ringfence.learning.splits import Fold, Part

DEFAULTS: Final[dict[str, Any]] = {
    "num_leaves": 31,
    "learning_rate": 0.05,
    "trees": 100,
    "min_child_samples": 20,
    "feature_fraction": 0.25,
    "bagging_fraction": 0.8,
    "lambda_l2": 5.0,
    "path_smooth": 3.0,
}
"""Shrunken trees that each see a quarter of the inputs, which rare frauds ask for."""

_FRAUDS_PER_TREE: Final = 20
_FEWEST_TREES, _MOST_TREES = 100, 300

_BINS: Final = {"max_bin": 255, "feature_pre_filter": False, "verbosity": -1}
_GOOD_IN_SEARCH: Final = 60_000
GOOD_IN_FIT: Final = 400_000
GOOD_IN_QUICK_FIT: Final = 15_000
_FRAUDS_FOR_ONE: Final = 5_000
_FEWEST_MEMBERS, _MOST_MEMBERS = 1, 5


@dataclass(frozen=True)
class Sample:
    """Rows to learn from or to be judged on: inputs (n, k), fraud, and how many payments each stands for."""

    inputs: NDArray[np.float32]
    fraud: NDArray[np.bool_]
    weight: Floats
    amount: Floats


@dataclass(frozen=True)
class Searched:
    """The best parameters found, their mean worth over the folds, and how many were tried."""

    parameters: dict[str, Any]
    worth: float
    trials: int


def sample(data: Dataset, part: Part, names: Sequence[str], most_good: int = GOOD_IN_FIT) -> Sample:
    """All frauds of a part and at most `most_good` of its good payments, drawn with a fixed seed."""
    good = np.flatnonzero(~part.fraud)
    weight = np.ones(len(part.rows))
    keep = np.arange(len(part.rows))
    if len(good) > most_good:
        drawn = np.random.default_rng(0).choice(good, most_good, replace=False)
        keep = np.sort(np.concatenate([np.flatnonzero(part.fraud), drawn]))
        weight[good] = len(good) / most_good
    rows = part.rows[keep]
    inputs = data.matrix(rows, names, np.float32)
    return Sample(inputs, part.fraud[keep], weight[keep], np.nan_to_num(data.amount[rows]))


def defaults_for(frauds: int) -> dict[str, Any]:
    """Where a search begins: the more frauds there are to learn from, the more trees.

    >>> defaults_for(600)["trees"], defaults_for(4000)["trees"], defaults_for(100_000)["trees"]
    (100, 200, 300)
    """
    return DEFAULTS | {"trees": int(np.clip(frauds // _FRAUDS_PER_TREE, _FEWEST_TREES, _MOST_TREES))}


def members_for(frauds: int) -> int:
    """How many boosters are averaged: several where few frauds make one of them a matter of luck.

    >>> members_for(500), members_for(4000), members_for(100_000)
    (5, 1, 1)
    """
    return int(np.clip(_FRAUDS_FOR_ONE // (2 * max(frauds, 1)), _FEWEST_MEMBERS, _MOST_MEMBERS))


def fit(learned: Sample, parameters: dict[str, Any], members: int = 1, seed: int = 0) -> list[Any]:
    """LightGBM boosters that differ in their seed only; the same input gives the same trees."""
    table = _table(learned)
    return [_grown(table, parameters, seed + member) for member in range(members)]


def _table(learned: Sample) -> Any:
    """The inputs in bins, to be grown on more than once."""
    return _lightgbm().Dataset(learned.inputs, learned.fraud, weight=learned.weight, params=_BINS).construct()


def _lightgbm() -> Any:
    """The library, whose threads are to sleep while they wait for each other.

    They spin otherwise, which took ten times the processor time on cores that are busy with something else,
    decisions for one. Its OpenMP reads the variable once, when it is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import lightgbm  # noqa: PLC0415 (an optional extra)

    return lightgbm


def _grown(table: Any, parameters: dict[str, Any], seed: int, after_tree: Any = None) -> Any:
    callbacks = [] if after_tree is None else [after_tree]
    settings = _settings(parameters) | {"seed": seed}
    return _lightgbm().train(settings, table, int(parameters["trees"]), callbacks=callbacks)


def log_odds(boosters: Sequence[Any], inputs: NDArray[Any]) -> Floats:
    """Mean raw score of the boosters, float64 (n,)."""
    total = np.zeros(len(inputs))
    for booster in boosters:
        total += booster.predict(inputs, raw_score=True)
    return total / len(boosters)


def search(
    data: Dataset,
    folds: Sequence[Fold],
    names: Sequence[str],
    seconds: float,
    tell: Callable[[float, str], None],
    *,
    seed: int = 0,
    stopwatch: Callable[[], float] = time.monotonic,
) -> Searched:
    """Parameters of the highest mean worth over prequential folds, until `seconds` are over.

    Worth is average precision plus AUC: precision alone looks at the first alerts only, and chooses trees
    that remember single frauds and order everything further down by noise.

    `tell` hears of the share of the time that is over and of the best so far. The defaults are tried first,
    and at least they are; a trial that is not done in time counts for nothing.
    """
    import optuna  # noqa: PLC0415 (an optional extra)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tables = [_table(sample(data, fold.train, names, _GOOD_IN_SEARCH)) for fold in folds]
    judged = [sample(data, fold.judge, names, _GOOD_IN_SEARCH) for fold in folds]
    begin = stopwatch()
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=8),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    study.enqueue_trial(defaults_for(max(int(fold.train.fraud.sum()) for fold in folds)))

    def objective(trial: Any) -> float:
        def in_time(_env: Any) -> None:
            if trial.number and stopwatch() - begin > seconds:
                raise optuna.TrialPruned

        parameters, found = _suggest(trial), []
        for number, (table, later) in enumerate(zip(tables, judged, strict=True)):
            found.append(_judge([_grown(table, parameters, seed, in_time)], later))
            trial.report(float(np.mean(found)), number)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(found))

    def hear(study: Any, _trial: Any) -> None:
        spent = stopwatch() - begin
        tell(min(spent / seconds, 1.0), f"best precision + AUC {study.best_value:.3f}")
        if spent > seconds:
            study.stop()

    study.optimize(objective, callbacks=[hear])
    return Searched(DEFAULTS | study.best_params, float(study.best_value), len(study.trials))


def _suggest(trial: Any) -> dict[str, Any]:
    return {
        "num_leaves": trial.suggest_int("num_leaves", 4, 63, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.1, log=True),
        "trees": trial.suggest_int("trees", 50, _MOST_TREES, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 5, 200, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.15, 0.9),
        "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
        "lambda_l2": trial.suggest_float("lambda_l2", 1.0, 50.0, log=True),
        "path_smooth": trial.suggest_float("path_smooth", 0.0, 20.0),
    }


def _judge(boosters: Sequence[Any], judged: Sample) -> float:
    scores = log_odds(boosters, judged.inputs)
    order = np.argsort(-scores, kind="stable")
    nobody = np.zeros(len(scores), np.int64)
    ranking = Ranking.of(scores, judged.fraud, judged.amount, nobody, nobody)
    weight = judged.weight[order]
    return average_precision(ranking, weight) + auc(ranking, weight)


def _settings(parameters: dict[str, Any]) -> dict[str, Any]:
    """LightGBM's names; one seed and one order of work, so that training can be repeated."""
    chosen = {name: value for name, value in parameters.items() if name != "trees"}
    return {
        "objective": "binary",
        "bagging_freq": 1,
        "deterministic": True,
        "force_col_wise": True,
        **_BINS,
        **chosen,
    }
