"""Whatever stands in a block, Arrow's way of reading it and the exact one come to the same."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.decoding.decode_block import BlockDecoder, is_plain, line_ends, read_block
from ringfence.events.privacy.tokens import Tokenizer

NOW = 1_750_000_000_000
TOKENIZER = Tokenizer(b"0123456789abcdef")
EXACT = JsonDecoder(TOKENIZER)
GOOD = {
    "transaction_id": "t1",
    "event_time": "2024-03-01T10:15:00Z",
    "amount": 12.34,
    "currency": "EUR",
    "card_number": "4111111111111111",
    "lat": 47.5,
    "attributes": {"basket": 3, "new": True, "shop": "web"},
}
LABEL = {"kind": "label", "transaction_id": "t1", "event_time": "2024-03-02T10:15:00Z", "label": True}


def text(record) -> bytes:
    return json.dumps(record).encode()


def rows(events) -> list[dict]:
    return [{k: bits(v) for k, v in row.items() if v is not None} for row in events.table.to_pylist()]


def bits(value):
    """Tells -0.0 from 0.0."""
    return (value, math.copysign(1.0, value)) if isinstance(value, float) else value


def same(block: bytes, decoder: BlockDecoder | None = None) -> None:
    decoder = decoder or BlockDecoder(TOKENIZER)
    lines = block.removesuffix(b"\n").split(b"\n")
    events, bad = EXACT.decode_lines(lines, NOW, "file", 5)
    for _ in range(2):  # before and after it has learned from these lines
        ours, ours_bad = decoder.decode(block, NOW, "file", 5)
        assert rows(ours) == rows(events)
        assert ours_bad == bad


ODD_LINES = [
    b"",
    b"   ",
    b"{}",
    b"[1]",
    b"null",
    b'{"transaction_id":"a"} {"transaction_id":"b"}',
    b'{"transaction_id":"a"}{"transaction_id":"b"}',
    b'{"transaction_id":',
    b'"a"}',
    b'{"transaction_id":"a","transaction_id":"b","event_time":1709288100000,"amount":1}',
    b'{"transaction_id":null,"transaction_id":"b","event_time":1709288100000,"amount":1}',
    b'{"transaction_id":"a","\\u0061mount":7,"event_time":1709288100000}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1,"attributes":{"x":1,"x":2}}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1,"attributes":{}}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1,"attributes":{"x":null}}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1,"attributes":{"x":-0}}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1,"attributes":{"x":{"y":1}}}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1,"attributes":{"4111111111111111":1}}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":NaN}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":Infinity}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1e999}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":01}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1.}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":123456789012345678901234567890}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1,"lat":-0.0}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1,"lat":-0}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1,"lat":1e-400}',
    b'{"transaction_id":12345678901234567890123,"event_time":1709288100000,"amount":1}',
    b'{"transaction_id":-0,"event_time":1709288100000,"amount":1}',
    b'{"transaction_id":1.0,"event_time":1709288100000,"amount":1}',
    b'{"transaction_id":true,"event_time":1709288100000,"amount":1}',
    b'{"transaction_id":"a","event_time":17092881000000000000000,"amount":1}',
    b'{"transaction_id":"a","event_time":1709288100000.0,"amount":1}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount_minor":5}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount_minor":5,"amount":1}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount_minor":99999999999999999999}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount_minor":5.0}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1,"currency":5}',
    b'{"kind":"transaction","transaction_id":"a","event_time":1709288100000,"amount":1}',
    b'{"kind":null,"transaction_id":"a","event_time":1709288100000,"amount":1}',
    b'{"kind":"labl","transaction_id":"a","event_time":1709288100000,"amount":1}',
    b'{"transaction_id":"caf\xc3\xa9","event_time":1709288100000,"amount":1}',
    b'{"transaction_id":"caf\xe9","event_time":1709288100000,"amount":1}',
    b'{"transaction_id":"\\u00e9\\u0000\\/","event_time":1709288100000,"amount":1}',
    b'{"transaction_id":"\\ud83d\\ude00","event_time":1709288100000,"amount":1}',
    b'{"transaction_id":"\\udc00","event_time":1709288100000,"amount":1}',
    b'{"transaction_id":"a\tb","event_time":1709288100000,"amount":1}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1}\r',
    b' {"transaction_id":"a","event_time":1709288100000,"amount":1}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1},',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1}}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1}/**/',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1,"amout":1}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1,"card_number":4111111111111111}',
    b'{"transaction_id":"a","event_time":1709288100000,"amount":1,"card_number":"12"}',
    b'{"transaction_id":"a","event_time":"soon","amount":-1,"city":"4111111111111111"}',
    text(GOOD | {"amount": "12.34"}),
    text(GOOD | {"attributes": {f"a{n}": n for n in range(513)}}),
    text(GOOD | {"attributes": {"basket": "many"}}),
    text(LABEL),
    text(GOOD | {"city": "x" * (1 << 20)}),
]


@pytest.mark.parametrize("odd", ODD_LINES, ids=range(len(ODD_LINES)))
@pytest.mark.parametrize("around", [0, 1])
def test_an_odd_line_is_read_as_by_the_exact_path(odd, around):
    plain = [text(GOOD)] * around
    same(b"\n".join([*plain, odd, *plain]) + b"\n")


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("4111 1111 1111 1111")
)
_TIMES = st.sampled_from(["2024-03-01T10:15:00Z", "2024-03-01", 1_709_288_100_000, "soon", 5, None])
_RECORDS = st.fixed_dictionaries(
    {"transaction_id": st.one_of(st.text(max_size=3), st.integers()), "event_time": _TIMES},
    optional={
        "kind": st.sampled_from(["transaction", "label"]),
        "amount": st.one_of(st.floats(), st.integers(), st.just("1.005")),
        "amount_minor": st.integers(),
        "currency": st.sampled_from(["EUR", "jpy", "XXQ", None]),
        "card_number": st.sampled_from(["4111111111111111", 4111111111111111, "12", None]),
        "merchant_id": _SCALARS,
        "lat": st.floats(-100, 100),
        "attributes": st.dictionaries(st.sampled_from(["a", "b", "kind"]), _SCALARS, max_size=2),
    },
)
_LINES = st.one_of(
    _RECORDS.map(text),
    _RECORDS.map(text),
    _RECORDS.map(lambda record: json.dumps(record, ensure_ascii=False).encode(errors="surrogatepass")),
    st.sampled_from(ODD_LINES[:-1]),
    st.binary(max_size=12).filter(lambda data: b"\n" not in data),
)


@given(st.lists(st.lists(_LINES, min_size=1, max_size=4), min_size=1, max_size=4))
def test_any_lines_are_read_as_by_the_exact_path(blocks):
    decoder = BlockDecoder(TOKENIZER)
    for lines in blocks:
        same(b"\n".join(lines), decoder)


@given(st.lists(st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.integers()), min_size=1))
def test_numbers_keep_every_bit(pairs):
    records = [
        GOOD | {"transaction_id": str(place), "amount": number, "attributes": {"whole": whole, "x": number}}
        for place, (number, whole) in enumerate(pairs)
    ]
    same(b"\n".join(map(text, records)))


def test_one_bad_line_among_thousands_costs_its_neighbours_nothing():
    lines = [text(GOOD | {"transaction_id": str(number)}) for number in range(3000)]
    lines[700] = b"{"
    lines[2999] = text(LABEL)
    same(b"\n".join(lines) + b"\n")


def test_lines_that_are_alike_need_no_exact_path():
    block = b"\n".join([text(GOOD)] * 3) + b"\n"
    ends = line_ends(block)
    assert is_plain(block, ends)
    decoder = BlockDecoder(TOKENIZER)
    decoder.decode(block, NOW, "file")
    table = read_block(block, ends, decoder._schema())
    assert isinstance(table, pa.RecordBatch)
    assert table.column("amount").to_pylist() == [12.34] * 3


def test_lines_end_where_newlines_stand():
    assert line_ends(b"ab\n\nc").tolist() == [2, 3, 5]
    assert line_ends(b"ab\n").tolist() == [2]
    assert not is_plain(b"", np.zeros(0, np.int64))
