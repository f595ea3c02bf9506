"""Values of records that are read without a look at each: the same as with one, or not read so."""

from __future__ import annotations

import json

import pytest

from ringfence.adapters.stream_records import StreamDecoding, Streamed, json_in
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer

NOW_MS = 1_767_225_600_000


def payment(number, **more):
    known = {
        "transaction_id": f"t{number}",
        "event_time": NOW_MS - number,
        "amount": "1.50",
        "currency": "EUR",
    }
    return json.dumps(known | {"card_number": "4111111111111111", "device_id": f"d{number}"} | more).encode()


LABEL = b'{"kind":"label","event_id":"l","transaction_id":"t1","event_time":1750000000000,"label":true}'
GOOD = [payment(number) for number in range(20)]


def decoding(**more):
    made = StreamDecoding(load_mapping("canonical"), Tokenizer(bytes(32)), {}, **more)
    made(records(GOOD), NOW_MS)  # learns how payments look here
    return made


def records(values):
    return [Streamed("s", at, "", value, json_in(value)) for at, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "is_usual"),
    [
        (GOOD, True),
        ([*GOOD, payment(30, amount="much"), payment(31), payment(32, event_time=5)], True),
        ([payment(1), payment(2) + b"\n"], False),
        ([payment(1) + b"\n" + payment(2), b""], False),
        ([payment(1), b"{", payment(2)], False),
        ([payment(1), b"", payment(2)], False),
        ([b"\n", payment(2)], False),
        ([payment(1), LABEL], False),
        ([payment(1), payment(2, attributes={"basket": 3})], False),
        ([payment(1), b"\xff\xfe"], False),
        ([payment(1, city="x" * 2_000_000)], False),
    ],
)
def test_the_usual_case_is_read_as_any_other(values, is_usual):
    found, wanted = decoding().plain(values, NOW_MS), decoding()(records(values), NOW_MS)
    assert (found is not None) == is_usual
    if found is not None:
        assert found.events.table.equals(wanted.events.table)
        assert [(one.position, one.faults, one.original) for one in found.bad] == [
            (one.position, one.faults, one.original) for one in wanted.bad
        ]


@pytest.mark.parametrize("more", [{"keep": frozenset({"key"})}, {"enveloped": True}, {"changes": True}])
def test_where_more_is_asked_for_each_record_is_looked_at(more):
    assert decoding(**more).plain(GOOD, NOW_MS) is None
