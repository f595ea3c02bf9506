"""Decisions in columns: the stored layout, their encoding, and one of them in words."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.decisions.decide import DecisionMaker
from ringfence.decisions.decision import DecisionBatch, Factor, number_columns
from ringfence.decisions.fields import Cells
from ringfence.decisions.policy import Cause
from ringfence.decisions.verdict import verdict
from ringfence.decisions.written import json_of
from ringfence.errors import CorruptError
from ringfence.events.batch import EventBatch
from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.artifacts.manifest import Bands, ReasonText
from ringfence.scoring.columns import Columns
from ringfence.scoring.reference import Reference
from ringfence.scoring.rulesets.rules import Rule, RuleSet, compile_rules

SPEC = FeatureSpec.of(entity("card").count("1h"), entity("card").speed_kmh())
RULES = RuleSet(
    rules=(
        Rule(
            id="large",
            title="",
            when="amount > 100",
            outcome="review",
            points=30,
            reason="AMOUNT",
            analyst="Large.",
        ),
        Rule(
            id="fast",
            title="",
            when="card.speed_kmh > 900",
            outcome="decline",
            points=50,
            reason="SPEED",
            analyst="{card.speed_kmh} km/h after {card.count_1h} payments; {other}",
            customer="Was it you?",
        ),
        Rule(id="huge", title="", when="amount > 1000", outcome="decline", reason="AMOUNT", analyst="Huge."),
        Rule(id="trial", title="", when="true", outcome="decline", reason="T", analyst="", mode="shadow"),
        Rule(id="asleep", title="", when="true", outcome="decline", reason="T", analyst="", mode="paused"),
    )
)


@pytest.fixture
def decided():
    def decide(amounts, speeds, causes=()):
        n = len(amounts)
        table = {
            "kind": pa.array([0] * n, pa.uint8()),
            "event_time_ms": pa.array(range(n), pa.int64()),
            "transaction_id": [f"t{i}" for i in range(n)],
            "amount_minor": pa.array([a * 100 for a in amounts], pa.int64()),
        }
        features = np.array([np.ones(n), speeds])
        columns = Columns(EventBatch(pa.record_batch(table)), SPEC, features, Reference(0))
        rules = compile_rules(RULES, SPEC)
        offsets = np.arange(100, 100 + n)
        decider = DecisionMaker(rules, versions={"graph": "abc"})
        return decider.decide(columns, rules.judge(columns), offsets, 7, causes=causes, latency_us=3)

    return decide


def test_the_stored_layout_is_exactly_this(decided):
    table = decided([50], [1.0]).table
    assert [(field.name, str(field.type)) for field in table.schema] == [
        ("offset", "int64"),
        ("transaction_id", "string"),
        ("event_time_ms", "int64"),
        ("decided_at_ms", "int64"),
        ("outcome", "dictionary<values=string, indices=int8, ordered=0>"),
        ("score", "double"),
        ("probability", "double"),
        ("model", "dictionary<values=string, indices=int8, ordered=0>"),
        ("challengers", "list<item: double>"),
        ("factors", "list<item: string>"),
        ("factor_weights", "list<item: double>"),
        ("control", "bool"),
        *((name, "list<item: string>") for name in ("reasons", "rules", "shadow_rules", "typologies")),
        ("typology_scores", "list<item: double>"),
        ("degraded", "list<item: string>"),
        ("latency_us", "int64"),
        ("card.count_1h", "double"),
        ("card.speed_kmh", "double"),
    ]
    metadata = table.schema.metadata
    assert metadata[b"features"].decode() == SPEC.digest
    assert metadata[b"rules"].decode() == RULES.digest
    assert metadata[b"feature_names"] == b'["card.count_1h", "card.speed_kmh"]'


def test_a_decision_names_fired_rules_strictest_first_and_each_reason_once(decided):
    batch = decided([50, 200, 2000, 10], [0.0, np.nan, 1000.0, 5.0])
    batch.table.validate(full=True)
    decisions = list(batch)
    assert [d.outcome for d in decisions] == ["approve", "review", "decline", "approve"]
    assert [d.rules for d in decisions] == [[], ["large"], ["fast", "huge", "large"], []]
    assert [d.reasons for d in decisions] == [[], ["AMOUNT"], ["SPEED", "AMOUNT"], []]
    assert [d.score for d in decisions] == [0, 30, 80, 0]
    assert [d.shadow_rules for d in decisions] == [["trial"]] * 4
    assert decisions[1].features == {"card.count_1h": 1.0, "card.speed_kmh": None}
    assert decisions[2].offset == 102
    assert decisions[2].transaction_id == "t2"
    assert decisions[0].versions == {"features": SPEC.digest, "rules": RULES.digest, "graph": "abc"}
    assert decisions[0].probability is None
    assert batch.outcomes.tolist() == [0, 2, 3, 0]


def test_degraded_causes_are_those_of_the_row(decided):
    causes = [Cause("late_event", np.array([False, True])), Cause("skipped: model", skipped=True)]
    assert [d.degraded for d in decided([1, 1], [1.0, 1.0], causes)] == [
        ["skipped: model"],
        ["late_event", "skipped: model"],
    ]


def test_a_reason_is_told_to_analyst_and_customer_in_their_own_words(decided):
    [decision] = decided([10], [1234.5])
    [reason] = decision.explain(RULES)
    assert reason.analyst == "1,234.5 km/h after 1 payments; {other}"
    assert reason.customer == "Was it you?"


def test_a_models_reason_stands_alone_as_a_sentence_and_is_part_of_the_verdict(decided):
    made = next(iter(decided([2000], [1.0])))
    said = msgspec.structs.replace(
        made, reasons=["MODEL_AMOUNT"], rules=[], probability=0.5, factors=[Factor("amount", 1.0)]
    )
    texts = {"amount": ReasonText("MODEL_AMOUNT", "an amount that raises the risk", "")}
    assert [why.analyst for why in said.explain(RULES, texts)] == ["An amount that raises the risk."]
    assert verdict(said, None, None, texts).why.startswith("Declined by the model: 50 % fraud probability")
    bands = Bands(decline_at=0.2)
    assert "mainly an amount that raises the risk." in verdict(said, None, bands, texts).why


def test_a_verdict_has_the_values_that_its_first_rule_saw(decided):
    fast, large = decided([10, 500], [1234.5, 1.0])
    assert verdict(fast, RULES).why == ("Declined by rule “” (fast). 1,234.5 km/h after 1 payments; {other}.")
    assert verdict(large, RULES).why == "Reviewed by rule “” (large)."  # its text has no value


@pytest.mark.parametrize("count", [0, 1, 63, 500])
def test_encoded_decisions_come_back_equal(decided, count):
    batch = decided([50] * count, [np.nan] * count)
    assert DecisionBatch.decode(batch.encode()).table.equals(batch.table, check_metadata=True)


def test_decisions_are_written_as_json_column_by_column_as_one_by_one(decided):
    causes = [Cause("late_event", np.array([False, True, False]))]
    for batch in (decided([5, 2000, 150], [np.nan, 1000.5, -0.0], causes), decided([], [])):
        assert json_of(batch) == [msgspec.json.encode(one) for one in batch]
        assert json_of(DecisionBatch.decode(batch.encode())) == json_of(batch)


def test_a_damaged_payload_is_a_clear_error(decided):
    payload = decided([50], [1.0]).encode()
    for broken in (b"", payload[:100], payload[: len(payload) // 2]):
        with pytest.raises(CorruptError):
            DecisionBatch.decode(broken)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5), st.integers(0, 20), st.randoms(use_true_random=False))
def test_list_columns_hold_the_labels_of_the_true_cells_in_order(labels, count, random):
    matrix = np.array([[random.random() < 0.4 for _ in range(count)] for _ in range(labels)], bool).reshape(
        labels, count
    )
    names = [f"l{i}" for i in range(labels)]
    column = Cells.of(matrix).lists(names)
    assert column.values() == [[names[i] for i in range(labels) if matrix[i, j]] for j in range(count)]


def test_number_columns_hold_null_for_nan():
    matrix = np.array([[1.0, np.nan, 3.0], [4.0, 5.0, 6.0]])
    columns = number_columns(matrix)
    assert [column.to_pylist() for column in columns] == [[1.0, None, 3.0], [4.0, 5.0, 6.0]]
    assert [column.null_count for column in columns] == [1, 0]
