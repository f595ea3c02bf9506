"""The short way of the API gives what the exact path gives, or nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.decoding.decode_small import SmallDecoder
from ringfence.events.ids.hashing import hash_column
from ringfence.events.privacy.tokens import Tokenizer

NOW = 1_750_000_000_000
SEED = 12345678901234567890123456789
PAN = "4111111111111111"
TOKENIZER = Tokenizer(b"0123456789abcdef")
EXACT, SMALL = JsonDecoder(TOKENIZER), SmallDecoder(TOKENIZER, SEED)
GOOD = {"transaction_id": "t1", "event_time": NOW, "amount": "12.34", "currency": "EUR", "card_number": PAN}


def lines_of(records):
    return [json.dumps(record).encode() for record in records]


def assert_same(lines):
    """Equal to the exact path, which finds nothing wrong; whether there was an answer."""
    found = SMALL.decode(lines, NOW)
    if found is None:
        return False
    events, bad = EXACT.decode_lines(lines, NOW, "test")
    assert not bad
    assert sorted(found.table.schema.names) == sorted(events.table.schema.names)
    for name in found.table.schema.names:
        assert found.table.column(name).equals(events.table.column(name)), name
        if found.table.schema.field(name).type == "string":
            assert (found.hashes(name, SEED) == hash_column(events.column(name), SEED)).all()
    assert (found.amount_fixed == events.amount_fixed).all()
    assert not found.hashes("phone", SEED).any() or "phone" in events.table.schema.names
    return True


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"amount": 12.345, "currency": "jpy"},
        {"amount": None, "amount_minor": 7, "currency": "KWD"},
        {"event_time": "2024-03-01T10:15:00+01:00", "merchant_id": 7, "customer_id": ""},
        {"card_number": None, "card_id": "c1", "note": None} | {"lat": 1.5, "lon": -180},
        {"card_number": int(PAN), "email": f"{PAN}@example.org", "device_id": "4111 1111 1111 1111"},
        {"transaction_id": "pay-20240301101500123-7", "city": "Zürich" * 20},
        {"attributes": {"a": 3, "b": True, "c": "x", "d": None, "e": PAN, "f": ""}},
        {"card_number": "378282246310005"},
        {"card_number": None, "card_id": "c1", "card_bin": "411111"},
        {"card_number": None, "card_id": "c1", "card_bin": 411111, "card_bin8": "41111111"},
    ],
    ids=lambda fields: ",".join(fields) or "plain",
)
def test_a_plain_payment_is_decoded_as_by_the_exact_path(fields):
    record = {name: value for name, value in (GOOD | fields).items() if name != "note"}
    assert assert_same(lines_of([record]))
    assert assert_same(lines_of([record, record | {"transaction_id": "t2", "merchant_id": "m"}]))


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": "-1"},
        {"amount": "much"},
        {"amount": None},
        {"currency": "XXY"},
        {"event_time": 5},
        {"event_time": "yesterday"},
        {"event_time": None},
        {"transaction_id": ""},
        {"card_number": "12"},
        {"card_number": ""},
        {"card_id": "c1"},
        {"card_bin": "411111"},
        {"card_number": None, "card_bin": "4111"},
        {"card_number": None, "card_bin8": "41111111"},
        {"card_number": None, "card_bin": "411112", "card_bin8": "41111111"},
        {"lat": 91},
        {"attributes": {f"a{number}": 1 for number in range(513)}},
        {"attributes": {"n": 4111111111111111}},
        {"attributes": {"attributes.n": 1}},
        {"attributes": {PAN: 1}},
        {"city": "x" * 5000},
        {"kind": "label"},
        {"surprise": 1},
    ],
    ids=lambda fields: ",".join(f"{name}={str(value)[:20]}" for name, value in fields.items()),
)
def test_anything_else_is_left_to_the_exact_path(fields):
    assert SMALL.decode(lines_of([GOOD, GOOD | fields]), NOW) is None


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"transaction_id":"\\ud800"}', b"\xff", b"[" * 10_000])
def test_what_is_no_record_is_left_to_the_exact_path(line):
    assert SMALL.decode([line], NOW) is None


def test_nothing_is_left_to_the_exact_path():
    assert SMALL.decode([], NOW) is None


TEXT = st.one_of(
    st.none(),
    st.text(max_size=12),
    st.integers(-5, 10**20),
    st.from_regex(r"[a-z -]{0,3}[0-9 -]{10,24}[a-z]{0,2}", fullmatch=True),
)
RECORD = st.fixed_dictionaries(
    {"transaction_id": st.text(min_size=1), "event_time": st.integers(NOW - 10**10, NOW)},
    optional={
        "amount": st.one_of(st.floats(0, 1e9), st.decimals(0, 10**6, places=3).map(str)),
        "amount_minor": st.integers(0, 10**12),
        "currency": st.sampled_from(["EUR", "usd", "JPY", "KWD", None]),
        "card_number": st.sampled_from([PAN, int(PAN), "5500 0000 0000 0004", None]),
        "card_bin": st.sampled_from(["411111", 411111, "41111", "", None]),
        "card_bin8": st.sampled_from(["41111111", "41111211", None]),
        "merchant_id": TEXT,
        "email": TEXT,
        "country": st.text(max_size=3),
        "lat": st.floats(-91, 91),
        "attributes": st.dictionaries(
            st.sampled_from(["a", "b"]),
            st.one_of(st.none(), st.booleans(), st.floats(-1e9, 1e9), st.text(max_size=4)),
        ),
    },
)


@given(st.lists(RECORD, min_size=1, max_size=5))
@settings(max_examples=300, deadline=None)
def test_random_payments_are_decoded_as_by_the_exact_path(records):
    assert_same(lines_of(records))


def test_hashes_of_columns_that_no_payment_carries_are_zero():
    found = SMALL.decode(lines_of([GOOD, GOOD]), NOW)
    assert np.array_equal(found.hashes("terminal_id", SEED), [0, 0])
