"""Which currencies there are, when, and with how many decimals."""

from __future__ import annotations

import json
import re

import pytest

from ringfence.events.bad import BadRecord, Reason
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.decoding.decode_block import BlockDecoder
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.events.values.currencies import CURRENCY_EXPONENT, DATED, EVERY_CURRENCY, NUMERIC

NOW = 1_785_000_000_000  # 2026-07-25
TOKENIZER = Tokenizer(b"0123456789abcdef")


def payment(currency, day):
    return json.dumps(
        {"transaction_id": "t", "event_time": f"{day}T12:00:00Z", "amount": "1234.567", "currency": currency}
    ).encode()


def decoded(currency, day):
    return JsonDecoder(TOKENIZER).decode_one(payment(currency, day), NOW)


@pytest.mark.parametrize(
    ("currency", "good", "bad"),
    [
        ("BGN", "2025-12-31", "2026-03-01"),
        ("HRK", "2022-12-31", "2023-03-01"),
        ("ANG", "2025-06-30", "2025-07-01"),
        ("VED", "2021-10-01", "2021-09-30"),
        ("XCG", "2025-04-01", "2024-04-01"),
        ("LTL", "2014-12-31", "2015-01-01"),
        ("SLL", "2023-06-01", "2024-01-01"),
    ],
)
def test_a_currency_is_one_in_its_time(currency, good, bad):
    made = decoded(currency, good)
    assert made.column("currency").to_pylist() == [currency]
    refused = decoded(currency.lower(), bad)
    assert isinstance(refused, BadRecord)
    assert refused.reason is Reason.UNKNOWN_CURRENCY
    assert currency in refused.message


@pytest.mark.parametrize(("day", "fine"), [("2025-12-31", True), ("2026-03-01", False)])
def test_all_decoders_agree_on_the_time_of_a_currency(day, fine):
    lines = payment("BGN", day)
    events, bad = BlockDecoder(TOKENIZER).decode(lines + b"\n" + lines.replace(b'"t"', b'"u"'), NOW, "x", 1)
    assert (len(events), len(bad)) == ((2, 0) if fine else (0, 2))
    assert (len(JsonDecoder(TOKENIZER).decode_lines([lines], NOW, "x")[0])) == int(fine)


@pytest.mark.parametrize(
    ("number", "code", "minor"),
    [("978", "EUR", 123457), ("392", "JPY", 1235), ("414", "KWD", 1234567), ("036", "AUD", 123457)],
)
def test_numbers_of_iso_4217_are_understood_with_their_decimals(number, code, minor):
    made = decoded(number, "2025-05-01")
    assert made.column("currency").to_pylist() == [code]
    assert made.column("amount_minor").to_pylist() == [minor]


def test_the_table_is_whole():
    assert len(NUMERIC) == len(set(NUMERIC.values()))
    assert all(len(code) == 3 and code.isupper() for code in EVERY_CURRENCY)
    assert all(len(number) == 3 and number.isdigit() for number in NUMERIC)
    assert set(CURRENCY_EXPONENT) <= EVERY_CURRENCY
    assert all(start < stop for start, stop in DATED.values())


@pytest.mark.parametrize("code", ["999", "000", "XAU", "XTS", "97", "٩٧٨", ""])
def test_what_is_no_currency_is_refused(code):
    made = decoded(code, "2025-05-01")
    assert isinstance(made, BadRecord) or made.column("currency").to_pylist() == [None]


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("Euro", "EUR"),
        ("euros", "EUR"),
        ("\u20ac", "EUR"),
        ("US$", "USD"),
        (" US Dollars ", "USD"),
        ("U.S. dollar", "USD"),
        ("Z\u0142oty", "PLN"),
        ("US Dollar (USD)", "USD"),
        ("EUR - Euro", "EUR"),
        ("Koruna \u010desk\u00e1", "CZK"),
        ("rmb", "CNY"),
        ("\uff25\uff35\uff32", "EUR"),
    ],
)
def test_a_sign_or_a_name_of_one_currency_is_its_code_to_every_decoder(written, code):
    """Each was no ISO 4217 code."""
    line = payment(written, "2026-05-01")
    assert decoded(written, "2026-05-01").column("currency").to_pylist() == [code]
    events, bad = BlockDecoder(TOKENIZER).decode(line, NOW, "x", 1)
    assert (events.column("currency").to_pylist(), bad) == ([code], [])
    assert len(JsonDecoder(TOKENIZER).decode_lines([line], NOW, "x")[0]) == 1


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("$", "'\\$' stands for several currencies: write the code"),
        ("Dollars", "several currencies"),
        ("kr", "several currencies"),
        ("pounds", "several currencies"),
        ("USD/EUR", "no ISO 4217 currency code: write one"),
        ("BTC", "name it under values of the mapping"),
        ("GBp", "counts hundredths"),
    ],
)
def test_what_names_no_one_currency_is_refused_with_the_remedy(written, said):
    """A price in pence (GBp) was taken for one in pounds."""
    line = payment(written, "2026-05-01")
    assert re.search(said, decoded(written, "2026-05-01").message)
    assert re.search(said, BlockDecoder(TOKENIZER).decode(line, NOW, "x", 1)[1][0].message)
    assert re.search(said, JsonDecoder(TOKENIZER).decode_lines([line], NOW, "x")[1][0].message)
