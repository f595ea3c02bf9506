"""Each verification code, PIN and track that comes and is not kept is counted once, whatever comes of it."""

from __future__ import annotations

import json

import pytest
from tests.card_data import SPELLINGS

from ringfence.api.hot.decoding import Decoding
from ringfence.events.privacy.tokens import Tokenizer

NOW_MS = 1_735_732_800_000  # 2025-01-01T12:00
TRACK = SPELLINGS["track 2"]("4111111111111111")
CODES, PINS, TRACKS = "verification codes", "PINs", "track data"


def payment(**fields):
    base = {"transaction_id": "t1", "event_time": NOW_MS, "amount": "12.50", "currency": "EUR"}
    return base | fields


RECORDS = {
    "a good payment": (payment(attributes={"cvv": "737", "pin": 1234, "cid": "7379"}), {CODES: 2, PINS: 1}),
    "a track in a field": (payment(merchant_id=TRACK), {TRACKS: 1}),
    "a track in a note": (payment(attributes={"note": TRACK, "cvv": "737"}), {CODES: 1, TRACKS: 1}),
    "a track beside a number": (payment(attributes={"a": TRACK, "b": 1.0, "c": TRACK}), {TRACKS: 2}),
    "a bad amount": (payment(amount="x", attributes={"cvv": "737", "note": TRACK}), {CODES: 1, TRACKS: 1}),
    "a track as amount": (payment(amount=TRACK), {TRACKS: 1}),
    "a track as time": (payment(event_time=TRACK), {TRACKS: 1}),
    "a track as card number": (payment(card_number=TRACK), {TRACKS: 1}),
    "a track as currency": (payment(currency=TRACK, merchant_id=TRACK), {TRACKS: 2}),
    "no such field": (payment(cvv="737", pinblock="x", note=TRACK), {CODES: 1, PINS: 1, TRACKS: 1}),
    "no such kind": (payment(kind="wish", cvv="737"), {CODES: 1}),
    "a label": (
        {"kind": "label", "transaction_id": "t", "event_time": NOW_MS, "label": True, "note": TRACK},
        {TRACKS: 1},
    ),
    "too many attributes": (payment(attributes={f"n{at}": 1 for at in range(600)} | {"cvv": 1}), {CODES: 1}),
    "nothing secret": (payment(attributes={"cvv_check": "match", "cvv": None}), {}),
}


@pytest.mark.parametrize("name", RECORDS)
def test_of_one_record(name):
    record, expected = RECORDS[name]
    tokenizer = Tokenizer(b"0123456789abcdef")
    Decoding(tokenizer, 1)([json.dumps(record).encode()], NOW_MS)
    assert dict(tokenizer.dropped) == expected


@pytest.mark.parametrize("copies", [1, 40])  # of the small and of the block decoder
@pytest.mark.parametrize("whole", [False, True])
def test_of_records_that_come_together(copies, whole):
    tokenizer, expected = Tokenizer(b"0123456789abcdef"), Tokenizer(b"0123456789abcdef").dropped
    decoding = Decoding(tokenizer, 1)
    for _, counts in RECORDS.values():
        expected.update({secret: copies * count for secret, count in counts.items()})
    lines = [json.dumps(record).encode() for record, _ in RECORDS.values()] * copies
    (decoding.of_batch() if whole else decoding)(lines, NOW_MS)
    assert tokenizer.dropped == expected


def test_an_attribute_of_another_type_than_its_column_counts_for_its_own_record():
    tokenizer = Tokenizer(b"0123456789abcdef")
    mixed = [payment(attributes={"a": 1.0}), payment(attributes={"a": TRACK}), payment(attributes={"a": 2.0})]
    for more in ({}, {"amount": "x"}):
        lines = [json.dumps(record | more).encode() for record in mixed]
        Decoding(tokenizer, 1)(lines, NOW_MS)
    assert dict(tokenizer.dropped) == {TRACKS: 2}
