"""Conditions that can never be true are refused without any payment, and no others."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.scoring.conftest import make_events, make_rule

from ringfence.errors import RuleError
from ringfence.features.catalog import CATALOG
from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.columns import Columns
from ringfence.scoring.reference import Reference
from ringfence.scoring.rulesets.books import default_book
from ringfence.scoring.rulesets.possible import check_possible, has_new_conditions
from ringfence.scoring.rulesets.rules import RuleSet, Signal, Typology, compile_rules

SPEC = FeatureSpec.of(
    entity("card").count("1h"),
    entity("card").is_new("device"),
    entity("card").mean("amount", "1d", default=-1),
    entity("merchant").label_rate("28d"),
)


def refused(when, **more):
    """Message for a condition, "" where it is possible."""
    book = RuleSet(rules=(make_rule(when, **more),))
    compile_rules(book, SPEC)
    return fault_of(book, SPEC)


def fault_of(book, spec):
    try:
        check_possible(book, spec)
    except RuleError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "when",
    [
        *("model.probability > 80", "model.probability > 1", "100 < model.score", "model.score >= 100.01"),
        *(
            "hour > 23",
            "hour = 24",
            "hour in (22, 23, 24)",
            "hour > 22 and hour < 23",
            "hour between 22 and 5",
        ),
        *("weekday = 7", "weekday between 7 and 9", "extract(isodow from event_time) = 0"),
        *("extract(hour from event_time at time zone 'Asia/Tokyo') >= 24", "lat > 91", "abs(lon) > 180"),
        *("card.count_1h < 0", "card.count_1h = -1", "card.count_1h = 2.5", "not card.count_1h >= 0"),
        *("card.is_new_device = 2", "card.is_new_device not in (0, 1)", "merchant.label_rate_28d > 1"),
        *("amount / 0 > 1", "amount % 0 = 1", "1 < amount / (2 - 2)", "length(currency) > 3"),
        *("length(currency) = 2", "length(card_bin) = 8", "length(card_bin8) != 8"),
        *("amount < 0", "amount_minor = 12.5", "length(city) < 0", "coalesce(card.count_1h, 0) < 0"),
        *("model.probability * 100 > 150", "hour + 1 > 24", "-hour > 0", "floor(model.probability) = 2"),
        *("currency = 'eur'", "currency in ('EUR', 'EURO')", "card_bin = '41111'", "card_last4 = 'x'"),
        *("channel = ''", "amount > 5 and device_id = ''"),
        *("least(amount, 5) > 5", "greatest(amount, 5) < 5", "least(hour, 5, 3) = 4"),
        *("currency like 'eu%'", "currency like 'EURO%'", "card_bin like '4x%'", "card_last4 like '12345'"),
        *("amount > 5 and amount < 3", "amount > 5 and (country = 'x' and amount <= 5)"),
        *("country = 'a' and country = 'b'", "country in ('a', 'b') and country = 'c'"),
        *("country = 'a' and country <> 'a'", "country = 'a' and not (country = 'a' or amount > 3)"),
        *("amount = 5 and amount != 5", "amount in (1, 5) and amount in (2, 4)", "amount > amount"),
        *(
            "amount > 3 and amount is null",
            "country is null and country = 'DE'",
            "lat is null and lat is not null",
        ),
        *("lat > lon and lat < lon", "lat = lon and lat != lon", "card.flagged and not card.flagged"),
        *("card_id in list 'a' and card_id not in list 'a'", "attributes.x = 'a' and attributes.x = 'b'"),
        *("attributes.x > 5 and attributes.x < 3", "attributes.x is null and attributes.x = 'b'"),
        *("lower(city) = 'Rome'", "upper(country) in ('de', 'FR')", "lower(city) like 'Rome%'"),
        *("amount > 100 or model.probability > 80", "(amount > 5 and amount < 3) or country = 'US'"),
        *("case when hour > 23 then amount > 1 else amount > 2 end", "(amount > 5 and amount < 3) is true"),
        *("(hour < 3 or hour > 22) and hour = 12 and amount > 1 and hour > 20",),
    ],
)
def test_what_can_never_be_true_is_refused(when):
    assert "never" in refused(when)


@pytest.mark.parametrize(
    "when",
    [
        *(
            "model.probability > 0.8",
            "model.probability >= 1",
            "model.score >= 100",
            "hour = 23",
            "hour >= 0",
        ),
        *("not hour > 23", "not (hour >= 0 and hour <= 22)", "hour not between 0 and 22", "hour not in (24)"),
        *("amount >= 5 and amount <= 5", "amount > 5 or amount < 3", "card.count_1h >= 2.5", "amount = 0"),
        *(
            "country <> 'a' and country <> 'b'",
            "country = 'a' or country = 'b'",
            "country in ('a', 'b', 'a')",
        ),
        *("(country = 'a' or amount > 3) and country = 'b'", "amount is null or amount > 3"),
        *("coalesce(card.count_1h, -1) = -1", "card.mean_amount_1d < 0", "card.is_new_device = 1"),
        *("lat > lon and lat >= lon", "amount > 5 and card.mean_amount_1d < 3", "amount / card.count_1h > 9"),
        *("false", "amount > 5 and false", "true", "1 = 2", "param.on = 1 and amount > 3"),
        *("attributes.x = 'a' and attributes.x > 5", "lower(city) = 'rome'", "lower(city) not like 'Rome%'"),
        *("greatest(amount, 5) = 5", "least(amount, card.count_1h, 9) = 9", "currency not like 'eu%'"),
        *("currency like 'E_R'", "currency like '%'", "card_bin like '41%'", "card_bin like '%1%'"),
        *("nullif(hour, 0) > 22", "least(hour, 5) = 5", "case when hour = 3 then 30 else hour end = 30"),
        *(
            "not ((amount > 5 and amount < 3) is true)",
            "attributes.h > 23",
            "amount % 5 = -1",
            "abs(lat) = 90",
        ),
        *("extract(year from event_time) > 2090", "extract(isodow from event_time) = 7"),
    ],
)
def test_what_may_be_true_is_let_through(when):
    assert refused(when, parameters={"on": 0}) == ""


def test_the_message_says_why_and_what_to_write():
    assert refused("model.probability > 80").splitlines() == [
        "rule 'r': this can never be true: model.probability is a number from 0 to 1 (line 1, column 1)",
        "  model.probability > 80",
        "  ^",
        "80 % is 0.8 here",
    ]
    assert "amount < 3 contradicts amount > 5 (line 1, column 16)" in refused("amount > 5 and amount < 3")
    assert "NOT amount > 50 contradicts amount > 100 (" in refused("amount > 100 and not amount > 50")
    assert "NOT (amount > 50) contradicts" in refused("amount > 100 and not (amount > 50)")
    assert "card_id IS NULL contradicts NOT card_id IS NULL" in refused(
        "card_id is not null and card_id is null"
    )
    assert "hour >= 22 OR hour <= 5" in refused("hour between 22 and 5")
    assert "hour is never 24: it is a whole number from 0 to 23" in refused("hour in (22, 24)")
    assert "write 'rome'" in refused("lower(city) = 'Rome'")


def test_a_parameter_counts_as_the_number_it_is():
    assert "never" in refused("model.probability > param.at", parameters={"at": 80})
    assert refused("model.probability > param.at", parameters={"at": 0.8}) == ""


def test_signals_and_scores_of_typologies_are_looked_at():
    signals = (Signal(when="amount > 5", weight=50), Signal(when="hour > 23", weight=50))
    one = Typology(id="t", title="T", signals=signals, at=50, reason="R", analyst="A.")
    with pytest.raises(RuleError, match="typology 't', signal 2: this can never be true"):
        check_possible(RuleSet(rules=(), typologies=(one,)), SPEC)
    sound = Typology(id="t", title="T", signals=signals[:1], at=50, reason="R", analyst="A.")
    book = RuleSet(rules=(make_rule("typology.t > 100"),), typologies=(sound,))
    with pytest.raises(RuleError, match="from 0 to 100"):
        check_possible(book, SPEC)


def test_what_was_there_before_may_stay():
    """A book of before still takes edits of its other rules."""
    old = RuleSet(rules=(make_rule("hour > 23"),))
    check_possible(RuleSet(rules=(*old.rules, make_rule("amount > 3", "s"))), SPEC, before=old)
    with pytest.raises(RuleError, match="rule 's'"):
        check_possible(RuleSet(rules=(*old.rules, make_rule("hour > 24", "s"))), SPEC, before=old)


def test_every_shipped_rule_and_typology_is_possible():
    check_possible(default_book(), CATALOG)


_COLUMNS = ("hour", "amount", "attributes.n", "card.count_1h")
_SIGNS = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
_number = st.sampled_from([*_COLUMNS, "abs(attributes.n)", "amount + attributes.n", "-amount", "amount * 2"])
_constant = st.integers(-3, 4).map(str)
_leaf = st.one_of(
    st.builds(" ".join, st.tuples(_number, _SIGNS, st.one_of(_constant, _number))),
    st.builds("{} between {} and {}".format, _number, _constant, _constant),
    st.builds("{} not between {} and {}".format, _number, _constant, _constant),
    st.builds("{} in ({}, {})".format, _number, _constant, _constant),
    st.builds("{} not in ({}, {})".format, _number, _constant, _constant),
    st.builds("{} is null".format, st.sampled_from(["attributes.n", "country"])),
    st.builds("country {} '{}'".format, st.sampled_from(["=", "!="]), st.sampled_from("ab")),
    st.builds("country in ('{}', '{}')".format, st.sampled_from("ab"), st.sampled_from("ab")),
)
_conditions = st.recursive(
    _leaf,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not ({})".format, inner),
        st.builds("({}) is true".format, inner),
    ),
    max_leaves=6,
)


def _every_row():
    spec = FeatureSpec.of(entity("card").count("1h"))
    values = product(range(4), (-2.0, -1.0, 0.0, 1.0, 2.0, None), ("a", "b", None), range(3), (0, 1, 3))
    rows, counts = [], []
    for amount, number, country, count, hour in values:
        payment = {"amount_minor": 100 * amount, "currency": "EUR", "country": country}
        rows.append({**payment, "event_time_ms": hour * 3_600_000, "attributes.n": number})
        counts.append(count)
    return spec, Columns(make_events(*rows), spec, np.array([counts], np.float64), Reference(0))


ROWS = _every_row()


@example(when="not (hour = hour and hour not in (0, -1))")
@given(_conditions.filter(lambda when: " or " not in when))
@settings(max_examples=400, deadline=None)
def test_what_is_true_of_some_payment_is_never_called_impossible(when):
    """Without OR, whose parts are refused by themselves, as a single value of IN is."""
    spec, columns = ROWS
    book = RuleSet(rules=(make_rule(when),))
    if compile_rules(book, spec).judge(columns).active[0].any():
        assert "this can never be true" not in fault_of(book, spec)


def test_a_book_read_back_from_json_has_no_new_conditions():
    """JSON has parameters by name: their order says nothing. A pause would wait for a check otherwise."""
    book = default_book()
    assert any(list(one.parameters) != sorted(one.parameters) for one in book.typologies)
    assert not has_new_conditions(RuleSet.from_json(book.to_json()), book)
