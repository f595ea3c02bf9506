"""Gradient-boosted trees: one fit, and a search for its parameters on later windows, bounded in time.

Frauds are rare. None is drawn twice and none is invented: all frauds are kept, good payments are thinned only
where there are very many, each that stays standing for its lot, so that probabilities stay probabilities.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.learning.metrics import Ranking, average_precision

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
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "lambda_l2": 5.0,
    "path_smooth": 0.0,
}
"""Where a search begins: shrunken trees that see half of the inputs each, which rare frauds ask for."""

_GOOD_IN_SEARCH: Final = 60_000
_GOOD_IN_FIT: Final = 3_000_000
_FRAUDS_FOR_ONE: Final = 5_000
_FEWEST_MEMBERS, _MOST_MEMBERS = 1, 5


@dataclass(frozen=True)
class Sample:
    """Rows to learn from or to be judged on: inputs (n, k), fraud, and how many payments each stands for."""

    inputs: NDArray[np.float64]
    fraud: NDArray[np.bool_]
    weight: Floats
    amount: Floats


@dataclass(frozen=True)
class Searched:
    """The best parameters found, their mean average precision over the folds, and how many were tried."""

    parameters: dict[str, Any]
    average_precision: float
    trials: int


def sample(data: Dataset, part: Part, names: Sequence[str], most_good: int = _GOOD_IN_FIT) -> Sample:
    """All frauds of a part and at most `most_good` of its good payments, drawn with a fixed seed."""
    good = np.flatnonzero(~part.fraud)
    weight = np.ones(len(part.rows))
    keep = np.arange(len(part.rows))
    if len(good) > most_good:
        drawn = np.random.default_rng(0).choice(good, most_good, replace=False)
        keep = np.sort(np.concatenate([np.flatnonzero(part.fraud), drawn]))
        weight[good] = len(good) / most_good
    rows = part.rows[keep]
    return Sample(data.matrix(rows, names), part.fraud[keep], weight[keep], np.nan_to_num(data.amount[rows]))


def members_for(frauds: int) -> int:
    """How many boosters are averaged: several where few frauds make one of them a matter of luck.

    >>> members_for(500), members_for(4000), members_for(100_000)
    (5, 1, 1)
    """
    return int(np.clip(_FRAUDS_FOR_ONE // (2 * max(frauds, 1)), _FEWEST_MEMBERS, _MOST_MEMBERS))


def fit(learned: Sample, parameters: dict[str, Any], members: int = 1, seed: int = 0) -> list[Any]:
    """LightGBM boosters that differ in their seed only; the same input gives the same trees."""
    import lightgbm as lgb  # noqa: PLC0415 (an optional extra)

    settings = _settings(parameters)
    table = lgb.Dataset(
        learned.inputs, learned.fraud, weight=learned.weight, params=settings, free_raw_data=False
    )
    trees = int(parameters["trees"])
    return [lgb.train(settings | {"seed": seed + member}, table, trees) for member in range(members)]


def log_odds(boosters: Sequence[Any], inputs: NDArray[np.float64]) -> Floats:
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
    seed: int = 0,
) -> Searched:
    """Parameters of the highest mean average precision over prequential folds, until `seconds` are over.

    `tell` hears of the share of the time that is over and of the best so far. The defaults are tried first,
    and at least they are.
    """
    import optuna  # noqa: PLC0415 (an optional extra)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    samples = [
        (sample(data, fold.train, names, _GOOD_IN_SEARCH), sample(data, fold.judge, names, _GOOD_IN_SEARCH))
        for fold in folds
    ]
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=8),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    study.enqueue_trial(DEFAULTS)

    def objective(trial: Any) -> float:
        parameters = _suggest(trial)
        found = []
        for number, (learned, judged) in enumerate(samples):
            found.append(_judge(fit(learned, parameters), judged))
            trial.report(float(np.mean(found)), number)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(found))

    def hear(study: Any, trial: Any) -> None:
        spent = (trial.datetime_complete - study.trials[0].datetime_start).total_seconds()
        tell(min(spent / seconds, 1.0), f"best average precision {study.best_value:.3f}")

    study.optimize(objective, timeout=seconds, callbacks=[hear], catch=())
    return Searched(DEFAULTS | study.best_params, float(study.best_value), len(study.trials))


def _suggest(trial: Any) -> dict[str, Any]:
    return {
        "num_leaves": trial.suggest_int("num_leaves", 4, 127, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.015, 0.2, log=True),
        "trees": trial.suggest_int("trees", 50, 400, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 5, 200, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.2, 1.0),
        "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
        "lambda_l2": trial.suggest_float("lambda_l2", 0.01, 50.0, log=True),
        "path_smooth": trial.suggest_float("path_smooth", 0.0, 20.0),
    }


def _judge(boosters: Sequence[Any], judged: Sample) -> float:
    scores = log_odds(boosters, judged.inputs)
    order = np.argsort(-scores, kind="stable")
    nobody = np.zeros(len(scores), np.int64)
    ranking = Ranking.of(scores, judged.fraud, judged.amount, nobody, nobody)
    return average_precision(ranking, judged.weight[order])


def _settings(parameters: dict[str, Any]) -> dict[str, Any]:
    """LightGBM's names; one seed and one order of work, so that training can be repeated."""
    chosen = {name: value for name, value in parameters.items() if name != "trees"}
    return {
        "objective": "binary",
        "bagging_freq": 1,
        "max_bin": 255,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count() or 1,
        "verbosity": -1,
        **chosen,
    }
