"""One outcome and one score from many verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from ringfence.decisions.policy import Cause, Weights
from ringfence.features.spec import FeatureSpec
from ringfence.scoring.rulesets.rules import Policy, Rule, RuleSet, Verdicts, compile_rules


def rule(rule_id, outcome=None, points=0.0, mode="active"):
    return Rule(
        id=rule_id, title="", when="true", outcome=outcome, points=points, reason="R", analyst="", mode=mode
    )


@pytest.fixture
def apply():
    """apply(rules, fired ids, policy fields, causes): (outcome, score) of one transaction."""

    def run(rules, fired, causes=(), **policy):
        compiled = compile_rules(RuleSet(rules=tuple(rules), policy=Policy(**policy)), FeatureSpec((), ()))
        active = np.array([[r.id in fired] for r in compiled.active])
        judgement = Weights(compiled).apply(Verdicts(active, np.zeros((0, 1), bool)), causes)
        return ["approve", "challenge", "review", "decline"][judgement.outcome[0]], judgement.score[0]

    return run


RULES = [
    rule("a", "challenge", 10),
    rule("b", "review"),
    rule("c", "decline", 70),
    rule("p", None, 40),
    rule("ok", "approve"),
]


def test_the_strictest_outcome_of_the_fired_rules_wins(apply):
    assert apply(RULES, {"a", "b"})[0] == "review"
    assert apply(RULES, {"a", "c", "b"})[0] == "decline"
    assert apply(RULES, set()) == ("approve", 0)


def test_points_add_up_between_0_and_100(apply):
    assert apply(RULES, {"a", "p"})[1] == 50
    assert apply(RULES, {"a", "p", "c"})[1] == 100
    assert apply([rule("m", None, -30)], {"m"})[1] == 0


def test_fractions_of_points_add_up_one_by_one_however_many_payments_there_are():
    """A library's product of matrices adds in an order that depends on its size and on the processor."""
    numbers = np.random.default_rng(3)
    points = numbers.uniform(0, 2, 40).round(3).tolist()
    compiled = compile_rules(
        RuleSet(rules=tuple(rule(f"r{n}", None, p) for n, p in enumerate(points))), FeatureSpec((), ())
    )
    for count in (1, 2, 7, 64, 300):
        fired = numbers.random((40, count)) < 0.7
        score = Weights(compiled).apply(Verdicts(fired, np.zeros((0, count), bool))).score
        for payment in range(count):
            total = 0.0
            for value, hit in zip(points, fired[:, payment], strict=True):
                total += value if hit else 0.0
            assert score[payment] == total


def test_a_score_from_its_threshold_on_asks_for_an_outcome(apply):
    assert apply(RULES, {"p"}, review_at=40)[0] == "review"
    assert apply(RULES, {"p"}, review_at=41)[0] == "approve"
    assert apply(RULES, {"c"}, review_at=40)[0] == "decline"  # a threshold never softens


def test_an_allow_rule_overrules_up_to_what_the_policy_declares(apply):
    assert apply(RULES, {"b", "ok"})[0] == "review"
    assert apply(RULES, {"b", "ok"}, allow_overrules="review")[0] == "approve"
    assert apply(RULES, {"c", "ok"}, allow_overrules="review")[0] == "decline"
    assert apply(RULES, {"c", "ok"}, allow_overrules="decline")[0] == "approve"


def test_a_skipped_part_holds_the_payment_only_when_the_rule_set_fails_closed(apply):
    skipped = [Cause("skipped: model", None, skipped=True)]
    assert apply(RULES, set(), skipped)[0] == "approve"
    assert apply(RULES, set(), skipped, on_failure="closed")[0] == "review"
    assert apply(RULES, {"c"}, skipped, on_failure="closed")[0] == "decline"
    assert apply(RULES, {"ok"}, skipped, on_failure="closed", allow_overrules="decline")[0] == "review"
    assert apply(RULES, set(), [Cause("late_event")], on_failure="closed")[0] == "approve"


def asking_the_model(rule_id="m", outcome="decline", on_failure=None):
    return Rule(
        id=rule_id,
        title="",
        when="model.probability > 0.9",
        outcome=outcome,
        reason="R",
        analyst="",
        on_failure=on_failure,
    )


def test_a_rule_that_fails_closed_asks_for_its_outcome_without_the_part_that_it_speaks_of(apply):
    lost, other = [Cause("model", None, skipped=True)], [Cause("graph", None, skipped=True)]
    assert apply([asking_the_model(on_failure="closed")], set(), lost)[0] == "decline"
    assert apply([asking_the_model(on_failure="closed")], set(), other)[0] == "approve"
    assert apply([asking_the_model()], set(), lost)[0] == "approve"


def test_a_policy_that_fails_closed_is_excused_where_every_rule_that_speaks_of_the_part_is_open(apply):
    lost = [Cause("model", None, skipped=True)]
    assert apply([asking_the_model()], set(), lost, on_failure="closed")[0] == "review"
    assert apply([asking_the_model(on_failure="open")], set(), lost, on_failure="closed")[0] == "approve"
    both = [asking_the_model("a", on_failure="open"), asking_the_model("b")]
    assert apply(both, set(), lost, on_failure="closed")[0] == "review"
