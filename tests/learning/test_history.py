"""A training set is what the engine saw, with labels as they became known."""

import numpy as np
import pyarrow as pa
import pytest

from ringfence.errors import InputError
from ringfence.events.batch import EventBatch
from ringfence.features.engine import Engine
from ringfence.features.links import Graph, uses
from ringfence.learning.data.dataset import dataset
from ringfence.learning.data.history import NEVER, Passed, collect
from ringfence.learning.train import Plan, train
from ringfence.testing.streams import log_of

from .conftest import DAY_MS, SPEC, history, in_batches


def test_inputs_are_the_engines_own_values_whatever_the_batches(made, data):
    log = history(made)
    expected = Engine(SPEC, 0).measure(log).astype(np.float32)
    for size in (100_000, 77):
        found = dataset(collect(in_batches(log, size), SPEC))
        np.testing.assert_array_equal(found.inputs[: len(SPEC.names)], expected)
    np.testing.assert_allclose(data.amount, made.cents / 100, rtol=1e-7)


def test_features_that_a_store_has_are_taken_as_they_were(made):
    log = history(made)
    stored = np.arange(4 * len(made.card), dtype=float).reshape(4, -1)
    found = dataset(collect([Passed(log, stored)], SPEC))
    np.testing.assert_array_equal(found.inputs[:4], stored)


def test_nothing_is_learned_from_ids(made):
    """The number of a ring says which one it was in training, and nothing of a ring to come."""
    linked = SPEC.with_graph(Graph.of(uses("card", "merchant")))
    stored = np.arange(len(linked.names), dtype=float)[:, None].repeat(len(made.card), axis=1)
    found = dataset(collect([Passed(history(made), stored)], linked))
    assert "graph.component_id" in linked.names
    assert "graph.component_id" not in found.names
    at = found.names.index("graph.component_size")
    assert (found.inputs[at] == linked.names.index("graph.component_size")).all()


def test_a_label_is_known_from_its_own_time_on(made, data):
    frauds = made.fraud
    np.testing.assert_array_equal(data.fraud_known_ms[frauds], made.time_ms[frauds] + 3 * DAY_MS)
    assert (data.fraud_known_ms[~frauds] == NEVER).all()
    assert data.maturity_ms == 3 * DAY_MS
    cut_off = int(made.time_ms[3000])
    np.testing.assert_array_equal(data.fraud_at(cut_off), frauds & (made.time_ms + 3 * DAY_MS <= cut_off))


def test_a_label_taken_back_holds_until_then():
    log = log_of(
        [
            {"transaction_id": "a", "event_time_ms": 0, "card_id": "c"},
            {"kind": 1, "transaction_id": "a", "event_time_ms": 10, "label": True},
            {"kind": 1, "transaction_id": "a", "event_time_ms": 20, "label": False},
            {"kind": 1, "transaction_id": "unknown", "event_time_ms": 30, "label": True},
        ]
    )
    found = dataset(collect([Passed(log)], SPEC))
    assert [bool(found.fraud_at(at)[0]) for at in (9, 10, 19, 20)] == [False, True, True, False]
    assert found.unmatched == 1


def test_frequent_words_become_indicators_with_null_unknown():
    words = ["online"] * 6 + ["shop"] * 3 + [None]
    rows = [{"transaction_id": str(n), "event_time_ms": n, "channel": word} for n, word in enumerate(words)]
    found = dataset(collect([Passed(log_of(rows))], SPEC))
    column = found.inputs[found.names.index("channel=online")]
    np.testing.assert_array_equal(column, [1.0] * 6 + [0.0] * 3 + [np.nan])


def test_payments_of_a_known_victim_are_those_after_the_report(made, data):
    card = made.card[np.flatnonzero(made.fraud)[0]]
    own = made.card == card
    since = (made.time_ms + 3 * DAY_MS)[made.fraud & own].min()
    np.testing.assert_array_equal(data.of_known_victim[own], made.time_ms[own] >= since)


def test_nothing_to_learn_from_is_said():
    with pytest.raises(InputError, match="no payments"):
        dataset(collect([], SPEC))


def test_labels_of_unknown_payments_are_counted_and_said_where_nothing_else_can_be_learned(made):
    """As where a prefix was put before the ids of one file and not of the other."""
    log = history(made)
    names = log.column("transaction_id").to_pylist()
    ids = [f"other-{name}" if kind else name for kind, name in zip(log.kind, names, strict=True)]
    place = log.table.schema.get_field_index("transaction_id")
    table = log.table.set_column(place, "transaction_id", pa.array(ids))
    data = dataset(collect([Passed(EventBatch(table))], SPEC))
    assert data.unmatched == made.fraud.sum()
    with pytest.raises(InputError, match="labels name transactions that are not in this history"):
        train(data, Plan(search_seconds=0))
