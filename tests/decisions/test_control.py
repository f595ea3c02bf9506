"""A few would-be declines are let through, always the same ones."""

import numpy as np
import pyarrow as pa
import pytest

from ringfence.errors import RuleError
from ringfence.events.batch import EventBatch
from ringfence.features.spec import FeatureSpec, entity
from ringfence.pipeline import Pipeline
from ringfence.scoring.rulesets.rules import ControlGroup, Policy, Rule, RuleSet

SPEC = FeatureSpec.of(entity("card").count("1h"))
GROUP = ControlGroup(share=0.1, cap=100)


def decline(rule_id="big", when="amount > 10"):
    return Rule(id=rule_id, title="", when=when, outcome="decline", reason="R", analyst="")


def decided(group, amounts, *rules, seed=1):
    book = RuleSet(rules=rules or (decline(),), policy=Policy(control=group))
    count = len(amounts)
    events = EventBatch(
        pa.record_batch(
            {
                "kind": pa.array([0] * count, pa.uint8()),
                "transaction_id": [f"t{number}" for number in range(count)],
                "event_time_ms": pa.array(range(count), pa.int64()),
                "amount_minor": pa.array([round(100 * amount) for amount in amounts], pa.int64()),
            }
        )
    )
    made = Pipeline(SPEC, book, seed).step(events).decisions
    return made.outcomes, np.asarray(made.table.column("control"))


def test_the_share_of_declines_is_approved_and_marked():
    outcomes, control = decided(GROUP, [50] * 4000)
    assert 320 < control.sum() < 480
    assert (outcomes[control] == 0).all()
    assert (outcomes[~control] == 3).all()


def test_the_same_payments_are_let_through_whenever_it_is_asked():
    assert (decided(GROUP, [50] * 500)[1] == decided(GROUP, [50] * 500)[1]).all()
    other = ControlGroup(share=0.1, cap=100, salt="second draw")
    assert (decided(GROUP, [50] * 500)[1] != decided(other, [50] * 500)[1]).any()


def test_what_is_not_declined_costs_more_than_the_cap_or_is_kept_is_left_alone():
    assert not decided(GROUP, [5] * 500)[1].any()
    assert not decided(GROUP, [100.01] * 500)[1].any()
    never = ControlGroup(share=0.1, cap=100, never=("blocked",))
    assert not decided(never, [50] * 500, decline("blocked"))[1].any()
    assert decided(never, [50] * 500, decline("blocked", "amount > 60"), decline())[1].any()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"share": 0.0, "cap": 1}, "share"),
        ({"share": 0.6, "cap": 1}, "share"),
        ({"share": 0.1, "cap": 0}, "cap"),
    ],
)
def test_a_group_without_sense_is_refused(fields, message):
    with pytest.raises(RuleError, match=message):
        ControlGroup(**fields)


def test_a_group_that_spares_a_rule_which_there_is_not_is_refused():
    with pytest.raises(RuleError, match="no_such"):
        RuleSet(rules=(decline(),), policy=Policy(control=ControlGroup(share=0.1, cap=1, never=("no_such",))))
