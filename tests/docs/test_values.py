"""What the page on sources promises of empty texts, digits and card numbers holds."""

import json

import pytest
from tests.adapters.exports import Outcome

from ringfence.events.bad import Reason
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.decoding.decode_small import SmallDecoder
from ringfence.events.privacy.tokens import Tokenizer

from .pages import ROOT

NOW_MS = 1_709_288_100_000
TOKENIZER = Tokenizer(b"0123456789abcdef")
PAGE = " ".join((ROOT / "docs" / "howto" / "sources.md").read_text("utf-8").split())


def decoded(**fields):
    record = {"transaction_id": "p", "event_time": NOW_MS, "amount": 1.0} | fields
    return JsonDecoder(TOKENIZER).decode_one(json.dumps(record).encode(), NOW_MS)


def value(name, **fields):
    found = decoded(**fields)
    assert isinstance(found, EventBatch), found
    return found.table.to_pylist()[0].get(name)


@pytest.mark.parametrize("name", ["card_id", "email", "city", "merchant_category"])
def test_an_empty_text_is_null_and_blanks_are_a_text_of_a_category(name):
    assert value(name, **{name: ""}) is None
    assert value("attributes.a", attributes={"a": ""}) is None
    assert value("city", city=" ") == " "
    assert "An empty text is null in ids, categories and attributes" in PAGE


@pytest.mark.parametrize("name", ["transaction_id", "amount"])
def test_a_required_one_is_missing(name):
    assert decoded(**{name: ""}).faults[0].reason is Reason.MISSING_FIELD


@pytest.mark.parametrize("name", ["event_time", "currency", "card_number"])
def test_an_empty_time_currency_or_card_number_is_refused(name):
    assert [fault.field for fault in decoded(**{name: ""}).faults] == [name.replace("_number", "_id")]
    assert "An empty time, currency or card number is refused" in PAGE


def test_an_empty_cell_of_a_file_is_null_everywhere(tmp_path):
    names = ["id", "at", "amount", "currency", "card", "city"]
    fields = {"transaction_id": "id", "event_time": "at", "card_number": "card"}
    lines = [
        f'{field} = "{column}"'
        for field, column in {**fields, **dict(zip(*[names[2:4]] * 2, strict=True)), "city": "city"}.items()
    ]
    (tmp_path / "in.csv").write_text(",".join(names) + "\np,2025-05-01T10:00:00Z,5,,,\n")
    found = Outcome(tmp_path / "in.csv", "[[records]]\n[records.fields]\n" + "\n".join(lines))
    assert found.bad == []
    assert [found.rows[0].get(name) for name in ("currency", "card_id", "city")] == [None] * 3


@pytest.mark.parametrize(
    ("amount", "currency", "minor"), [("12.345", "EUR", 1234), ("12.355", "EUR", 1236), ("1.5", "JPY", 2)]
)
def test_digits_beyond_the_currencys_are_rounded_half_to_even(amount, currency, minor):
    assert value("amount_minor", amount=amount, currency=currency) == minor
    line = json.dumps({"transaction_id": "p", "event_time": NOW_MS, "amount": amount, "currency": currency})
    small = SmallDecoder(TOKENIZER, 0).decode([line.encode()], NOW_MS)
    assert small is None or small.column("amount_minor").to_pylist() == [minor]
    assert f"`{amount}`" in PAGE


def test_a_card_number_in_another_field_becomes_a_token():
    network, others = "4111111111111111", "9000000000000001"
    assert value("device_id", device_id=network).startswith("tok_")
    assert value("device_id", device_id=others) == others
    assert value("attributes.a", attributes={"a": f"paid with {network}"}).startswith("paid with tok_")
