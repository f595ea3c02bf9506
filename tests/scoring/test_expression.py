"""What rules can say, and what is refused and where."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ringfence.errors import RuleError
from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.language.lower_boolean import compile_expression
from ringfence.scoring.language.names import Names
from ringfence.scoring.language.program import Builder
from ringfence.scoring.language.syntax import MAX_BYTES, MAX_DEPTH, parse

NAMES = Names(FeatureSpec.of(entity("card").count("1h"), entity("card").sum("amount", "1d")))


def compile_text(text):
    build = Builder()
    return compile_expression(text, NAMES, build).true, build


def test_amount_is_in_major_units_of_its_currency(fires):
    rows = [{"amount_minor": 1500, "currency": c} for c in ("EUR", "JPY", "KWD")]
    assert fires("amount = 15", *rows) == [True, False, False]
    assert fires("amount = 1500", *rows) == [False, True, False]
    assert fires("amount = 1.5", *rows) == [False, False, True]


def test_a_comparison_with_null_is_neither_true_nor_false(fires):
    rows = [{"country": None, "lat": None}, {"country": "US", "lat": 1.0}]
    assert fires("country = 'US'", *rows) == [False, True]
    assert fires("not country = 'US'", *rows) == [False, False]
    assert fires("lat > 0 or country is null", *rows) == [True, True]
    assert fires("not (lat > 5 and country = 'DE')", *rows) == [False, True]


def test_features_are_named_as_in_the_specification(fires):
    assert fires(
        "card.count_1h >= 3 and card.sum_amount_1d > 10", {}, {}, features=[[3, 3], [11, float("nan")]]
    ) == [
        True,
        False,
    ]


def test_hour_and_weekday_are_those_of_the_rule_sets_zone(fires):
    """2024-07-01 was a Monday; 23:30 UTC is 01:30 on Tuesday in Berlin."""
    row = {"event_time_ms": 1_719_876_600_000}
    assert fires("hour = 23 and weekday = 0", row) == [True]
    assert fires("hour = 1 and weekday = 1", row, zone="Europe/Berlin") == [True]


def test_cents_are_what_stands_behind_the_point_of_the_amount(fires):
    dinar = {"amount_minor": 19_682, "currency": "KWD"}
    rows = [{"amount_minor": 1995}, {"amount_minor": 2000}, dinar, {"amount_minor": 7, "currency": "JPY"}]
    assert fires("cents = 95", *rows) == [True, False, False, False]
    assert fires("cents = 0", *rows) == [False, True, False, True]
    assert fires("cents = 68.2", *rows) == [False, False, True, False]


def test_an_attribute_takes_the_type_that_its_use_asks_for(fires):
    rows = [{"attributes.a": "7", "attributes.n": 7.0, "attributes.b": True}, {"attributes.a": None}]
    assert fires("attributes.a = '7'", *rows) == [True, False]
    assert fires("attributes.n > 6", *rows) == [True, False]
    assert fires("attributes.a > 6", *rows) == [False, False]  # a text is no number
    assert fires("attributes.b", *rows) == [True, False]
    assert fires("attributes.b = false or attributes.n is null", *rows) == [False, True]
    assert fires("nullif(attributes.a, attributes.missing) = '7'", *rows) == [True, False]


def test_a_quoted_name_may_hold_any_character(fires):
    assert fires('attributes."my field!" = 1', {"attributes.my field!": 1.0}) == [True]


def test_names_are_found_whatever_their_case(fires):
    assert fires("COUNTRY = 'US' AND Card.Count_1h = 0", {"country": "US"}) == [True]


def test_a_constant_condition_covers_every_row(fires):
    assert fires("1 < 2 and true", {}, {}) == [True, True]
    assert fires("null or false", {}, {}) == [False, False]


def test_equal_parts_of_different_rules_are_computed_once():
    names, build = NAMES, Builder()
    compile_expression("amount * 2 > 10 and card.count_1h > 3", names, build)
    compile_expression("card.count_1h > 3 and amount * 2 > 10", names, build).true  # noqa: B018
    before = len(build.steps)
    compile_expression("(amount * 2) > 10 and card.count_1h > 3", names, build).true  # noqa: B018
    assert len(build.steps) - before <= 1


REFUSED = [
    ("card.count_1x > 3", "unknown name 'card.count_1x'", 1, "card.count_1h"),
    ("amount > 1 and contry = 'US'", "unknown name 'contry'", 16, "country"),
    ("amount > 'a'", "number and text do not go together", 10, ""),
    ("country + 1 > 2", "a number is needed here", 1, ""),
    ("amount", "a condition is needed here", 1, ""),
    ("amount = NULL", "comparison with NULL", 10, "IS NULL"),
    ("amount in (1, NULL)", "comparison with NULL", 15, "IS NULL"),
    ("amount >", "something is missing", 8, ""),
    ("amount > 1 extra", "not part of the rule language", 1, ""),
    ("amount > 1; drop table x", "';' is not part", 11, ""),
    ("(amount > 1", ") is missing", 11, ""),
    ("amount in (select 1)", "'select' is not part", 12, ""),
    ("amount::int = 1", "'::' is not part", 7, ""),
    ("sleep(5) > 1", "not part of the rule language", 1, ""),
    ("getvariable('x') = 'y'", "not part of the rule language", 1, ""),
    ("amount in (1) and card_id in list stolen", "a list is named as", 30, ""),
    ("card_id in 'stolen'", "LIST 'name'", 12, ""),
    ("upper(card_id) in list 'stolen'", "only a field of the event", 1, ""),
    ("country like city", "literal pattern", 14, ""),
    ("country like 'a' escape 'b'", "'escape' is not part", 18, ""),
    ("round(amount, amount) = 1", "literal number of digits", 15, ""),
    ("amount > 1e999", "too large", 10, ""),
    ("account.flagged > true", "conditions have no order", 1, ""),
    ("country = 'US", "not closed", 13, ""),
    ("", "an expression is missing", 1, ""),
    ("attributes. = 1", "", 13, ""),
    ("case when amount then 1 end = 1", "a condition is needed", 11, ""),
    ("amount > 1\n  and contry = 'x'", "unknown name 'contry'", 7, "country"),
]


@pytest.mark.parametrize(
    ("text", "message", "column", "remedy"), REFUSED, ids=[case[0][:30] or "empty" for case in REFUSED]
)
def test_a_refusal_points_at_the_character_and_names_the_remedy(text, message, column, remedy):
    with pytest.raises(RuleError) as caught:
        compile_text(text)
    shown = str(caught.value)
    assert message in shown
    assert f"column {column})" in shown
    assert remedy in shown
    caret = next(line for line in shown.splitlines() if line.strip() == "^")
    assert caret.index("^") - 2 == column - 1


def test_size_and_nesting_are_bounded():
    long_chain = " or ".join(["amount > 1"] * (MAX_BYTES // 20))
    compile_text(long_chain)
    compile_text("(" * (MAX_DEPTH - 1) + "amount > 1" + ")" * (MAX_DEPTH - 1))
    for text in (
        "amount > " + "1" * MAX_BYTES,
        "(" * (MAX_DEPTH + 1) + "amount > 1" + ")" * (MAX_DEPTH + 1),
        "not " * 200 + "true",
        "amount = " + "- " * 200 + "1",
        "amount = " + "1+" * 500 + "1",
        "case when true then " * 100 + "1" + " end" * 100 + " = 1",
        "amount = " + "abs(" * 400 + "1" + ")" * 400,
        "(" * 8000,
        " ".join(["amount is"] * 500) + " null",
    ):
        with pytest.raises(RuleError):
            compile_text(text)


def test_deep_equalities_of_conditions_compile_without_blowing_up():
    text = "account.flagged"
    for _ in range(50):
        text = f"({text} = card.flagged)"
    _, build = compile_text(text)
    assert len(build.steps) < 1000


WORDS = (
    "amount country card.count_1h attributes.x 1 2.5 'a' ( ) , . = <> < > + - * / % and or not in list "
    "between case when then else end is null true like abs( coalesce( least( round( nullif( "
    "\" ' :: ; [ ] select from /* -- $1 ? \\ é \x00"
)
words = st.sampled_from(WORDS.split(" "))


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.lists(words, max_size=40).map(" ".join), st.text(max_size=60)))
@example("a\x00b")
@example("\ud800")
@example("list")
@example("in list ''")
def test_any_text_compiles_or_is_refused(text):
    with contextlib.suppress(RuleError):
        compile_text(text)


def test_the_text_of_a_refusal_stays_short():
    with pytest.raises(RuleError) as caught:
        parse("amount > 1 and " * 300 + "?")
    assert len(str(caught.value)) < 400
