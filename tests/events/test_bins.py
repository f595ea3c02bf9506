"""First digits of card numbers: kept beside the token from every door, never enough to find the number."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.card_data import NUMBERS

from ringfence.adapters.files import read
from ringfence.events import codec
from ringfence.events.bad import Reason
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.decoding.decode_block import BlockDecoder
from ringfence.events.decoding.decode_small import SmallDecoder
from ringfence.events.mapping import load_mapping
from ringfence.events.model import BIN_FIELDS
from ringfence.events.privacy.tokens import Tokenizer

NOW = 1_750_000_000_000
PAN = "4111111111111111"
TOKENIZER = Tokenizer(b"0123456789abcdef")
GOOD = {"transaction_id": "t1", "event_time": "2024-03-01T10:15:00Z", "amount": "12.34", "currency": "EUR"}
WANTED = {
    PAN: ("411111", "41111111"),
    "6759649826438453000": ("675964", "67596498"),
    "378282246310005": ("378282", None),
    "30569309025904": ("305693", None),
    "4222222222222": (None, None),
    "503857220415": (None, None),
}


def exact(records):
    return JsonDecoder(TOKENIZER).decode_lines([json.dumps(one).encode() for one in records], NOW, "test")


def kept(events: EventBatch):
    return list(zip(*(events.column(name).to_pylist() for name in BIN_FIELDS), strict=True))


def one_by_one(records, _tmp_path):
    return [EventBatch.concat([exact([one])[0] for one in records])]


def by_the_short_way(records, _tmp_path):
    events = SmallDecoder(TOKENIZER, 1).decode([json.dumps(one).encode() for one in records], NOW)
    assert events is not None
    return [events]


def in_a_block(records, _tmp_path):
    block = b"\n".join(json.dumps(one).encode() for one in records)
    events, bad = BlockDecoder(TOKENIZER).decode(block, NOW, "test")
    assert not bad
    return [events]


def from_csv(records, tmp_path):
    lines = [",".join(records[0]), *(",".join(map(str, one.values())) for one in records)]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    return [
        batch.events for batch in read([str(tmp_path / "a.csv")], load_mapping("canonical"), TOKENIZER, NOW)
    ]


def from_parquet(records, tmp_path):
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet")
    return [
        batch.events
        for batch in read([str(tmp_path / "a.parquet")], load_mapping("canonical"), TOKENIZER, NOW)
    ]


@pytest.mark.parametrize("through", [one_by_one, by_the_short_way, in_a_block, from_csv, from_parquet])
def test_every_door_keeps_six_digits_of_14_and_eight_of_16(through, tmp_path):
    """At least four digits beside the last four stay unknown."""
    records = [{**GOOD, "transaction_id": f"t{number}", "card_number": number} for number in WANTED]
    events = EventBatch.concat(through(records, tmp_path))
    assert kept(events) == list(WANTED.values())
    stored = codec.decode(codec.encode(events))
    assert kept(stored) == list(WANTED.values())


def test_no_number_can_be_found_from_what_is_kept_of_it():
    for number in NUMBERS:
        events, bad = exact([{**GOOD, "card_number": number}])
        assert not bad
        row = {name: value for name, value in events.table.to_pylist()[0].items() if value is not None}
        first = row.get("card_bin8") or row.get("card_bin") or ""
        assert number.startswith(first)
        assert len(number) - len(first) - len(row["card_last4"]) >= 4
        assert number not in str(row)
        assert number not in TOKENIZER.card_or_text(number)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"card_bin": "411111"}, ("411111", None)),
        ({"card_bin": 411111, "card_bin8": 41111111}, ("411111", "41111111")),
        ({"card_bin8": "41111111"}, ("411111", "41111111")),
        ({"card_bin": ""}, (None, None)),
        ({"card_number": "378282246310005", "card_bin8": "41111111"}, ("378282", None)),
    ],
    ids=str,
)
def test_who_sends_a_token_may_say_its_bin_and_a_number_says_its_own(given, found):
    events, bad = exact([{**GOOD, **({} if "card_number" in given else {"card_id": "c1"}), **given}])
    assert not bad
    assert kept(events) == [found]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"card_bin": "41111"}, "'41111' is not the first 6 digits"),
        ({"card_bin": "4111 11"}, "is not the first 6 digits"),
        ({"card_bin": "\u0664" * 6}, "is not the first 6 digits"),
        ({"card_bin8": "411111"}, "is not the first 8 digits"),
        ({"card_bin": "411111\n"}, "is not the first 6 digits"),
        ({"card_bin": "411112", "card_bin8": "41111111"}, "does not begin with card_bin"),
    ],
    ids=str,
)
def test_what_is_no_bin_is_refused_with_the_remedy(given, said):
    (bad,) = exact([{**GOOD, "card_id": "c1", **given}])[1]
    assert bad.reason is Reason.WRONG_TYPE
    assert said in bad.message


def test_a_whole_number_in_place_of_a_bin_is_refused_and_not_shown():
    (bad,) = exact([{**GOOD, "card_id": "c1", "card_bin": PAN}])[1]
    assert PAN not in f"{bad.message}{bad.original!r}"


def test_a_quarantined_payment_is_read_again_with_its_bin():
    (bad,) = exact([{**GOOD, "amount": "-1", "card_number": PAN}])[1]
    assert PAN.encode() not in bad.original
    again = bad.original.replace(b'"-1"', b'"1"')
    events, _ = JsonDecoder(TOKENIZER).decode_lines([again], NOW, "test")
    assert kept(events) == [("411111", "41111111")]
