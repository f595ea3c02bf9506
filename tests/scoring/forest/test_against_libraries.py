"""What LightGBM and the shap library say of a trained forest."""

import lightgbm
import numpy as np
import pytest
import shap

from ringfence.learning.algorithms.forest import forest_of_boosters
from ringfence.scoring.forest import Forest

RNG = np.random.default_rng(4)
INPUTS = RNG.normal(size=(4000, 9))
INPUTS[RNG.random(INPUTS.shape) < 0.15] = np.nan
INPUTS[:, 8] = RNG.integers(0, 3, 4000)  # never unknown in training
KNOWN = np.nan_to_num(INPUTS)
FRAUD = KNOWN[:, 0] * KNOWN[:, 1] + KNOWN[:, 2] - KNOWN[:, 8] + RNG.normal(size=4000) > 1.5
HELD_OUT = np.vstack([INPUTS[:200], np.where(RNG.random((200, 9)) < 0.3, np.nan, RNG.normal(size=(200, 9)))])


@pytest.fixture(scope="module", params=[4, 31, 90])
def booster(request):
    more = {"min_data_in_leaf": 5, "bagging_fraction": 0.6, "bagging_freq": 1, "is_unbalance": True}
    return trained(60, num_leaves=request.param, **more)


def trained(trees, **more):
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": 1}
    return lightgbm.train(settings | more, lightgbm.Dataset(INPUTS, FRAUD), trees)


def test_sums_are_those_of_lightgbm(booster):
    forest = Forest(forest_of_boosters([booster]).arrays(), 9)
    assert np.abs(forest.sums(HELD_OUT) - booster.predict(HELD_OUT, raw_score=True)).max() < 1e-12


def test_contributions_are_those_of_lightgbm(booster):
    forest = Forest(forest_of_boosters([booster]).arrays(), 9)
    theirs = booster.predict(HELD_OUT, pred_contrib=True)
    assert np.abs(forest.contributions(HELD_OUT) - theirs).max() < 1e-9


def as_shap_reads_it(arrays):
    """The trees in the shap library's own form, so that its own algorithm explains them, not LightGBM's."""
    ends = np.append(arrays["root"][1:], len(arrays["feature"]))
    trees = []
    for begin, end in zip(arrays["root"], ends, strict=True):
        part = {name: array[begin:end] for name, array in arrays.items() if name != "root"}
        left, right = (np.where(part["feature"] < 0, -1, part[side] - begin) for side in ("left", "right"))
        trees.append(
            {
                "children_left": left,
                "children_right": right,
                "children_default": np.where(part["default_left"] != 0, left, right),
                "features": part["feature"],
                "thresholds": part["threshold"],
                "values": part["value"].reshape(-1, 1),
                "node_sample_weight": part["cover"].astype(np.float64),
            }
        )
    types = {"internal_dtype": np.float64, "input_dtype": np.float64}
    return types | {"trees": trees, "objective": "binary_crossentropy", "tree_output": "log_odds"}


def test_contributions_are_those_of_the_shap_library(booster):
    arrays = forest_of_boosters([booster]).arrays()
    forest = Forest(arrays, 9)
    explainer = shap.TreeExplainer(as_shap_reads_it(arrays), feature_perturbation="tree_path_dependent")
    theirs = explainer.shap_values(HELD_OUT, check_additivity=False)
    found = forest.contributions(HELD_OUT)
    assert np.abs(found[:, :-1] - theirs).max() < 1e-9
    assert found[0, -1] == pytest.approx(float(np.ravel(explainer.expected_value)[0]), abs=1e-9)


def test_the_mean_of_several_boosters_is_one_forest(booster):
    other = trained(20, num_leaves=7)
    forest = Forest(forest_of_boosters([booster, other]).arrays(), 9)
    mean = np.mean([one.predict(HELD_OUT, pred_contrib=True) for one in (booster, other)], axis=0)
    assert np.abs(forest.contributions(HELD_OUT) - mean).max() < 1e-9


def test_a_booster_that_learned_nothing_is_a_forest_of_lone_leaves():
    booster = trained(3, min_data_in_leaf=4000)
    forest = Forest(forest_of_boosters([booster]).arrays(), 9)
    assert np.allclose(forest.sums(HELD_OUT), booster.predict(HELD_OUT, raw_score=True))
    assert not forest.contributions(HELD_OUT)[:, :-1].any()
