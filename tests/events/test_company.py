"""What becomes of a record does not depend on the records beside it, whoever sent them."""

from __future__ import annotations

import json
from itertools import pairwise, product

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.adapters.files import read
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.decoding.decode_block import BlockDecoder
from ringfence.events.decoding.decode_small import SmallDecoder
from ringfence.events.decoding.draft import Draft
from ringfence.events.mapping import load_mapping
from ringfence.events.model import EVENT_SCHEMA, Kind
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.events.values.numbers import to_floats

NOW = 1_750_000_000_000
PAN = "4111111111111111"
TOKENIZER = Tokenizer(b"0123456789abcdef")
EXACT, SMALL = JsonDecoder(TOKENIZER), SmallDecoder(TOKENIZER, 5)

NAMES = (
    "x",
    "attributes.x",
    "y",
    "",
    "a.b",
    'q"\\',
    "n_ms",
    "ä",
    "💳" * 30,
    "z" * 90,
    "z" * 91,
    PAN,
    "kind",
    "cvv",
    "pin_code",
    "attributes.cardCVV",
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from((1e15, 2**53, 1e-7, -0.0, 1e300, 0.1, int(PAN))),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(("", "1", "1.0", "true", "null", " 1 ", "1_0", "+1", "gold", PAN, "x" * 4097, "€")),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)
ATTRIBUTES = st.none() | st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5)
IDS = (
    st.none()
    | st.text(max_size=3)
    | st.integers(0, 10**20)
    | st.sampled_from((PAN, "\u0000", 1.5, [1], True))
)
TIMES = st.sampled_from(
    (
        NOW,
        NOW - 1,
        1,
        -1,
        10**20,
        -(10**19),
        "2024-03-01T10:15:00Z",
        "2024-03-01",
        "soon",
        "",
        None,
        1.5,
        str(NOW),
    )
)
AMOUNTS = st.one_of(
    st.sampled_from(
        ("12.34", "1e2", "", "x", None, 12.34, 5, 0.1, 1e-9, -1, -1.5, 1e300, True, "0x10", "1,5")
    ),
    st.floats(0, 1e6),
    st.floats(0, 1e6).map(str),
)
PAYMENTS = st.fixed_dictionaries(
    {"transaction_id": st.just("t") | IDS, "event_time": st.just(NOW) | TIMES, "amount": AMOUNTS},
    optional={
        "attributes": ATTRIBUTES,
        "currency": st.sampled_from(("EUR", "jpy", "KWD", "XXQ", "ß", "", None, 5)),
        "amount_minor": st.sampled_from((5, None, 2**63, "5")),
        "card_number": st.sampled_from((PAN, int(PAN), "4111 1111 1111 1111", "12", None)),
        "card_id": IDS,
        "merchant_id": IDS,
        "lat": st.sampled_from((1, 1.5, 91, None, "1", "")),
        "city": IDS,
        "nobody": st.just(1),
    },
)
OTHERS = st.one_of(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(("profile", "flag", "label", "list_entry", "nonsense")),
            "entity_type": st.just("card"),
            "entity_id": IDS,
            "event_time": TIMES,
        },
        optional={"attributes": ATTRIBUTES, "label": st.booleans(), "transaction_id": IDS},
    )
)
RECORDS = st.lists(PAYMENTS | OTHERS, min_size=2, max_size=8)


def line_of(record):
    return json.dumps(record, ensure_ascii=False).encode()


def meaning(events: EventBatch, row: int):
    """All that anything ever reads of one event."""
    names = [name for name in events.table.schema.names if name in EVENT_SCHEMA.names]
    fields = {name: events.column(name)[row].as_py() for name in names}
    attributes = {
        name: (
            repr(float(events.number(name)[row])),
            events.text(name)[row].as_py(),
            events.written(name)[row].as_py(),
            int(events.hashes(name, 5)[row]),
        )
        for name in events.attribute_names
    }
    nothing = ("nan", None, None, 0)
    return (
        {name: value for name, value in fields.items() if value is not None},
        {name: value for name, value in attributes.items() if value != nothing},
        sorted(map(repr, events.attributes_of(row).items())),
    )


def outcomes(lines, decode):
    """What became of each line: an event, or what is said of it and kept."""
    events, bad = decode(lines)
    refused = {record.position: (record.faults, record.original) for record in bad}
    good = iter(range(len(events)))
    return [
        refused[place] if place in refused else meaning(events, next(good)) for place in range(len(lines))
    ]


def exact(lines):
    return EXACT.decode_lines(lines, NOW, "test", 0)


def small(lines):
    found = SMALL.decode(lines, NOW)
    return exact(lines) if found is None else (found, [])


def in_pieces(cuts):
    """Decoded in pieces that become one batch, as those of several requests and blocks do."""

    def decode(lines):
        edges = [0, *sorted({cut % len(lines) for cut in cuts} - {0}), len(lines)]
        parts = [EXACT.decode_lines(lines[a:b], NOW, "test", a) for a, b in pairwise(edges)]
        batches = [events for events, _ in parts if len(events)]
        empty = EXACT.decode_lines([], NOW, "test")[0]
        return EventBatch.concat(batches or [empty]), [record for _, bad in parts for record in bad]

    return decode


def block(lines):
    """Twice: what the first look has learned is used by the second."""
    blocks = BlockDecoder(TOKENIZER)
    blocks.decode(b"\n".join(lines), NOW, "test", 0)
    return blocks.decode(b"\n".join(lines), NOW, "test", 0)


def logged(lines):
    events, bad = exact(lines)
    return codec.decode(codec.encode(events)) if len(events) else events, bad


@settings(max_examples=150, deadline=None)
@given(RECORDS, st.lists(st.integers(0, 7), max_size=3), st.randoms(use_true_random=False))
def test_a_record_becomes_the_same_alone_and_in_any_company(records, cuts, chance):
    lines = [line_of(record) for record in records]
    alone = [outcomes([line], exact)[0] for line in lines]
    assert outcomes(lines, exact) == alone
    for decode in (small, in_pieces(cuts), block, logged):
        assert outcomes(lines, decode) == alone
    order = list(range(len(lines)))
    chance.shuffle(order)
    assert outcomes([lines[place] for place in order], exact) == [alone[place] for place in order]


@pytest.mark.parametrize(
    "text", ["1", "nan", "NaN", "nan(1)", " 1 ", "1_0", "+1", "1e5", "", "x", "0x10", "inf"]
)
def test_a_number_in_text_is_read_the_same_beside_one_that_is_none(text):
    (alone,), (bad,) = to_floats(pa.array([text]))
    floats, faults = to_floats(pa.array([text, "no number", None]))
    assert (repr(floats[0]), bool(faults[0])) == (repr(alone), bool(bad))
    assert faults[1:].tolist() == [True, False]


def test_an_id_in_a_column_of_floats_is_written_the_same_beside_one_that_is_not_whole():
    def ids(values):
        draft = Draft(Kind.TRANSACTION, len(values), TOKENIZER, NOW)
        draft.text("merchant_id", pa.array(values, pa.float64()))
        return draft.column("merchant_id").to_pylist()

    values = [7.0, 1.5, 123456789012.0, 2.0**53, -0.0, None, 1e300]
    assert ids(values) == [ids([value])[0] for value in values]


MAPPING = """
[[records]]
attributes = ["x"]
[records.fields]
transaction_id = "id"
event_time = { column = "at", format = "epoch_ms" }
amount = "sum"
merchant_id = "shop"
"""
"""Names of a source's own, JSON."""


def test_a_value_of_a_mapped_record_is_the_same_alone_and_in_company(tmp_path):
    """Each kind of value that JSON has, as attribute and as id; a batch of one row is a row alone."""
    values = [1, "1", 1.0, 1.5, True, None, 10**30, 2**60, "x", [1], ["a"], {"a": 1}]
    records = [
        {"id": f"t{place}", "at": NOW, "sum": 1, "shop": shop, "x": x}
        for place, (shop, x) in enumerate(product(values, values))
    ]
    (tmp_path / "theirs.toml").write_text(MAPPING)
    (tmp_path / "in.ndjson").write_text("".join(json.dumps(record) + "\n" for record in records))
    mapping = load_mapping(str(tmp_path / "theirs.toml"))

    def found(batch_rows):
        told = {}
        for piece in read([str(tmp_path / "in.ndjson")], mapping, TOKENIZER, NOW, batch_rows=batch_rows):
            ids = piece.events.column("transaction_id").to_pylist()
            told |= {name: meaning(piece.events, row) for row, name in enumerate(ids)}
            told |= {one.position: (one.faults, one.original) for one in piece.bad}
        return told

    alone = found(1)
    assert len(alone) == len(records)
    assert found(8192) == found(7) == alone
