"""The stages that the System page lists."""

from ringfence.web.pages.policy.rule import _compare
from ringfence.web.vitals import STAGES


def test_two_stages_with_one_verb_are_one_row():
    assert len(STAGES) == len(set(STAGES))
    assert STAGES.index("measure") < STAGES.index("score")


def test_a_rule_that_matched_nothing_in_shadow_is_predicted_to_match_nothing():
    stages = [
        {"stage": "shadow", "payments": 0, "decided": 400, "fraud": 0},
        {"stage": "active", "payments": 3, "decided": 200, "fraud": 1},
    ]
    _compare(stages, {"shadow": 1.0, "active": 1.0})
    assert [one["predicted"] for one in stages] == [None, 0.0]
