"""Gradient-boosted trees: fits, and a search for their parameters on later windows, bounded in time.

Frauds are rare. None is drawn twice and none is invented: all frauds are kept, good payments are thinned only
where there are very many, each that stays standing for its lot, so that probabilities stay probabilities.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.learning.worked import Worked

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
_FEWEST_TREES, _MOST_TREES = 100, 900
_LEAVES: Final = ((10_000, 127), (5_000, 63))  # from so many frauds on
_MORE_THAN_FIRST: Final = 3  # times the trees of `defaults_for` that a search has to have time for
_PATIENCE: Final = 40  # trees without a better later window, after which a fit has had enough
_FASTEST: Final = 0.2  # learning rate of a fit that has little time

_BINS: Final = {"max_bin": 255, "feature_pre_filter": False, "verbosity": -1}
_GOOD_IN_SEARCH: Final = 60_000
GOOD_IN_FIT: Final = 400_000
GOOD_IN_QUICK_FIT: Final = 15_000
_GOOD_PER_FRAUD, _GOOD_PER_FRAUD_IN_SEARCH = 20, 8
_LEAST_GOOD_IN_FIT: Final = 100_000
USUAL_SECONDS: Final = 240.0
"""What a training is given where nobody says more: `good_for`."""

_FRAUDS_FOR_ONE: Final = 5_000
_FEWEST_MEMBERS, MOST_MEMBERS = 1, 5
_PROBE: Final = 8  # trees that tell how fast they grow


@dataclass(frozen=True)
class Sample:
    """Rows to learn from or to be judged on: inputs (n, k), fraud, and how many payments each stands for."""

    inputs: NDArray[np.float32]
    fraud: NDArray[np.bool_]
    weight: Floats
    amount: Floats


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
    """Where a search begins: the more frauds there are to learn from, the more trees, and the larger.

    >>> defaults_for(600)["trees"], defaults_for(4000)["trees"], defaults_for(100_000)["trees"]
    (100, 200, 900)
    >>> defaults_for(600)["num_leaves"], defaults_for(20_000)["num_leaves"]
    (31, 127)
    """
    leaves = next((many for least, many in _LEAVES if frauds >= least), DEFAULTS["num_leaves"])
    trees = int(np.clip(frauds // _FRAUDS_PER_TREE, _FEWEST_TREES, _MOST_TREES))
    return DEFAULTS | {"num_leaves": leaves, "trees": trees}


def members_for(frauds: int) -> int:
    """How many boosters are averaged at least: few frauds make one of them a matter of luck.

    >>> members_for(500), members_for(4000), members_for(100_000)
    (5, 1, 1)
    """
    return int(np.clip(_FRAUDS_FOR_ONE // (2 * max(frauds, 1)), _FEWEST_MEMBERS, MOST_MEMBERS))


def good_for(frauds: int, seconds: float) -> int:
    """How many good payments a fit learns from, by how many frauds there are and how long it may take.

    >>> good_for(600, 240), good_for(8_000, 240), good_for(8_000, 900)
    (100000, 160000, 400000)
    """
    wanted = _GOOD_PER_FRAUD * frauds * max(seconds / USUAL_SECONDS, 1.0)
    return int(np.clip(wanted, _LEAST_GOOD_IN_FIT, GOOD_IN_FIT))


def good_in_search(seconds: float, frauds: int = 0) -> int:
    """How many good payments of a window a search of so long looks at; all its frauds, always.

    Beside many frauds a few good payments are learned by heart, and fewer trees seem enough than are.

    >>> good_in_search(45), good_in_search(450), good_in_search(3600), good_in_search(45, 15_000)
    (60000, 197368, 400000, 120000)
    """
    usual = 0.19 * USUAL_SECONDS
    wanted = max(_GOOD_IN_SEARCH * seconds / (3 * usual), _GOOD_PER_FRAUD_IN_SEARCH * frauds)
    return int(np.clip(wanted, _GOOD_IN_SEARCH, GOOD_IN_FIT))


@dataclass(frozen=True)
class Grown:
    """Boosters of one fit, the parameters that there was time for, and what there was none for, in words."""

    boosters: list[Any]
    parameters: dict[str, Any]
    said: str = ""


def fit(learned: Sample, parameters: dict[str, Any], members: int = 1, seed: int = 0) -> list[Any]:
    """LightGBM boosters that differ in their seed only; the same input gives the same trees."""
    table = table_of(learned)
    return [_grown(table, parameters, seed + member) for member in range(members)]


def fit_within(
    learned: Sample,
    parameters: dict[str, Any],
    members: tuple[int, int],
    seed: int,
    seconds: float,
    stopwatch: Callable[[], float] | None = None,
) -> Grown:
    """Boosters within about so many seconds: fewer and faster learning trees where they are few.

    `members` are the fewest and the most to average; more than the fewest only while there is time.
    """
    stopwatch = stopwatch or Worked()
    begin, table = stopwatch(), table_of(learned)
    started = stopwatch()
    _grown(table, parameters | {"trees": _PROBE}, seed)
    each = (stopwatch() - started) / _PROBE
    chosen, said = planned(parameters, (seconds - (stopwatch() - begin)) / members[0], each)
    grown: list[Any] = []
    while len(grown) < members[1]:
        started = stopwatch()
        grown.append(_grown(table, chosen, seed + len(grown)))
        took = stopwatch() - started
        if len(grown) >= members[0] and stopwatch() - begin + took > seconds:
            break
    return Grown(grown, chosen, said)


def planned(parameters: dict[str, Any], seconds: float, each: float) -> tuple[dict[str, Any], str]:
    """Parameters whose trees take no longer than this if one takes `each`, and what that changed.

    >>> planned({"trees": 900, "learning_rate": 0.05}, 45.0, 0.1)
    ({'trees': 450, 'learning_rate': 0.1}, '450 trees at a learning rate of 0.1 in place of 900 at 0.05')
    """
    wanted, rate = int(parameters["trees"]), float(parameters["learning_rate"])
    trees = int(np.clip(seconds / max(each, 1e-9), min(_PROBE, wanted), wanted))
    if trees == wanted:
        return parameters, ""
    faster = min(rate * wanted / trees, max(_FASTEST, rate))
    said = f"{trees} trees at a learning rate of {faster:.2g} in place of {wanted} at {rate:.2g}"
    return parameters | {"trees": trees, "learning_rate": faster}, said


def table_of(learned: Sample) -> Any:
    """The inputs in bins, for LightGBM, to be grown on more than once."""
    return _lightgbm().Dataset(learned.inputs, learned.fraud, weight=learned.weight, params=_BINS).construct()


def _lightgbm() -> Any:
    """The library, whose threads are to sleep while they wait for each other.

    They spin otherwise, which took ten times the processor time on cores that are busy with something else,
    decisions for one. Its OpenMP reads the variable once, when it is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import lightgbm  # noqa: PLC0415 (an optional extra)

    return lightgbm


def _grown(table: Any, parameters: dict[str, Any], seed: int) -> Any:
    settings = _settings(parameters) | {"seed": seed}
    return _lightgbm().train(settings, table, int(parameters["trees"]))


@dataclass(slots=True)
class OnWindow:
    """A fit that is watched on a later window: its worth there, and after how many trees it was best.

    Worth is average precision plus AUC: precision alone looks at the first alerts only, and chooses trees
    that remember single frauds and order everything further down by noise.
    """

    worth: float = -1.0
    precision: float = 0.0
    trees: int = 0
    booster: Any = None


def watched(
    learned: Any,
    later: Sample,
    parameters: dict[str, Any],
    seed: int,
    after_tree: Callable[[], None] = lambda: None,
) -> OnWindow:
    """Grow trees on a table (`table_of`) for as long as they get better on a later window."""
    library, found = _lightgbm(), OnWindow()

    def look(env: Any) -> None:
        after_tree()
        measured = {name: value for _, name, value, *_ in env.evaluation_result_list}
        worth = measured["average_precision"] + measured["auc"]
        if worth > found.worth:
            found.worth, found.trees = worth, env.iteration + 1
            found.precision = measured["average_precision"]
        elif env.iteration + 1 - found.trees >= _PATIENCE:
            raise library.callback.EarlyStopException(found.trees - 1, env.evaluation_result_list)

    window = library.Dataset(later.inputs, later.fraud, weight=later.weight, reference=learned, params=_BINS)
    settings = _settings(parameters) | {"seed": seed, "metric": ["average_precision", "auc"]}
    trees = int(parameters["trees"])
    found.booster = library.train(settings, learned, trees, valid_sets=[window], callbacks=[look])
    found.booster.best_iteration = found.trees
    return found


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
    stopwatch: Callable[[], float] | None = None,
) -> Searched:
    """Parameters of the highest mean worth over prequential folds, until `seconds` are over.

    How many trees a trial grows is told by the later windows: as many as make it better. Where there is no
    time for so many they learn faster, and what is found is told for the slower ones. `tell` hears of the
    share of the time that is over and of the best so far. The defaults are tried first, and at least they
    are; a trial that is not done in time counts for nothing.
    """
    import optuna  # noqa: PLC0415 (an optional extra)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    frauds = max(int(fold.train.fraud.sum()) for fold in folds)
    most, first = good_in_search(seconds, frauds), defaults_for(frauds)
    stopwatch = stopwatch or Worked()
    begin = stopwatch()
    tables = [table_of(sample(data, fold.train, names, most)) for fold in folds]
    judged = [sample(data, fold.judge, names, most) for fold in folds]
    good = max(int((~one.fraud).sum()) for fold in folds for one in (fold.train, fold.judge))
    started = stopwatch()
    _grown(tables[-1], first | {"trees": _PROBE}, seed)
    expected = min(_MORE_THAN_FIRST * first["trees"], _MOST_TREES) * (stopwatch() - started) / _PROBE
    hurry = max(expected * len(folds) / max(seconds - (stopwatch() - begin), seconds / 2), 1.0)
    best: dict[str, Any] = {"worth": -1.0}
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=8),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    study.enqueue_trial({name: first[name] for name in DEFAULTS if name != "trees"})

    def objective(trial: Any) -> float:
        def in_time() -> None:
            if trial.number and stopwatch() - begin > seconds:
                raise optuna.TrialPruned

        parameters = _suggest(trial, int(first["num_leaves"])) | {"trees": _MOST_TREES}
        rate = parameters["learning_rate"]
        quick = parameters | {"learning_rate": min(rate * hurry, max(_FASTEST, rate))}
        found = []
        for number, (table, later) in enumerate(zip(tables, judged, strict=True)):
            found.append(watched(table, later, quick, seed, in_time))
            trial.report(float(np.mean([one.worth for one in found])), number)
            if trial.should_prune():
                raise optuna.TrialPruned
        trees = round(float(np.mean([one.trees for one in found])) * quick["learning_rate"] / rate)
        trial.set_user_attr("trees", int(np.clip(trees, _PROBE, _MOST_TREES)))
        worth = float(np.mean([one.worth for one in found]))
        if worth > best["worth"]:
            best.update(worth=worth, boosters=tuple(one.booster for one in found))
        return worth

    def hear(study: Any, _trial: Any) -> None:
        spent = stopwatch() - begin
        tell(min(spent / seconds, 1.0), f"best precision + AUC {study.best_value:.3f}")
        if spent > seconds:
            study.stop()

    study.optimize(objective, callbacks=[hear])
    trees = study.best_trial.user_attrs["trees"]
    done = sum(one.value is not None for one in study.trials)
    thinned = (good, most) if good > most else None
    parameters = DEFAULTS | study.best_params | {"trees": trees}
    return Searched(parameters, float(study.best_value), done, thinned, best["boosters"])


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
