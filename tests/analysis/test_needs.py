"""What rules go by, and what a file never gives."""

from __future__ import annotations

import pytest

from ringfence.analysis.needed_fields import fields_of, never_given
from ringfence.features.spec import FeatureSpec, Where, entity
from ringfence.scoring.rulesets.books import load_book

LARGE = Where("large", "attributes.basket", ">", 5)
SPEC = FeatureSpec.of(
    entity("card").count("1h"),
    entity("card").distinct("merchant", "1h", where=LARGE),
    (entity("card") * entity("device")).sum("amount", "1d"),
    entity("customer").speed_kmh(),
    entity("bin").count("1h"),
)
RULE = "  - {{id: {}, title: T, when: '{}', points: 5, reason: R, analyst: A.{}}}\n"


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("card.count_1h", {"card_id"}),
        ("card.distinct_merchant_large_1h", {"card_id", "merchant_id", "attributes.basket"}),
        ("card_device.sum_amount_1d", {"card_id", "device_id", "amount"}),
        ("customer.speed_kmh", {"customer_id", "lat", "lon"}),
        ("bin.count_1h", {"card_bin"}),
        ("amount_minor", {"amount"}),
        ("event_time", set()),
        ("attributes.mcc", {"attributes.mcc"}),
        ("merchant.profile.risk", {"merchant_id"}),
        ("model.probability", set()),
    ],
)
def test_a_name_is_worked_out_of_the_fields_of_payments(name, fields):
    assert fields_of(name, SPEC) == fields


def test_rules_and_typologies_are_told_with_what_payments_never_have():
    signal = "{when: card_device.sum_amount_1d > 5 or channel = ''web'', weight: 9}".replace("''", "'")
    book = load_book(
        "rules:\n"
        + RULE.format("fine", "card.count_1h > 3 and hour < 6", "")
        + RULE.format("place", "customer.speed_kmh > 900", "")
        + RULE.format("gone", "customer.speed_kmh > 900", ", mode: archived")
        + RULE.format("scored", "typology.mule > 5", "")
        + f"typologies:\n  - {{id: mule, title: M, reason: R, analyst: A., at: 5, signals: [{signal}]}}\n"
    )
    given = {"card_id", "amount", "customer_id", "lat"}
    assert never_given(book, SPEC, given) == {
        "place": ["lon"],
        "scored": ["channel", "device_id"],
        "typology.mule": ["channel", "device_id"],
    }
    assert never_given(book, SPEC, {*given, "lon", "device_id", "channel"}) == {}
