"""Every detector of the shipped rule book: a short story that it must catch, one that it must leave alone."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ringfence.events.batch import EventBatch
from ringfence.events.model import EVENT_SCHEMA, Kind
from ringfence.features.catalog import CATALOG
from ringfence.pipeline import Pipeline
from ringfence.scoring.rulesets.books import default_book

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
START = 1_700_000_000_000


def pay(at, amount, **fields):
    minor = round(amount * 100)
    return {
        "kind": Kind.TRANSACTION,
        "event_time_ms": START + at,
        "amount_minor": minor,
        "currency": "EUR",
        **fields,
    }


def say(kind, at=0, **fields):
    return {"kind": kind, "event_time_ms": START + at, **fields}


def rush(count, every, amount, **fields):
    return [pay(i * every, amount, **fields) for i in range(count)]


def habit(**fields):
    """Eight payments of about 20, one a day."""
    return [pay(day * DAY, 20 + day % 3, **fields) for day in range(8)]


def told(story):
    """The story as a batch of events."""
    rows = [{"transaction_id": f"t{number}", **row} for number, row in enumerate(story)]
    columns = {f.name: pa.array([row.get(f.name) for row in rows], f.type) for f in EVENT_SCHEMA}
    return EventBatch(pa.record_batch(columns))


def last_decision(story):
    """Decision on the last transaction of a story told in order."""
    batch = told(story)
    return list(Pipeline(CATALOG, default_book(), seed=1).step(batch).decisions)[-1]


HOME = {"lat": 52.5, "lon": 13.4, "country": "DE", "channel": "store"}
TOKYO = {"lat": 35.7, "lon": 139.7, "country": "JP", "channel": "store"}
FRAUDS = [say(Kind.LABEL, 9 * DAY, transaction_id=f"t{i}", label=True) for i in range(4)]

CAUGHT = {
    "unusual_amount_customer": [*habit(customer_id="u"), pay(9 * DAY, 900, customer_id="u")],
    "unusual_amount_card": [*habit(card_id="c"), pay(8 * DAY, 900, card_id="c")],
    "impossible_travel": [pay(0, 20, card_id="c", **HOME), pay(HOUR, 20, card_id="c", **TOKYO)],
    "new_country": [pay(0, 20, card_id="c", **HOME), pay(3 * DAY, 30, card_id="c", **TOKYO)],
    "country_too_soon": [
        *habit(card_id="c", **HOME),
        pay(8 * DAY, 20, card_id="c", **HOME),
        pay(8 * DAY + 5 * HOUR, 30, card_id="c", country="JP"),
    ],
    "new_device": [
        *habit(customer_id="u", device_id="d1"),
        pay(9 * DAY, 25, customer_id="u", device_id="d2"),
    ],
    "new_device_transfer": [
        *habit(customer_id="u", device_id="d1"),
        pay(9 * DAY, 60, customer_id="u", device_id="d2", channel="transfer"),
    ],
    "device_many_cards": [pay(i * HOUR, 20, card_id=f"c{i}", device_id="d") for i in range(4)],
    "ip_many_cards": [pay(i * MINUTE, 20, card_id=f"c{i}", ip="10.0.0.1") for i in range(10)],
    "email_many_cards": [pay(i * DAY, 20, card_id=f"c{i}", email="x@example.org") for i in range(6)],
    "merchant_listed": [say(Kind.LIST_ENTRY, entity_id="m", list_kind="watch"), pay(1, 20, merchant_id="m")],
    "merchant_fraud_rate": [*rush(5, HOUR, 20, merchant_id="m"), *FRAUDS, pay(10 * DAY, 20, merchant_id="m")],
    "terminal_fraud_rate": [*rush(5, HOUR, 20, terminal_id="x"), *FRAUDS, pay(10 * DAY, 20, terminal_id="x")],
    "card_testing": rush(5, MINUTE, 1, card_id="c"),
    "customer_small_amounts": rush(3, MINUTE, 1, customer_id="u"),
    "after_testing": [*rush(3, MINUTE, 1, card_id="c"), pay(4 * MINUTE, 250, card_id="c")],
    "card_velocity": rush(6, MINUTE, 20, card_id="c"),
    "card_spree": [
        *habit(card_id="c", customer_id="u"),
        *(pay(9 * DAY + i * 9 * MINUTE, 150, card_id="c", customer_id="u") for i in range(4)),
    ],
    "two_countries": [pay(i * HOUR, 10, card_id="c", country=c) for i, c in enumerate(("DE", "FR", "IT"))],
    "flagged_account": [
        say(Kind.FLAG, entity_type="account", entity_id="a", effective_at_ms=START),
        pay(1, 20, account_id="a"),
    ],
    "flagged_party": [
        say(Kind.FLAG, entity_type="card", entity_id="c", effective_at_ms=START),
        pay(1, 20, card_id="c"),
    ],
    "account_large_sum": [pay(i * MINUTE, 10_001, account_id="a") for i in range(5)],
    "account_velocity": rush(6, 2 * MINUTE, 100, account_id="a"),
    "account_fan_out": [pay(i * HOUR, 10, account_id="a", counterparty_id=f"p{i}") for i in range(10)],
    "blocked": [say(Kind.LIST_ENTRY, entity_id="c", list_kind="block"), pay(1, 20, card_id="c")],
    "watched": [say(Kind.LIST_ENTRY, entity_id="d", list_kind="watch"), pay(1, 20, device_id="d")],
    "allowed": [say(Kind.LIST_ENTRY, entity_id="c", list_kind="allow"), pay(1, 20, card_id="c")],
}
LEFT_ALONE = {
    "unusual_amount_customer": [*habit(customer_id="u"), pay(9 * DAY, 24, customer_id="u")],
    "unusual_amount_card": [*habit(card_id="c"), pay(8 * DAY, 24, card_id="c")],
    "impossible_travel": [pay(0, 20, card_id="c", **HOME), pay(DAY, 20, card_id="c", **TOKYO)],
    "new_country": [pay(0, 20, card_id="c", **HOME), pay(3 * DAY, 30, card_id="c", **HOME)],
    "country_too_soon": [
        *habit(card_id="c", **HOME),
        pay(8 * DAY, 20, card_id="c", **HOME),
        pay(8 * DAY + 7 * HOUR, 30, card_id="c", country="JP"),  # time enough to fly
    ],
    "new_device": [
        *habit(customer_id="u", device_id="d1"),
        pay(9 * DAY, 25, customer_id="u", device_id="d1"),
    ],
    "new_device_transfer": [
        *habit(customer_id="u", device_id="d1"),
        pay(9 * DAY, 60, customer_id="u", device_id="d2", channel="online"),
    ],
    "device_many_cards": [pay(i * HOUR, 20, card_id="c", device_id="d") for i in range(4)],
    "ip_many_cards": [pay(i * 7 * MINUTE, 20, card_id=f"c{i}", ip="10.0.0.1") for i in range(10)],
    "email_many_cards": [pay(i * 3 * DAY, 20, card_id=f"c{i}", email="x@example.org") for i in range(6)],
    "merchant_listed": [
        say(Kind.LIST_ENTRY, entity_id="m", list_kind="watch"),
        pay(1, 20, merchant_id="other"),
    ],
    "merchant_fraud_rate": [
        *rush(5, HOUR, 20, merchant_id="m"),
        *FRAUDS[:2],
        pay(10 * DAY, 20, merchant_id="m"),
    ],
    "terminal_fraud_rate": [*rush(5, HOUR, 20, terminal_id="x"), *FRAUDS, pay(3 * DAY, 20, terminal_id="x")],
    "card_testing": rush(5, 3 * MINUTE, 1, card_id="c"),
    "customer_small_amounts": rush(3, MINUTE, 8, customer_id="u"),
    "after_testing": [*rush(3, MINUTE, 1, card_id="c"), pay(HOUR, 250, card_id="c")],
    "card_velocity": rush(13, 12 * MINUTE, 20, card_id="c"),
    "card_spree": [
        *habit(card_id="c", customer_id="u"),
        *(pay(9 * DAY + i * 9 * MINUTE, 25, card_id="c", customer_id="u") for i in range(4)),
    ],
    "two_countries": [pay(i * HOUR, 10, card_id="c", country=c) for i, c in enumerate(("DE", "FR", "DE"))],
    "flagged_account": [
        say(Kind.FLAG, entity_type="account", entity_id="a", effective_at_ms=START + 2),
        pay(1, 20, account_id="a"),
    ],
    "flagged_party": [
        say(Kind.FLAG, entity_type="card", entity_id="c", effective_at_ms=START),
        pay(1, 20, account_id="c"),
    ],
    "account_large_sum": [pay(i * 2 * MINUTE, 10_001, account_id="a") for i in range(5)],
    "account_velocity": rush(6, 3 * MINUTE, 100, account_id="a"),
    "account_fan_out": [pay(i * HOUR, 10, account_id="a", counterparty_id="p") for i in range(10)],
    "blocked": [
        say(Kind.LIST_ENTRY, entity_id="c", list_kind="block", expires_at_ms=START + 1),
        pay(1, 20, card_id="c"),
    ],
    "watched": [
        say(Kind.LIST_ENTRY, entity_id="d", list_kind="watch", entity_type="ip"),
        pay(1, 20, device_id="d"),
    ],
    "allowed": [pay(1, 20, card_id="c")],
}


def test_every_shipped_rule_has_both_stories():
    ids = {rule.id for rule in default_book().rules}
    assert CAUGHT.keys() == LEFT_ALONE.keys() == ids


@pytest.mark.parametrize("rule", CAUGHT)
def test_the_detector_catches_its_story(rule):
    decision = last_decision(CAUGHT[rule])
    assert rule in [*decision.rules, *decision.shadow_rules]
    wanted = next(item for item in default_book().rules if item.id == rule)
    if wanted.outcome:
        assert decision.outcome.strictness >= wanted.outcome.strictness
    if wanted.mode == "active":
        assert wanted.reason in decision.reasons


@pytest.mark.parametrize("rule", LEFT_ALONE)
def test_the_detector_leaves_the_other_story_alone(rule):
    decision = last_decision(LEFT_ALONE[rule])
    assert rule not in [*decision.rules, *decision.shadow_rules]


def test_an_allowed_card_passes_what_would_be_reviewed_but_not_what_is_blocked():
    allow = say(Kind.LIST_ENTRY, entity_id="c", list_kind="allow", list_name="vip")
    watch = say(Kind.LIST_ENTRY, entity_id="d", list_kind="watch", list_name="seen")
    block = say(Kind.LIST_ENTRY, entity_id="d", list_kind="block", list_name="bad")
    payment = pay(1, 20, card_id="c", device_id="d")
    assert last_decision([watch, payment]).outcome == "review"
    assert last_decision([watch, allow, payment]).outcome == "approve"
    assert last_decision([watch, allow, block, payment]).outcome == "decline"


def test_a_flag_that_arrives_late_finds_the_payments_that_it_covers():
    """Log:  pay(day 0)  pay(day 2)  flag from day 1:  the second payment is emitted with the flag, once."""
    story = [
        pay(0, 20, account_id="a"),
        pay(2 * DAY, 20, account_id="a"),
        say(Kind.FLAG, 3 * DAY, entity_type="account", entity_id="a", effective_at_ms=START + DAY),
        say(Kind.FLAG, 3 * DAY, entity_type="account", entity_id="a", effective_at_ms=START),
        pay(3 * DAY, 20, account_id="a"),
    ]
    step = Pipeline(CATALOG, default_book(), seed=1).step(told(story))
    pairs = [
        (m["transaction_offset"], m["flag_offset"]) for batch in step.flag_matches for m in batch.to_pylist()
    ]
    assert pairs == [(1, 2), (0, 3)]
    assert ["FLAGGED_ACCOUNT" in decision.reasons for decision in step.decisions] == [False, False, True]
