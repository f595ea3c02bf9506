"""Measures against scikit-learn and against what can be counted by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from ringfence.learning.measures.metrics import (
    Ranking,
    auc,
    average_precision,
    card_precision,
    measure_all,
    recall_at,
    value_detected_at,
)
from ringfence.learning.measures.money import (
    alerts_only,
    choose_bands,
    expected_cost,
    outcome_costs,
    outcomes_of,
)
from ringfence.scoring.artifacts.manifest import Bands, Costs

DAY_MS = 86_400_000


def ranking(score, fraud, amount=None, entity=None, time_ms=None):
    size = len(score)
    return Ranking.of(
        np.array(score, float),
        np.array(fraud, bool),
        np.ones(size) if amount is None else np.array(amount, float),
        np.arange(size) if entity is None else np.array(entity),
        np.zeros(size, np.int64) if time_ms is None else np.array(time_ms),
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.integers(0, 3)), min_size=2, max_size=60))
def test_areas_equal_scikit_learns_with_ties_and_weights(rows):
    score, fraud, weight = (np.array(column) for column in zip(*rows, strict=True))
    kept = weight > 0
    if len(set(fraud[kept])) < 2:
        return
    one = ranking(score, fraud)
    order = np.argsort(-score, kind="stable")
    for ours, theirs in ((auc, roc_auc_score), (average_precision, average_precision_score)):
        expected = theirs(fraud[kept], score[kept], sample_weight=weight[kept])
        assert ours(one, weight[order].astype(float)) == pytest.approx(expected)


def test_recall_counts_the_frauds_above_the_allowed_false_positives():
    one = ranking([9, 8, 7, 6, 5], [True, False, True, False, True])
    assert recall_at(0.0)(one, one.ones) == pytest.approx(1 / 3)
    assert recall_at(0.5)(one, one.ones) == pytest.approx(2 / 3)


def test_value_detected_is_money_and_not_heads():
    one = ranking([9, 8, 7, 6], [True, False, True, False], amount=[1, 5, 9, 5])
    assert value_detected_at(0.5)(one, one.ones) == pytest.approx(0.1)


def test_a_card_found_on_one_day_does_not_count_on_the_next():
    """
    day 0   card 1 !  card 2     best two: 1, 2   -> 1 of 2
    day 1   card 1 !  card 3 !   1 is known: 3    -> 1 of 2
    """
    one = ranking(
        [0.9, 0.8, 0.9, 0.5],
        [True, False, True, True],
        entity=[1, 2, 1, 3],
        time_ms=[0, 0, DAY_MS, DAY_MS],
    )
    assert card_precision(one, 2).tolist() == [0.5, 0.5]


def test_intervals_hold_the_value_and_one_class_has_no_area():
    rng = np.random.default_rng(0)
    fraud = rng.random(500) < 0.1
    found = measure_all(ranking(fraud + rng.normal(size=500), fraud))
    area = found["auc"]
    assert area.low < area.value < area.high
    assert measure_all(ranking([1, 2], [False, False]))["auc"].value is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.integers(1, 90)), min_size=1, max_size=9),
    st.one_of(st.none(), st.integers(0, 6)),
)
def test_bands_cost_no_more_than_any_other_borders(rows, most):
    """Against every way to cut the ranking into declined, reviewed, challenged and approved."""
    score, fraud, amount = zip(*rows, strict=True)
    one = ranking(np.array(score) / 7, fraud, amount)
    costs = Costs(review=5, insult=20, challenge=2)
    limit = np.inf if most is None else most
    chosen = choose_bands(one, costs, limit)
    each = outcome_costs(one, costs)
    ends = [0, *(one.ends + 1).tolist()]
    best = min(
        each[3, :a].sum() + each[2, a:b].sum() + each[1, b:c].sum() + each[0, c:].sum()
        for a in ends
        for b in ends
        for c in ends
        if a <= b <= c and b <= limit
    )
    assert chosen.cost == pytest.approx(best)
    outcome = outcomes_of(one.score, chosen.bands)
    assert (outcome >= 2).sum() <= limit
    assert each[outcome, np.arange(len(one))].sum() == pytest.approx(best)


def test_expected_cost_is_the_mean_over_payments():
    one = ranking([0.9, 0.1], [True, True], amount=[100, 40])
    assert expected_cost(Bands(review_at=0.5), Costs(review=5))(one, one.ones) == pytest.approx(22.5)


def test_without_labels_the_most_unusual_are_reviewed():
    one = ranking(np.arange(1000) / 1000, [False] * 1000)
    assert (outcomes_of(one.score, alerts_only(one).bands) == 2).sum() == 5
