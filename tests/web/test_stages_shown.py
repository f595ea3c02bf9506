"""The stages that the System page lists."""

import duckdb
import pytest

from ringfence.web.pages.policy.rule import Stood, _compare, statement
from ringfence.web.vitals import STAGES


def test_two_stages_with_one_verb_are_one_row():
    assert len(STAGES) == len(set(STAGES))
    assert STAGES.index("measure") < STAGES.index("score")


def test_a_rule_that_matched_nothing_in_shadow_is_predicted_to_match_nothing():
    stages = [
        {"stage": "shadow", "share": 1.0, "payments": 0, "decided": 400, "fraud": 0},
        {"stage": "active", "share": 1.0, "payments": 3, "decided": 200, "fraud": 1},
    ]
    _compare(stages)
    assert [one["predicted"] for one in stages] == [None, 0.0]


def test_a_rollout_that_grew_has_a_row_for_each_share():
    """
    payments    1 ·· 4     5 ·· 8      9 ·· 12
                shadow     10 %        half of the customers       each second one matches
    """
    lake, versions = duckdb.connect(), ("a", "b", "c")
    lake.sql("CREATE TABLE known_labels (transaction_id TEXT, is_fraud BOOLEAN)")
    lake.sql(
        """CREATE TABLE decisions AS SELECT range AS "offset", 't' || range AS transaction_id,
        TIMESTAMP '2025-01-01' + to_hours(range::INT) AS event_time, 'review' AS outcome,
        ['a', 'b', 'c'][1 + range // 4] AS rules_digest, if(range % 2 = 0, ['r'], []) AS rules,
        []::TEXT[] AS shadow_rules FROM range(12)"""
    )
    lake.sql(
        "CREATE TABLE transactions AS SELECT \"offset\", 9.0 AS amount, 'EUR' AS currency FROM decisions"
    )
    stood = [Stood(*one) for one in zip(versions, ("shadow", "tenth", "tenth"), (1.0, 0.1, 0.5), strict=True)]
    rows = lake.sql(statement("stages", "r", stood)).to_arrow_table().to_pylist()
    _compare(rows)
    assert [(row["share"], row["decided"], row["payments"]) for row in rows] == [
        (1.0, 4, 2),
        (0.1, 4, 2),
        (0.5, 4, 2),
    ]
    assert [row["predicted"] for row in rows] == [None, 0.2, 1.0]


def test_matches_of_a_share_in_shadow_stand_for_as_many_more():
    """A file written by hand may give a rule in shadow a share: it then matches within that share only."""
    stages = [
        {"stage": "shadow", "share": 0.5, "payments": 20, "decided": 400, "fraud": 0},
        {"stage": "shadow", "share": 1.0, "payments": 10, "decided": 100, "fraud": 0},
        {"stage": "tenth", "share": 0.1, "payments": 3, "decided": 1000, "fraud": 1},
    ]
    _compare(stages)
    assert [one["predicted"] for one in stages] == [None, None, pytest.approx(10)]
