"""Gradient-boosted trees: fits, bounded in time, and fits that are watched on a later window.

Frauds are rare. None is drawn twice and none is invented: all frauds are kept, good payments are thinned only
where there are very many, each that stays standing for its lot, so that probabilities stay probabilities.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.learning.algorithms.worked_seconds import Worked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ringfence.learning.data.dataset import Dataset
    from ringfence.learning.data.splits import Part
    from ringfence.learning.measures.metrics import Floats

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
_FEWEST_TREES, MOST_TREES = 100, 900
_LEAVES: Final = ((10_000, 127), (5_000, 63))  # from so many frauds on
_PATIENCE: Final = 40  # trees without a better later window, after which a fit has had enough
_FASTEST: Final = 0.2  # learning rate of a fit that has little time

_BINS: Final = {"max_bin": 255, "feature_pre_filter": False, "verbosity": -1}
GOOD_IN_FIT: Final = 400_000
GOOD_IN_QUICK_FIT: Final = 15_000
_GOOD_PER_FRAUD: Final = 20
_LEAST_GOOD_IN_FIT: Final = 100_000
USUAL_SECONDS: Final = 240.0
"""What a training is given where nobody says more: `good_for`."""

_FRAUDS_FOR_ONE: Final = 5_000
_FEWEST_MEMBERS, MOST_MEMBERS = 1, 5
PROBE: Final = 8
"""Trees that tell how fast they grow: no fit has fewer."""


@dataclass(frozen=True)
class Sample:
    """Rows to learn from or to be judged on: inputs (n, k), fraud, and how many payments each stands for."""

    inputs: NDArray[np.float32]
    fraud: NDArray[np.bool_]
    weight: Floats
    amount: Floats


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
    trees = int(np.clip(frauds // _FRAUDS_PER_TREE, _FEWEST_TREES, MOST_TREES))
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
    each = seconds_a_tree(table, parameters, seed, stopwatch)
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
    trees = int(np.clip(seconds / max(each, 1e-9), min(PROBE, wanted), wanted))
    if trees == wanted:
        return parameters, ""
    faster = hurried(rate, wanted / trees)
    said = f"{trees} trees at a learning rate of {faster:.2g} in place of {wanted} at {rate:.2g}"
    return parameters | {"trees": trees, "learning_rate": faster}, said


def hurried(rate: float, times: float) -> float:
    """The learning rate of so many times fewer trees, as far as they still learn at such a rate.

    >>> hurried(0.05, 2.0), hurried(0.05, 10.0), hurried(0.3, 2.0)
    (0.1, 0.2, 0.3)
    """
    return min(rate * times, max(_FASTEST, rate))


def seconds_a_tree(
    table: Any, parameters: dict[str, Any], seed: int, stopwatch: Callable[[], float]
) -> float:
    """How long a tree takes to grow on a table (`table_of`), by a few of them."""
    started = stopwatch()
    _grown(table, parameters | {"trees": PROBE}, seed)
    return (stopwatch() - started) / PROBE


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
