"""Each shipped typology: a simulated case that it must find, one that it must leave alone."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ringfence.errors import RuleError
from ringfence.events.batch import EventBatch
from ringfence.events.model import EVENT_SCHEMA, Kind
from ringfence.features.catalog import CATALOG, NETWORK
from ringfence.pipeline import Pipeline
from ringfence.scoring.rulesets.books import default_book, dump_book, load_book
from ringfence.scoring.rulesets.rules import RuleSet, Signal, Typology, compile_rules
from ringfence.scoring.rulesets.typologies import SHIPPED, shipped_typology

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START = 1_700_000_000_000
BOOK = RuleSet(rules=(), typologies=tuple(map(shipped_typology, SHIPPED)))


def pay(at, amount, **fields):
    return {
        "kind": Kind.TRANSACTION,
        "event_time_ms": START + at,
        "amount_minor": round(amount * 100),
        "currency": "EUR",
        **fields,
    }


def say(kind, at=0, **fields):
    return {"kind": kind, "event_time_ms": START + at, **fields}


def daily(days, amount, **fields):
    return [pay(day * DAY, amount + day % 3, **fields) for day in range(days)]


def last_decision(story, book=BOOK, spec=NETWORK):
    rows = [{"transaction_id": f"t{number}", **row} for number, row in enumerate(story)]
    columns = {f.name: pa.array([row.get(f.name) for row in rows], f.type) for f in EVENT_SCHEMA}
    columns["attributes.credit_limit"] = pa.array(
        [row.get("attributes.credit_limit") for row in rows], pa.float64()
    )
    return list(Pipeline(spec, book, seed=1).step(EventBatch(pa.record_batch(columns))).decisions)[-1]


OWN = {"customer_id": "u", "card_id": "c", "device_id": "mine", "country": "DE"}
HOME = {"lat": 52.5, "lon": 13.4, "country": "DE", "channel": "store"}
AWAY = {"lat": 35.7, "lon": 139.7, "country": "JP", "channel": "store"}
MOVED = say(
    Kind.FLAG, 9 * DAY, entity_type="customer", entity_id="u", effective_at_ms=START + 8 * DAY
)  # a new phone number


def move(at, payer, payee, amount=900, **fields):
    return pay(at, amount, account_id=payer, counterparty_id=payee, **fields)


FOUND = {
    "mule_pass_through": [
        *(move(i * MINUTE, f"victim{i}", "mule", 400) for i in range(4)),
        move(HOUR, "mule", "abroad", 1500),
    ],
    "shared_ring": [
        *(pay(i * MINUTE, 30, account_id=f"r{i}", phone="+4915") for i in range(5)),
        say(Kind.LABEL, HOUR, transaction_id="t2", label=True),
        pay(2 * HOUR, 600, account_id="r4", phone="+4915"),
    ],
    "layering": [
        *(move(i * MINUTE, "source", f"m{i}", 300) for i in range(3)),
        *(move(HOUR + i * MINUTE, f"m{i}", "target", 295) for i in range(3)),
    ],
    "card_testing": [
        *(pay(i * MINUTE, 1, card_id="c", device_id="d") for i in range(6)),
        pay(7 * MINUTE, 400, card_id="c", device_id="d"),
    ],
    "account_takeover": [*daily(8, 20, **OWN), MOVED, pay(9 * DAY, 900, **OWN | {"device_id": "other"})],
    "new_device_spree": [
        *daily(8, 20, **OWN),
        *(pay(9 * DAY + i * 10 * MINUTE, 90, **OWN | {"device_id": "other"}) for i in range(3)),
    ],
    "impossible_travel": [pay(0, 20, card_id="c", **HOME), pay(HOUR, 150, card_id="c", **AWAY)],
    "mule_fan_in": [pay(i * HOUR, 600, account_id=f"victim{i}", counterparty_id="mule") for i in range(6)],
    "mule_fan_out": [
        pay(i * 3 * MINUTE, 1_200, account_id="mule", counterparty_id=f"next{i}") for i in range(5)
    ],
    "bust_out": [
        say(Kind.PROFILE, 0, entity_type="customer", entity_id="u", **{"attributes.credit_limit": 3000.0}),
        *daily(28, 20, merchant_id="usual", **OWN),
        *(
            pay(29 * DAY + i * HOUR, 900, merchant_id=f"m{i}", merchant_category="electronics", **OWN)
            for i in range(5)
        ),
    ],
    "merchant_collusion": [
        *(pay(day * DAY, 20, merchant_id="m", card_id=f"x{day}") for day in range(5)),
        *(pay(6 * DAY + i * MINUTE, 100, merchant_id="m", card_id=f"c{i % 3}") for i in range(14)),
        pay(6 * DAY + HOUR // 2, 500, merchant_id="m", card_id="c0"),
    ],
    "structuring": [pay(i * HOUR, 9_500, account_id="a", counterparty_id=f"p{i}") for i in range(3)],
}
LEFT_ALONE = {
    "mule_pass_through": [  # a salary, then the rent
        move(0, "employer", "me", 2500),
        move(2 * HOUR, "me", "landlord", 900),
    ],
    "shared_ring": [pay(i * MINUTE, 600, account_id=f"f{i}", phone="+4916") for i in range(3)],  # a family
    "layering": [  # friends who share a bill
        *(move(i * MINUTE, f"friend{i}", "host", 20) for i in range(3)),
        move(HOUR, "host", "restaurant", 60),
    ],
    "card_testing": [pay(i * HOUR, 2, card_id="c", device_id="d") for i in range(8)],  # coffee, all day
    "account_takeover": [*daily(8, 20, **OWN), pay(9 * DAY, 24, **OWN | {"device_id": "a new phone"})],
    "new_device_spree": [
        *daily(8, 20, **OWN),
        *(pay(9 * DAY + i * 10 * MINUTE, 90, **OWN) for i in range(3)),  # a busy evening on the usual device
    ],
    "impossible_travel": [pay(0, 20, card_id="c", **HOME), pay(DAY, 150, card_id="c", **AWAY)],  # flew there
    "mule_fan_in": [pay(i * HOUR, 600, account_id="tenant", counterparty_id="landlord") for i in range(6)],
    "mule_fan_out": [
        pay(i * 3 * MINUTE, 1_200, account_id="payer", counterparty_id="builder") for i in range(3)
    ],
    "bust_out": [
        say(Kind.PROFILE, 0, entity_type="customer", entity_id="u", **{"attributes.credit_limit": 3000.0}),
        *daily(28, 20, merchant_id="usual", **OWN),
        pay(29 * DAY, 900, merchant_id="m", merchant_category="electronics", **OWN),  # one new television
    ],
    "merchant_collusion": [
        pay(i * HOUR, 20 + i, merchant_id="m", card_id=f"c{i}") for i in range(15)
    ],  # a good day
    "structuring": [
        pay(0, 9_500, account_id="a", counterparty_id="car dealer"),
        pay(5 * HOUR, 40, account_id="a", counterparty_id="petrol"),
    ],
}


def test_every_shipped_typology_has_both_cases_and_says_what_it_is():
    assert FOUND.keys() == LEFT_ALONE.keys() == set(SHIPPED)
    for typology_id in SHIPPED:
        typology = shipped_typology(typology_id)
        assert typology.id == typology_id
        assert len(typology.description) > 100
        assert typology.parameters
        assert all(signal.text for signal in typology.signals)


@pytest.mark.parametrize("typology_id", SHIPPED)
def test_the_typology_finds_its_case(typology_id):
    decision = last_decision(FOUND[typology_id])
    assert decision.typologies[typology_id] >= shipped_typology(typology_id).at
    assert f"typology.{typology_id}" in decision.rules
    assert decision.outcome.strictness >= 2
    said = next(reason for reason in decision.explain(BOOK) if reason.rule == f"typology.{typology_id}")
    assert said.analyst
    assert "{" not in said.analyst


def test_a_profile_field_takes_part():
    with_limit = last_decision(FOUND["bust_out"]).typologies["bust_out"]
    without = last_decision(FOUND["bust_out"][1:]).typologies["bust_out"]
    assert with_limit - without == 25  # 75 and 40 are 100 at most


@pytest.mark.parametrize("typology_id", SHIPPED)
def test_the_typology_leaves_the_other_case_alone(typology_id):
    decision = last_decision(LEFT_ALONE[typology_id])
    assert decision.typologies.get(typology_id, 0) < shipped_typology(typology_id).at
    assert f"typology.{typology_id}" not in decision.rules


def test_all_but_five_fit_the_shipped_catalog_and_are_in_the_shipped_book():
    ids = {typology.id for typology in default_book().typologies}
    assert set(SHIPPED) - ids == {
        *("new_device_spree", "mule_fan_in", "mule_pass_through", "shared_ring", "layering"),
    }
    compile_rules(default_book(), CATALOG)


def test_a_book_takes_a_shipped_typology_with_parameters_of_its_own():
    text = """
typologies:
  - use: card_testing
    parameters: {small_payments: 2}
    mode: shadow
rules: []
"""
    book = load_book(text)
    assert book.typologies[0].parameters["small_payments"] == 2
    assert book.typologies[0].parameters["large_amount"] == 100
    assert load_book(dump_book(book)) == book
    decision = last_decision([pay(0, 1, card_id="c"), pay(1, 1, card_id="c")], book, CATALOG)
    assert decision.typologies == {"card_testing": 50.0}
    assert decision.shadow_rules == []  # 50 is below 60


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("use: card_tasting", "line 2: no typology 'card_tasting'"),
        ("{use: card_testing, parameters: {small: 1}}", "no parameter 'small'"),
        ("{use: card_testing, at: 200}", "acts at 200"),
        ("{use: card_testing, parameters: {small_payments: [1]}}", "line 2"),
    ],
)
def test_a_typology_that_makes_no_sense_is_refused_with_its_line(entry, message):
    with pytest.raises(RuleError, match=message):
        load_book(f"typologies:\n  - {entry}\nrules: []\n")


def test_a_rule_may_ask_for_the_score_of_a_typology():
    typology = Typology(
        id="two_signs",
        title="",
        signals=(Signal(when="amount > 10", weight=30), Signal(when="country = 'DE'", weight=30)),
        reason="R",
        analyst="",
        mode="shadow",
        at=60,
    )
    book = RuleSet(
        typologies=(typology,),
        rules=load_book(
            "rules: [{id: r, title: '', when: typology.two_signs >= 30, points: 1, reason: R, analyst: ''}]"
        ).rules,
    )
    decision = last_decision([pay(0, 50)], book, CATALOG)
    assert (decision.rules, decision.shadow_rules) == (["r"], [])
    decision = last_decision([pay(0, 50, country="DE")], book, CATALOG)
    assert (decision.rules, decision.shadow_rules) == (["r"], ["typology.two_signs"])
    assert decision.typologies == {"two_signs": 60.0}


def test_an_error_names_the_signal():
    typology = Typology(
        id="t",
        title="",
        signals=(Signal(when="amont > 1", weight=60),),
        reason="R",
        analyst="",
    )
    with pytest.raises(RuleError, match=r"typology 't', signal 1: unknown name 'amont'"):
        compile_rules(RuleSet(rules=(), typologies=(typology,)), CATALOG)
