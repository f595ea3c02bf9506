"""From a data set to a model: the steps in order.

    split ─► choose inputs ─► search ─► score later windows ─► calibrate ─► set bands ─► fit ─► test

Everything that is chosen is chosen on windows later than what was learned from and earlier than the test
period; the test period is looked at once, at the end.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.errors import InputError
from ringfence.features.durations import in_words
from ringfence.learning.algorithms import boosting
from ringfence.learning.algorithms.learners import Algorithm, BoostedTrees, Boosting, Logistic, Novelty
from ringfence.learning.algorithms.onnx_graph import run_graph
from ringfence.learning.algorithms.parameter_search import search
from ringfence.learning.choosing.input_choice import Choice, choose_inputs
from ringfence.learning.choosing.kept_inputs import lifting
from ringfence.learning.data.splits import check_learnable, part, period_of_test, prequential, train_and_test
from ringfence.learning.measures.calibrate import calibrated, platt, shifted
from ringfence.learning.measures.metrics import DAY_MS, Ranking
from ringfence.learning.measures.money import (
    Caps,
    ChosenBands,
    alerts_only,
    choose_bands,
    limited,
)
from ringfence.learning.notes import each_by_itself, effort, facts
from ringfence.scoring.artifacts.manifest import Calibration, Costs, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.learning.algorithms.learners import Fitted, Learner
    from ringfence.learning.data.dataset import Dataset
    from ringfence.learning.data.splits import Fold, Part
    from ringfence.learning.measures.metrics import Floats

    Tell = Callable[[float, str], None]

AGREEMENT: Final = 1e-5
"""How far ONNX Runtime and the trainer may differ in a probability."""

_CHECKED: Final = 20_000
_EXPLAINED: Final = 2000
_EXPLAINED_QUICK: Final = 200
_FEWEST_BETWEEN: Final = 500  # payments between training and test, to know the level of scores from
_FRAUDS_TO_CALIBRATE: Final = 100
_SHUFFLED: Final = 60_000  # payments that the shuffled copy learns from
_SEARCHED: Final = 0.7  # share of the work that the search is
_FRAUDS_TO_JUDGE: Final = 500  # parameters are chosen on the newest windows with so many
_LIFTING, _SEARCHING, _LATER, _FITTING, _COPYING = 0.2, 0.19, 0.15, 0.41, 0.05  # shares of the budget


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train.

    `maturity_ms` is how long a payment waits for its label, None: as observed. `search_seconds` bounds the
    search for parameters, 0 takes the defaults, None a part of `budget_seconds`, in which the whole training
    is to be done: where they are few, trees are fewer and learn faster. A `quick` one takes the defaults,
    too, learns from few good payments and is compared with the rules alone: seconds instead of minutes, for a
    first look. `offered` are groups of inputs, by what they are called, that are kept if they lift a later
    window.
    """

    algorithm: Algorithm = "lightgbm"
    test_from_ms: int | None = None
    end_ms: int | None = None
    maturity_ms: int | None = None
    search_seconds: float | None = None
    costs: Costs = field(default_factory=Costs)
    max_alerts_per_day: float | None = None
    caps: Caps = field(default_factory=Caps)
    without_known_victims: bool = False
    seed: int = 0
    quick: bool = False
    budget_seconds: float = boosting.USUAL_SECONDS
    offered: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """A model and all that its artifact tells of it.

    Attributes:
        later: payments of the newest windows later than what the scores there had been learned from: bands
            and the slope of the calibration were chosen on them.
        probability: of the test part's payments, in order.
        importance: share of each input in what moves the scores.
        shuffled: raw scores of the same payments by a copy that learned from labels dealt out at random,
            None where labels play no part.
    """

    plan: Plan
    train: Part
    test: Part
    inputs: tuple[str, ...]
    parameters: dict[str, Any]
    fitted: Fitted
    graph: bytes
    calibration: Calibration
    chosen: ChosenBands
    later: Ranking
    probability: Floats
    importance: dict[str, float]
    notes: tuple[str, ...]
    shuffled: Floats | None = None

    @property
    def later_span(self) -> Span:
        """The windows of `later`, for the manifest."""
        times = self.later.time_ms
        start, end = int(times.min(initial=times[0] if len(times) else 0)), int(times.max(initial=0)) + 1
        return Span(start, end, len(times), int(self.later.fraud.sum()))


def start_of_test_ms(data: Dataset, plan: Plan) -> int:
    """When the test period begins: what is chosen before the training may not look further."""
    return period_of_test(data, plan.test_from_ms, _maturity_ms(data, plan), plan.end_ms)[0]


def _maturity_ms(data: Dataset, plan: Plan) -> int:
    if plan.algorithm == "isolation_forest":  # what learns nothing from labels need not wait for them
        return plan.maturity_ms or 0
    observed_ms = data.maturity_ms
    maturity_ms = observed_ms if plan.maturity_ms is None else plan.maturity_ms
    if maturity_ms < observed_ms:
        raise InputError(
            f"--maturity is shorter than reports of fraud take: 95 of 100 come within "
            f"{in_words(observed_ms)}, so that fraud not reported yet would be learned from as good. Leave "
            "--maturity out; where labels are known sooner, say so with --label-delay"
        )
    return maturity_ms


def train(
    data: Dataset,
    plan: Plan,
    tell: Tell = lambda _share, _remark: None,
    stopwatch: Callable[[], float] | None = None,
) -> Trained:
    """Train by plan; `tell` hears of the share done and a remark. `InputError` where data cannot teach.

    `stopwatch` gives the seconds that search and fits count, by default as of `Worked`.
    """
    supervised = plan.algorithm != "isolation_forest"
    maturity_ms = _maturity_ms(data, plan)
    known_only = plan.without_known_victims
    learned, test = train_and_test(
        data,
        plan.test_from_ms,
        maturity_ms,
        plan.end_ms,
        without_known_victims=known_only,
        supervised=supervised,
    )
    check_learnable(learned, data, supervised=supervised)
    choice = choose_inputs(data, learned)
    folds = prequential(data, learned, maturity_ms) if supervised else []
    if folds and plan.offered and plan.algorithm == "lightgbm" and not plan.quick:
        tell(0.0, "trying groups of inputs on a later window")
        kept = lifting(data, folds[-1], choice.names, plan.offered, _LIFTING * plan.budget_seconds, plan.seed)
        choice = Choice(kept.names, (*choice.notes, *kept.notes))
    learner = _learner(data, learned, plan, choice, folds, tell, stopwatch)
    tell(_SEARCHED, "scoring later windows")
    rows, raw, fraud = _later(data, folds, learner, choice.names)
    calibration = platt(raw, fraud) if len(rows) else Calibration()
    later = ranked(data, rows, fraud, calibrated(raw, calibration))
    tell(0.8, "fitting on all that was known")
    learner = _sharing(learner, _FITTING + (_LATER if _watched(learner) else 0))
    fitted = learner.fit(data, learned)
    waiting = part(
        data,
        learned.end_ms,
        test.start_ms,
        learned.cut_off_ms,
        without_known_victims=known_only,
        labelled=False,
    )
    between = data.scored(fitted.raw, waiting.rows, choice.names)
    if folds and len(between) >= _FEWEST_BETWEEN:
        judged = np.concatenate([fold.judge.fraud for fold in folds])
        calibration = shifted(calibration, between, float(judged.mean()))
    graph = fitted.graph(calibration)
    probability = data.scored(lambda inputs: fitted.probability(inputs, calibration), test.rows, choice.names)
    check_agreement(graph, data.matrix(test.rows[:_CHECKED], choice.names), probability[:_CHECKED])
    if not len(rows):
        later = ranked(data, test.rows, test.fraud, probability)
    recent = later.score
    if len(between) >= _FEWEST_BETWEEN:
        recent = calibrated(between, calibration) if supervised else between
    tell(0.9, "learning from shuffled labels, for comparison")
    shuffled = (
        _shuffled(data, learned, _sharing(learner, _COPYING, 1), test, choice.names) if supervised else None
    )
    explained = _EXPLAINED_QUICK if plan.quick else _EXPLAINED
    few = test.rows[np.random.default_rng(0).permutation(len(test.rows))[:explained]]
    sample = data.matrix(few, choice.names)
    chosen = _bands(later, plan, recent, supervised=supervised)
    tested = ranked(data, test.rows, test.fraud, probability)
    tell(1.0, "done")
    return Trained(
        plan,
        learned,
        test,
        choice.names,
        learner.parameters,
        fitted,
        graph,
        calibration,
        chosen,
        later,
        probability,
        _shares(choice.names, fitted.weights(sample)) if len(sample) else {},
        (
            *facts(data, learned, maturity_ms, folds, supervised=supervised),
            *choice.notes,
            *effort(learner, plan.budget_seconds, quick=plan.quick),
            *chosen.notes,
            *(each_by_itself(tested, chosen, plan.costs) if supervised and len(tested) else []),
        ),
        shuffled,
    )


def ranked(data: Dataset, rows: NDArray[np.int64], fraud: NDArray[np.bool_], probability: Floats) -> Ranking:
    """Some payments of a data set by falling probability."""
    return Ranking.of(probability, fraud, data.amount[rows], data.entity[rows], data.time_ms[rows])


def check_agreement(graph: bytes, inputs: NDArray[np.float64], probability: Floats) -> None:
    """`InputError` if ONNX Runtime gives other probabilities than the trainer."""
    if not len(inputs):
        return
    difference = float(np.abs(run_graph(graph, inputs) - probability).max())
    if not difference <= AGREEMENT:
        raise InputError(
            f"the ONNX model and the trainer differ by {difference:.2g} in a probability: nothing was "
            "written. Train again with fewer or differently scaled inputs, and report this"
        )


def _learner(
    data: Dataset,
    learned: Part,
    plan: Plan,
    choice: Choice,
    folds: Sequence[Fold],
    tell: Tell,
    stopwatch: Callable[[], float] | None,
) -> Learner:
    if plan.algorithm == "logistic":
        return Logistic(choice.names)
    if plan.algorithm == "isolation_forest":
        return Novelty(choice.names, plan.seed)
    parameters = boosting.defaults_for(int(learned.fraud.sum()))
    thinned, watched = None, ()
    seconds = _SEARCHING * plan.budget_seconds if plan.search_seconds is None else plan.search_seconds
    if folds and seconds > 0 and not plan.quick:
        found = search(
            data,
            newest(folds, _FRAUDS_TO_JUDGE),
            choice.names,
            seconds,
            lambda share, said: tell(_SEARCHED * share, said),
            seed=plan.seed,
            stopwatch=stopwatch,
        )
        parameters = found.parameters | {"trials": found.trials}
        thinned = found.thinned
        if boosting.members_for(int(learned.fraud.sum())) == 1:
            watched = found.boosters
    return Boosting(
        choice.names,
        parameters,
        plan.seed,
        plan.quick,
        seconds=plan.budget_seconds,
        thinned=thinned,
        watched=watched,
        stopwatch=stopwatch,
    )


def _sharing(learner: Learner, share: float, members: int | None = None) -> Learner:
    """A copy that takes so much of the time for each fit, and averages so many boosters at most."""
    if not isinstance(learner, Boosting):
        return learner
    return replace(learner, share=share, most_members=members)


def _watched(learner: Learner) -> tuple[Any, ...]:
    """The boosters that the search has kept, one a window; none where the later windows need fits."""
    return learner.watched if isinstance(learner, Boosting) else ()


def _later(
    data: Dataset, folds: Sequence[Fold], learner: Learner, names: Sequence[str]
) -> tuple[NDArray[np.int64], Floats, NDArray[np.bool_]]:
    """Rows of the newest later windows, the raw scores that their pasts give them, and which were fraud.

    Where the search has kept its boosters, they score the windows, and nothing is fitted again.
    """
    rows, raw, fraud = [np.empty(0, np.int64)], [np.empty(0)], [np.empty(0, np.bool_)]
    fits: Iterable[Fitted]
    if boosters := _watched(learner):
        folds = newest(folds, _FRAUDS_TO_JUDGE)
        fits = [BoostedTrees([one], len(names)) for one in boosters]
    else:
        folds, sharing = newest(folds), _sharing(learner, _LATER)
        fits = (sharing.fit(data, fold.train) for fold in folds)
    for fold, fitted in zip(folds, fits, strict=True):
        rows.append(fold.judge.rows)
        raw.append(data.scored(fitted.raw, fold.judge.rows, names))
        fraud.append(fold.judge.fraud)
    return np.concatenate(rows), np.concatenate(raw), np.concatenate(fraud)


def newest(folds: Sequence[Fold], enough: int = _FRAUDS_TO_CALIBRATE) -> Sequence[Fold]:
    """The last folds with enough frauds to calibrate on: early ones learned from far less than the model."""
    frauds = 0
    for number in range(len(folds) - 1, -1, -1):
        frauds += int(folds[number].judge.fraud.sum())
        if frauds >= enough:
            return folds[number:]
    return folds


def _shuffled(data: Dataset, learned: Part, learner: Learner, test: Part, names: Sequence[str]) -> Floats:
    """Raw scores of the test part by a copy that learned from the same labels, dealt out at random."""
    rng = np.random.default_rng(0)
    good = rng.permutation(np.flatnonzero(~learned.fraud))[:_SHUFFLED]
    keep = np.sort(np.concatenate([np.flatnonzero(learned.fraud), good]))
    copied = replace(learned, rows=learned.rows[keep], fraud=rng.permutation(learned.fraud[keep]))
    return data.scored(copy(learner).fit(data, copied).raw, test.rows, names)


def _bands(later: Ranking, plan: Plan, recent: Floats, *, supervised: bool) -> ChosenBands:
    days = max(len(np.unique(later.time_ms // DAY_MS)), 1)
    most = np.inf if plan.max_alerts_per_day is None else plan.max_alerts_per_day * days
    if supervised:
        return limited(choose_bands(later, plan.costs, most), plan.caps, later, recent, plan.costs)
    return alerts_only(later, most)


def _shares(names: Sequence[str], weights: Floats) -> dict[str, float]:
    total = max(float(weights.sum()), 1e-300)
    order = np.argsort(-weights, kind="stable")
    return {names[at]: float(weights[at] / total) for at in order}
