"""From a data set to a model: what was chosen on what, and that ONNX says what the trainer said."""

import json
import re
from itertools import count

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from ringfence.adapters.artifacts import load_scorer, read_folder
from ringfence.errors import InputError
from ringfence.learning.algorithms.boosting import DEFAULTS
from ringfence.learning.algorithms.onnx_graph import run_graph
from ringfence.learning.algorithms.parameter_search import search
from ringfence.learning.artifact import ModelOrigin, artifact_files, write_artifact
from ringfence.learning.data.dataset import dataset
from ringfence.learning.data.history import collect
from ringfence.learning.data.splits import prequential, train_and_test
from ringfence.learning.evaluate import compared, figures
from ringfence.learning.measures.calibrate import calibrated, platt, reliability
from ringfence.learning.report import report
from ringfence.learning.train import Plan, train
from ringfence.learning.watching.drift import DriftReference, Spread, by_day
from ringfence.scoring.artifacts.manifest import Calibration, digest_of

from .conftest import DAY_MS, SPEC, history, in_batches, world

QUICK = {"search_seconds": 0, "budget_seconds": 3600.0}  # however busy this machine is


def ticking():
    """A stopwatch on which each reading takes a second, however fast this machine is."""
    ticks = count()
    return lambda: float(next(ticks))


@pytest.fixture(scope="module")
def trained(data):
    return train(data, Plan(**QUICK))


def test_nothing_is_learned_that_was_not_known_when_the_test_began(data):
    learned, test = train_and_test(data, None, data.maturity_ms)
    begin = test.start_ms
    assert data.time_ms[learned.rows].max() < begin - data.maturity_ms
    assert (data.fraud_known_ms[learned.rows][learned.fraud] <= begin).all()
    for fold in prequential(data, learned, data.maturity_ms):
        assert data.time_ms[fold.train.rows].max() < fold.judge.start_ms - data.maturity_ms
        assert data.fraud_known_ms[fold.train.rows][fold.train.fraud].max() <= fold.judge.start_ms


@pytest.mark.parametrize("algorithm", ["lightgbm", "logistic", "isolation_forest"])
def test_onnx_and_the_trainer_agree_on_payments_not_learned_from(data, algorithm):
    found = train(data, Plan(algorithm, **QUICK))
    inputs = data.matrix(found.test.rows, found.inputs)
    inputs[::7, 0] = np.nan  # also where training never saw a null
    expected = found.fitted.probability(inputs, found.calibration)
    assert np.abs(run_graph(found.graph, inputs) - expected).max() < 1e-5
    assert len(np.unique(expected)) > 50


def test_a_quick_model_is_one_booster_compared_with_the_rules_and_still_finds_fraud(data):
    quick = train(data, Plan(quick=True))
    measured = figures(data, quick.test, compared(data, quick), quick.plan.costs, rounds=5)
    assert quick.parameters["members"] == 1
    assert "trials" not in quick.parameters
    assert not {"logistic", "isolation_forest"} & set(measured)
    assert measured["model"]["average_precision"].value > 0.4


def test_a_model_beats_the_logistic_regression_and_isolation_trees(data, trained):
    measured = figures(data, trained.test, compared(data, trained), trained.plan.costs, rounds=5)
    precision = {who: one["average_precision"].value for who, one in measured.items()}
    assert precision["model"] > 0.4
    assert precision["model"] > precision["isolation_forest"] + 0.1
    assert precision["model"] > precision["logistic"] - 0.05


def test_probabilities_are_about_as_often_right_as_they_say(data, trained):
    told = trained.probability.sum()
    assert told == pytest.approx(trained.test.fraud.sum(), rel=0.35)


def test_searched_parameters_are_told(data):
    found = train(data, Plan(search_seconds=0.5, budget_seconds=3600.0), stopwatch=ticking())
    assert found.parameters.keys() >= {*DEFAULTS, "trials", "members"}


def test_training_again_gives_the_same_model(data, trained):
    """But for the last digits: what adds them up runs on as many threads as there are."""
    again = train(data, Plan(**QUICK))
    assert again.parameters == trained.parameters
    np.testing.assert_allclose(again.probability, trained.probability, rtol=1e-6)


def test_alerts_per_day_are_bounded(data):
    few = train(data, Plan(max_alerts_per_day=1.0, **QUICK))
    days = len(np.unique(few.later.time_ms // DAY_MS))
    assert 0 < few.chosen.counts[0] + few.chosen.counts[1] <= days


def test_an_input_that_gives_the_label_away_is_named(made):
    data = dataset(collect(in_batches(history(made)), SPEC))
    told = data.inputs.copy()
    told[data.names.index("hour")] = made.fraud
    told[data.names.index("weekday")] = made.fraud | (np.random.default_rng(0).random(len(data)) < 0.004)
    cheat = type(data)(data.names, told, data.time_ms, data.entity, data.fraud_known_ms, data.cleared_ms)
    found = train(cheat, Plan(**QUICK))
    assert any("weekday" in note for note in found.notes if "alone" in note)
    assert any("hour" in note for note in found.notes if "left out, as it is the label" in note)
    assert "hour" not in found.inputs


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 10}, "only . payments"),
        ({"fraud": False}, "0 frauds are known.*isolation_forest"),
        ({"fraud": True}, "all .* are labelled fraud"),
    ],
)
def test_a_history_that_cannot_teach_says_what_it_lacks(change, said):
    poor = world(change.get("size", 3000))
    if "fraud" in change:
        poor.fraud[:] = change["fraud"]
    with pytest.raises(InputError, match=said):
        train(dataset(collect(in_batches(history(poor)), SPEC)), Plan(**QUICK))


def test_inputs_that_say_nothing_are_left_out_and_named(data):
    inputs = data.inputs.copy()
    inputs[0], inputs[1] = np.nan, 4.0
    flat = type(data)(data.names, inputs, data.time_ms, data.entity, data.fraud_known_ms, data.cleared_ms)
    found = train(flat, Plan(**QUICK))
    assert not set(SPEC.names[:2]) & set(found.inputs)
    assert f"left out, always null: {SPEC.names[0]}" in found.notes
    inputs[:] = 1.0
    with pytest.raises(InputError, match="every input is null or constant"):
        train(flat, Plan(**QUICK))


def test_the_artifact_loads_scores_alike_and_holds_its_report(data, trained, tmp_path):
    origin = ModelOrigin("first", "2024-05-01", "ringfence train", SPEC)
    measured = figures(data, trained.test, compared(data, trained), trained.plan.costs, rounds=5)
    page = report(trained, data, origin, compared(data, trained), measured)
    files = artifact_files(trained, data, origin, measured["model"], {}, page)
    digest = write_artifact(tmp_path / "m", files)
    assert digest == digest_of(files["manifest.json"])
    scorer = load_scorer(read_folder(tmp_path / "m"), SPEC)
    inputs = np.ascontiguousarray(data.matrix(trained.test.rows, trained.inputs))
    np.testing.assert_allclose(scorer.score(inputs), trained.probability, atol=1e-5)
    text = page.decode()
    assert "http" not in text.replace("http://www.w3.org", "")
    assert "{{" not in text
    assert text.count('role="img"') == 7
    assert 'style="' not in text  # the dashboard serves it under a policy that drops inline styles
    widths = re.findall(r'<rect width="([0-9.]+)" height="1"/>', text)
    assert widths[0] == "100.0"
    assert len(widths) == min(len(trained.importance), 20)
    with pytest.raises(InputError, match="is there already"):
        write_artifact(tmp_path / "m", files)


def test_a_payment_stream_that_changes_drifts(data, trained):
    names = json.loads(json.dumps(trained.inputs))
    origin = ModelOrigin("first", "2024-05-01", "ringfence train", SPEC)
    files = artifact_files(trained, data, origin, {}, {}, b"")
    reference = DriftReference.from_json(files["reference.json"])
    score = trained.fitted.probability(data.matrix(np.arange(len(data)), names), trained.calibration)
    same = by_day(reference, data, score, 0.5, int(data.time_ms.max()), fewest=50)
    dear = data.inputs.copy()
    dear[data.names.index("amount")] *= 3
    dear[data.names.index("card.count_1d"), ::2] = np.nan
    other = type(data)(data.names, dear, data.time_ms, data.entity, data.fraud_known_ms, data.cleared_ms)
    changed = by_day(reference, other, score, 0.5, 0, fewest=50)
    assert np.median([day.inputs["amount"] for day in same]) < 0.3
    assert np.median([day.inputs["amount"] for day in changed]) > 0.6
    assert all(day.null_shares["card.count_1d"] > 0.4 for day in changed)
    assert all(day.recall is None for day in changed)
    assert any(day.recall is not None for day in same)


def test_platt_never_turns_a_ranking_round():
    x = np.linspace(-3, 3, 400)
    found = platt(x, x < 0)
    assert found.slope > 0
    np.testing.assert_allclose(calibrated(np.array([-800.0, 800.0]), Calibration()), [0, 1], atol=1e-9)


def test_reliability_groups_cover_every_payment():
    p = np.random.default_rng(1).random(1000)
    assert sum(count for _, _, count in reliability(p, p > 0.5)) == 1000


def test_a_search_keeps_to_its_time_and_tries_the_defaults_first(data):
    learned, _ = train_and_test(data, None, data.maturity_ms)
    folds = prequential(data, learned, data.maturity_ms)
    found = search(data, folds[:1], data.names, 0.5, lambda *_: None, stopwatch=ticking())
    assert found.trials == 1
    assert {**found.parameters, "trees": 0} == {**DEFAULTS, "trees": 0}
    assert 0 < found.parameters["trees"] <= 900  # as many as the later window asks for


def test_a_value_that_single_precision_rounds_stays_in_its_bin():
    """7/10 is an edge, and rounds to less: in double precision it would lie beyond it."""
    exact = np.repeat([0.1, 0.7, 0.9, 1 / 3], 500)
    for kept in (exact.astype(np.float32), exact):
        assert Spread.of(kept).index(exact) == 0
        assert Spread.of(kept).index(exact.astype(np.float32)) == 0


def test_a_search_keeps_the_boosters_that_were_best_on_their_windows(data):
    learned, _ = train_and_test(data, None, data.maturity_ms)
    folds = prequential(data, learned, data.maturity_ms)[-2:]
    found = search(data, folds, data.names, 0.5, lambda *_: None, stopwatch=ticking())
    worths = []
    for booster, fold in zip(found.boosters, folds, strict=True):
        told, fraud = booster.predict(data.matrix(fold.judge.rows, data.names)), fold.judge.fraud
        worths.append(average_precision_score(fraud, told) + roc_auc_score(fraud, told))
    assert np.mean(worths) == pytest.approx(found.worth, abs=1e-3)


def test_where_frauds_are_many_the_windows_of_the_search_calibrate_the_model():
    made = world(size=12_000)
    large = made.cents > np.quantile(made.cents, 0.75)
    made.fraud |= large & (np.random.default_rng(1).random(len(large)) < 0.75)
    data = dataset(collect(in_batches(history(made)), SPEC))
    found = train(data, Plan(search_seconds=0.5, budget_seconds=3600.0), stopwatch=ticking())
    learned, _ = train_and_test(data, None, data.maturity_ms)
    newest = prequential(data, learned, data.maturity_ms)[-1].judge
    assert newest.fraud.sum() < 500 <= found.later.fraud.sum()
    assert found.probability.mean() == pytest.approx(found.test.fraud.mean(), rel=0.15)
    assert (found.parameters["trials"], found.parameters["members"]) == (1, 5)
