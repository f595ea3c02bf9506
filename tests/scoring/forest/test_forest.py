import numpy as np
import pytest

from ringfence.errors import ScorerError
from ringfence.scoring.forest import Forest

from .grown import grown, rows, shapley, summed


@pytest.mark.parametrize("leaves", [1, 2, 31, 64, 90])
def test_a_row_gets_the_sum_of_its_leaves(leaves):
    forest = grown(trees=7, width=4, leaves=leaves, seed=leaves)
    inputs = rows(150, 4, seed=1)
    assert Forest(forest, 4).sums(inputs).tolist() == [summed(forest, row) for row in inputs]


@pytest.mark.parametrize("count", [0, 1, 16, 17, 63, 64, 65, 130])
def test_a_score_does_not_depend_on_the_batch(count):
    forest = Forest(grown(trees=20, width=5, leaves=31, seed=3), 5)
    inputs = rows(130, 5, seed=2)
    assert forest.sums(inputs[:count]).tolist() == forest.sums(inputs)[:count].tolist()


def test_infinite_values_are_compared_like_others():
    forest = grown(trees=5, width=2, leaves=20, seed=5)
    inputs = np.array([[np.inf, -np.inf], [-np.inf, np.inf]] * 20)
    assert Forest(forest, 2).sums(inputs).tolist() == [summed(forest, row) for row in inputs]


@pytest.mark.parametrize("seed", range(6))
def test_contributions_are_the_shapley_values_by_their_definition(seed):
    forest = grown(trees=4, width=5, leaves=24, seed=seed)
    inputs = rows(6, 5, seed=seed)
    few, many = (Forest(forest, 5).contributions(np.tile(inputs, (times, 1)))[:6] for times in (1, 6))
    expected = [shapley(forest, row) for row in inputs]
    assert np.allclose(few, expected, rtol=0, atol=1e-12)
    assert np.allclose(many, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [1, 12, 13, 31, 32, 33, 45, 127, 128, 150])
def test_contributions_do_not_depend_on_the_batch(count):
    """Row by row, side by side and in two threads: the same bits."""
    forest = Forest(grown(trees=12, width=4, leaves=31, seed=3), 4)
    inputs = rows(150, 4, seed=2)
    alone = [forest.contributions(inputs[row : row + 1])[0].tolist() for row in range(count)]
    assert forest.contributions(inputs[:count]).tolist() == alone


def test_contributions_and_the_mean_add_up_to_the_sum():
    forest = Forest(grown(trees=50, width=12, leaves=64, seed=9), 12)
    inputs = rows(40, 12, seed=4)
    assert np.allclose(forest.contributions(inputs).sum(axis=1), forest.sums(inputs), rtol=0, atol=1e-10)


def test_a_tree_of_one_leaf_owes_nothing_to_any_input():
    forest = Forest(grown(trees=3, width=2, leaves=1, seed=0), 2)
    assert forest.contributions(rows(2, 2, seed=0))[:, :2].tolist() == [[0, 0], [0, 0]]


def broken(**arrays):
    return grown(trees=2, width=3, leaves=5, seed=1) | arrays


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"root": np.zeros(2, np.int32)}, "no trees"),
        ({"root": np.zeros(0, np.int32)}, "no trees"),
        ({"threshold": np.zeros(3)}, "no trees"),
        ({"feature": np.zeros(3)}, "feature of the forest is not of int32"),
        ({"more": np.zeros(3)}, "arrays"),
    ],
)
def test_what_is_no_forest_is_refused(arrays, words):
    with pytest.raises(ScorerError, match=words):
        Forest(broken(**arrays), 3)


def test_an_input_that_is_not_there_is_refused():
    forest = grown(trees=2, width=3, leaves=5, seed=1)
    with pytest.raises(ScorerError, match="no trees over 1 inputs"):
        Forest(forest, 1)


def test_a_leaf_without_a_number_and_a_node_that_nobody_met_are_refused():
    for name, value in (("value", np.nan), ("cover", 0.0)):
        forest = grown(trees=2, width=3, leaves=5, seed=1)
        forest[name][forest["feature"] < 0] = value
        with pytest.raises(ScorerError):
            Forest(forest, 3)


def test_a_circle_of_nodes_is_refused():
    """Two inner nodes, each the other's child, with the leaves that keep every node somebody's child."""
    forest = {
        "root": np.array([0], np.int32),
        "feature": np.array([-1, 0, 0, -1, -1], np.int32),
        "threshold": np.zeros(5),
        "left": np.array([-1, 2, 1, -1, -1], np.int32),
        "right": np.array([-1, 3, 4, -1, -1], np.int32),
        "default_left": np.zeros(5, np.uint8),
        "value": np.zeros(5),
        "cover": np.ones(5),
    }
    with pytest.raises(ScorerError, match="belong to no tree"):
        Forest(forest, 1)
