"""Messages as people read them: the words of their language, the digits of the currency."""

import json

import pytest

from ringfence.alerts.events import explanations
from ringfence.alerts.policy import OUTCOMES, Severity
from ringfence.alerts.wording import NAMES, SAMPLES, check_template, rendered, shipped
from ringfence.bus.words import words_of
from ringfence.errors import InputError
from ringfence.scoring.rulesets.ruleset import RuleSet


def told(audience, language, **values):
    return rendered(audience, shipped(audience, language), SAMPLES[audience] | values, language).text


@pytest.mark.parametrize(
    ("language", "amount", "currency", "shown"),
    [
        ("en", 250_000.0, "JPY", "250,000 JPY"),
        ("de", 250_000.0, "JPY", "250.000 JPY"),
        ("en", 1234.5, "KWD", "1,234.500 KWD"),
        ("de", 1234.5, "KWD", "1.234,500 KWD"),
    ],
)
def test_an_amount_has_the_digits_of_its_currency(language, amount, currency, shown):
    for audience in ("team", "customer"):
        assert shown in told(audience, language, amount=amount, currency=currency)
    decision = {"transaction_id": "t1", "outcome": "decline", "score": 5.0}
    decision["transaction"] = {"amount": 250_000.0, "currency": "JPY"}
    title = words_of({"type": "com.ringfence.decision.made.v1", "data": decision}).title
    assert title == "Payment t1 of 250,000 JPY: decline"


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_payment_without_a_currency_leaves_no_gap(language):
    for audience in ("team", "customer"):
        assert " ," not in told(audience, language, currency="", card_last4="")


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("entity", ["card", "customer", "account", "merchant", "device", "transaction"])
def test_a_german_message_has_german_words(outcome, entity):
    text = told("team", "de", outcome=outcome, entity=entity, typology="x", reasons=[])
    text += told("escalation", "de", entity=entity, typology="x")
    text += told("digest", "de", digest="", severities="1,200 high, 12 medium, 3 critical, 4 escalated")
    for word in (outcome, f"{entity} ", *(one.name.lower() for one in Severity), "escalated", "93.5"):
        assert word not in text, word
    assert "1.200 hoch, 12 mittel, 3 kritisch, 4 eskaliert" in text


@pytest.mark.parametrize(
    ("minutes", "english", "german"),
    [
        (1, "1 minute", "1 Minute"),
        (90, "90 minutes", "90 Minuten"),
        (60, "1 hour", "1 Stunde"),
        (36 * 60, "36 hours", "36 Stunden"),
        (1440, "1 day", "1 Tag"),
        (2 * 1440, "2 days", "2 Tagen"),
    ],
)
def test_a_time_without_an_answer_has_the_largest_unit_that_fits(minutes, english, german):
    title, *_ = told("escalation", "en", minutes=minutes).splitlines()
    assert title.endswith(f" for {english}")
    title, *_ = told("escalation", "de", minutes=minutes).splitlines()
    assert title.endswith(f" seit {german} bestätigt")


def test_what_a_model_found_says_so():
    assert told("team", "en", typology="model_card_turnover").startswith("High: card turnover (model) on ")
    assert told("team", "en", typology="card_testing").startswith("High: card testing on ")


@pytest.mark.parametrize("filter_", ["duration", "translate", "with_currency"])
def test_a_filter_leaves_a_text_of_the_payers_as_it_is(filter_):
    text, values = f"{{{{ merchant|{filter_} }}}}", SAMPLES["team"] | {"merchant": "%999999d", "currency": ""}
    check_template("team", text)
    assert rendered("team", text, values, "de").text == "%999999d"


def test_a_template_of_ones_own_has_german_words_and_the_currency():
    text = "{{ severity|translate|capitalize }}: {{ entity|translate }}, {{ outcome|translate }}, "
    text += "{{ amount|with_currency }}"
    check_template("team", text)
    assert rendered("team", text, SAMPLES["team"]).text == "High: card, decline, 129.90 EUR"
    assert rendered("team", text, SAMPLES["team"], "de").text == "Hoch: Karte, abgelehnt, 129,90 EUR"


def test_a_digest_of_one_speaks_of_one():
    assert told("digest", "en", count=1).startswith("1 more alert like this (high)\nIt was not sent")
    assert told("digest", "de", count=1).startswith("1 weiterer Alarm dieser Art (hoch)\nEr wurde nicht")


def test_reasons_may_name_the_amount_and_the_models_probability():
    """They stood as unknown, though the message gives the amount a line above."""
    rule = {"id": "big", "title": "x", "when": "amount > 9", "outcome": "review", "reason": "BIG"}
    rule["analyst"] = "{amount} at {model.probability:percent}, {card.count_1h} in an hour."
    rules = RuleSet.from_json(json.dumps({"rules": [rule]}))
    data = {"rules": ["big"], "probability": 0.5, "transaction": {"amount": 1500.0, "currency": "EUR"}}
    found = explanations({"data": data}, rules, {"card.count_1h": 3.0}.get)
    assert found == ["1,500.00 EUR at 50 %, 3 in an hour."]


@pytest.mark.parametrize(
    ("audience", "text", "said"),
    [
        ("customer", "Hi {{ score }}", "names 'score', which it does not have"),
        ("customer", "Hi {{ amuont }}", "did you mean 'amount'?"),
        ("customer", "Hi {{ self }}", "names 'self', which it does not have"),
        ("customer", "{{ amount", "line 1"),
        ("team", "{{ ''.__class__.__mro__ }}", "cannot be filled in"),
        ("team", "{{ 'x' * 1000000000 }}", "does not multiply"),
        ("team", "", "empty"),
        ("team", "x" * 20_000, "at most"),
        ("team", "{% for a in range(9) %}{% endfor %}", "names 'range'"),
        ("nobody", "x", "there is no template"),
        ("customer", "{{ merchant|center(999999999) }}", "there is no filter 'center'"),
        ("customer", "{{ 9**9**9**9 }}", "does not multiply"),
        ("customer", "{{ merchant|uper }}", "did you mean 'upper'?"),
        ("customer", "{{ merchant.ljust(999999999) }}", "has no call"),
        ("customer", "{{ '%999999999s' % merchant }}", "has no mod"),
        ("customer", "{% set x = bank %}{% set x = x ~ x %}{{ x }}", "fixed words only"),
        ("customer", "{{ bank|replace('', bank)|replace('', bank) }}", "in an expression is enough"),
        ("customer", "{{ bank|replace('', bank)|upper|join(bank) }}", "in an expression is enough"),
        ("team", "{% for a in reasons %}{% for b in reasons %}x{% endfor %}{% endfor %}", "within another"),
        ("team", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "has no macro"),
    ],
)
def test_a_template_is_checked_before_it_is_used(audience, text, said):
    with pytest.raises(InputError, match=said.replace("(", "\\(")):
        check_template(audience, text)


@pytest.mark.parametrize("audience", NAMES)
@pytest.mark.parametrize("language", ["en", "de"])
def test_shipped_templates_are_whole(audience, language):
    check_template(audience, shipped(audience, language))
    assert rendered(audience, shipped(audience, language), SAMPLES[audience]).title
