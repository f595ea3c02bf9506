"""What a rule may say beside its condition: parameters, when it holds, and for whom."""

from __future__ import annotations

import numpy as np
import pytest

from ringfence.errors import RuleError
from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.columns import Columns
from ringfence.scoring.language.expression import read
from ringfence.scoring.reference import Reference
from ringfence.scoring.rulesets.books import dump_book, load_book
from ringfence.scoring.rulesets.rules import Rollout, Rule, RuleSet, compile_rules, lists_of, names_of

from .conftest import make_events, make_rule

SPEC = FeatureSpec.of(entity("card").count("1h"), entity("card").sum("amount", "1d"))
DAY_MS = 86_400_000


def fired(rule, *rows, seed=0, zone="UTC", **extra):
    compiled = compile_rules(RuleSet(rules=(rule,), zone=zone), SPEC)
    columns = Columns(make_events(*rows), SPEC, np.zeros((2, len(rows))), Reference(seed), zone)
    for name, values in extra.items():
        columns.add(name.replace("__", "."), np.array(values, float))
    return compiled.judge(columns).active[0].tolist()


def test_a_parameter_stands_for_its_value():
    rule = make_rule("amount > param.limit and country = param.home", parameters={"limit": 10, "home": "DE"})
    rows = [{"amount_minor": 1500, "country": c} for c in ("DE", "FR")]
    assert fired(rule, *rows) == [True, False]
    assert fired(make_rule("lat > param.low", parameters={"low": -2.5}), {"lat": -1.0}) == [True]


def test_a_parameter_in_a_list_of_values_and_a_range():
    rule = make_rule(
        "amount in (param.a, param.b) or lat between param.a and param.b", parameters={"a": 5, "b": 7}
    )
    assert fired(rule, {"amount_minor": 700}, {"lat": 6.0}, {"lat": 8.0}) == [True, True, False]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "there is no parameter 'limit'"),
        ({"limits": 3}, "did you mean limits"),
        ({"limit": "ten"}, "number and text do not go together"),
    ],
)
def test_a_parameter_that_is_missing_or_of_another_type_is_pointed_at(parameters, message):
    with pytest.raises(RuleError, match=message) as caught:
        compile_rules(RuleSet(rules=(make_rule("amount > param.limit", parameters=parameters),)), SPEC)
    assert "column 10" in str(caught.value)


def test_a_rule_holds_for_event_times_from_its_first_to_before_its_last():
    rule = make_rule("true", valid_from="1970-01-02", valid_to="1970-01-03T01:00:00+01:00")
    times = [DAY_MS - 1, DAY_MS, 2 * DAY_MS - 1, 2 * DAY_MS]
    assert fired(rule, *({"event_time_ms": t} for t in times)) == [False, True, True, False]
    assert fired(make_rule("true", valid_to="1970-01-02"), *({"event_time_ms": t} for t in times)) == [
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"valid_from": "tomorrow"}, "'tomorrow' is no time"),
        ({"valid_to": "2024-13-01"}, "is no time"),
        ({"valid_from": "2024-05-02", "valid_to": "2024-05-01"}, "before it begins"),
    ],
)
def test_a_validity_without_sense_is_refused(fields, message):
    with pytest.raises(RuleError, match=message):
        RuleSet(rules=(make_rule("true", **fields),))


def test_a_rollout_holds_for_its_share_of_entities_always_the_same_ones():
    rows = [{"customer_id": f"u{n // 2}"} for n in range(8000)]
    tenth = make_rule("true", rollout=Rollout(share=0.1))
    found = fired(tenth, *rows)
    assert 600 < sum(found) < 1000
    assert found[::2] == found[1::2]
    assert fired(tenth, *rows) == found
    other = make_rule("true", rule_id="other", rollout=Rollout(share=0.1))
    assert fired(other, *rows) != found
    wider = fired(make_rule("true", rollout=Rollout(share=0.3)), *rows)
    assert all(b for a, b in zip(found, wider, strict=True) if a)  # who was in stays in


def test_who_has_no_id_is_in_no_rollout():
    rule = make_rule("true", rollout=Rollout(share=0.99, by="device"))
    assert fired(rule, *({"customer_id": f"u{n}"} for n in range(50))) == [False] * 50


@pytest.mark.parametrize(("share", "by"), [(0, "customer"), (1, "customer"), (0.5, "shoe")])
def test_a_rollout_without_sense_is_refused(share, by):
    with pytest.raises(RuleError):
        Rollout(share=share, by=by)


BOOK = """
rules:
  - id: r
    title: R
    when: amount > param.limit
    points: 5
    reason: R
    analyst: R.
    parameters: {limit: 100}
    valid_from: 2024-05-01
    valid_to: 2024-06-01T12:00:00+02:00
    rollout: {share: 0.25, by: card}
    on_failure: closed
policy:
  control: {share: 0.01, cap: 50, never: [r]}
"""


def test_a_book_with_all_of_it_is_read_and_written_without_loss():
    book = load_book(BOOK)
    rule = book.rules[0]
    assert rule.parameters == {"limit": 100}
    assert rule.validity == (1_714_521_600_000, 1_717_236_000_000)
    assert rule.rollout == Rollout(share=0.25, by="card")
    assert rule.on_failure == "closed"
    assert book.policy.control.cap == 50
    assert load_book(dump_book(book)) == book
    assert RuleSet.from_json(book.to_json()) == book


def test_a_rule_without_these_fields_keeps_the_digest_that_it_had():
    plain = Rule(id="r", title="", when="true", points=1, reason="R", analyst="")
    text = RuleSet(rules=(plain,)).to_json()
    assert [name for name in ("parameters", "valid_from", "rollout", "typologies") if name in text] == []


def test_the_models_answer_is_a_name_and_unknown_without_one():
    rule = make_rule("model.probability >= 0.5 or model.score between 20 and 30")
    assert fired(rule, {}, {}) == [False, False]
    found = fired(rule, {}, {}, {}, model__probability=[0.5, 0.1, np.nan], model__score=[50, 25, np.nan])
    assert found == [True, True, False]


@pytest.mark.parametrize(
    ("part", "expected"),
    [("hour", 1), ("minute", 30), ("isodow", 2), ("dow", 2), ("day", 2), ("month", 7), ("year", 2024)],
)
def test_parts_of_the_time_are_those_of_the_zone(part, expected):
    """23:30 UTC on Monday 2024-07-01 is 01:30 on Tuesday in Berlin."""
    row = {"event_time_ms": 1_719_876_600_000}
    rule = make_rule(f"extract({part} from event_time at time zone 'Europe/Berlin') = {expected}")
    assert fired(rule, row) == [True]
    own = make_rule(f"extract({part} from event_time) = {expected}")
    assert fired(own, row, zone="Europe/Berlin") == [True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extract(hour from event_time at time zone 'Mars') = 1", "'Mars' is no time zone"),
        ("extract(hour from event_time at time zone country) = 1", "takes a literal"),
        ("extract(epoch from event_time) = 1", "EXTRACT takes year"),
        ("extract(hour from amount) = 1", "a part of event_time"),
        ("extract(hour from event_time)", "a condition is needed"),
        ("event_time at time zone 'UTC' = 1", "not part of the rule language"),
    ],
)
def test_other_uses_of_extract_are_refused(text, message):
    with pytest.raises(RuleError, match=message):
        compile_rules(RuleSet(rules=(make_rule(text),)), SPEC)


def test_what_a_rule_speaks_of_is_known():
    rule = make_rule("Amount > 3 and card.count_1h > 1 and card_id in list 'stolen' or country = 'stolen'")
    names = compile_rules(RuleSet(rules=(rule,)), SPEC).names
    assert names_of(rule, names) == {"amount", "card.count_1h", "card_id", "country"}
    assert lists_of(rule) == {"stolen"}
    assert read("amount > param.x", {"x": 1}).tree.sql() == "amount > 1"
