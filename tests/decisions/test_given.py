"""Decisions of another host: what is taken for one, and how many become a batch."""

import json

import msgspec
import pytest

from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.given import given, given_of, read_given
from ringfence.decisions.written import json_of

GOOD = {
    "offset": 3,
    "transaction_id": "p1",
    "event_time_ms": 5,
    "decided_at_ms": 7,
    "outcome": "decline",
    "score": 1.0,
    "probability": 0.5,
    "model": "m",
    "challengers": {"c": None},
    "factors": [{"input": "amount", "weight": 0.5}],
    "control": False,
    "reasons": ["R"],
    "rules": ["r"],
    "shadow_rules": [],
    "typologies": {"mule": 3.0},
    "degraded": [],
    "latency_us": 9,
    "features": {"f": None, "g": 2.0},
    "versions": {"features": "a", "rules": "b"},
}


def line(**changed):
    return json.dumps(GOOD | changed).encode()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"versions": {}}, "versions lacks features, rules"),
        ({"versions": {"features": "a"}}, "versions lacks rules"),
        ({"features": {"outcome": 1.0}}, "a feature has the name of a field: outcome"),
        ({"features": {"transaction_id": 1.0}}, "a feature has the name of a field: transaction_id"),
        ({"features": {"offset": 1.0}}, "a feature has the name of a field: offset"),
        ({"transaction_id": ""}, "transaction_id is empty"),
        ({"decided_at_ms": 1 << 60}, "out of range"),
        ({"latency_us": -1}, "out of range"),
        ({"reasons": ["x" * (1 << 18)]}, "at most 262,144 are allowed"),
    ],
)
def test_a_decision_of_which_no_row_can_be_made_is_refused(changed, said):
    with pytest.raises(msgspec.ValidationError, match=said):
        read_given(line(**changed))


def test_decisions_of_a_batch_have_the_places_of_this_log_and_all_else_from_the_other_host():
    own = DecisionBatch(given_of([line(transaction_id="p2"), line()]))
    made = given(own, given_of([line(), line(transaction_id="p2", model=None, outcome="approve")]))
    second = GOOD | {"transaction_id": "p2", "model": None, "outcome": "approve"}
    at_home = {"offset": 0, "event_time_ms": 0}
    assert [json.loads(one) for one in json_of(made)] == [second | at_home, GOOD | at_home]
    assert DecisionBatch.decode(made.encode()).versions == GOOD["versions"]


def test_decisions_that_name_other_features_or_challengers_are_of_another_kin():
    pairs = [({"": 1.0, "a": 1.0}, {}), ({}, {"a": 1.0, "": 1.0})]
    kins = {
        read_given(line(challengers=challengers, features=features)).kin for challengers, features in pairs
    }
    assert len(kins) == 2
