"""One JSON object is one event, or says field by field why it is none."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.events.bad import BadRecord, Reason
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.decoding.decode_small import SmallDecoder
from ringfence.events.privacy.tokens import Tokenizer

NOW = 1_750_000_000_000
PAN = "4111111111111111"
TOKENIZER = Tokenizer(b"0123456789abcdef")
DECODER = JsonDecoder(TOKENIZER)
GOOD = {"transaction_id": "t1", "event_time": "2024-03-01T10:15:00Z", "amount": "12.34", "currency": "EUR"}


def decoded(record) -> dict:
    event = DECODER.decode_one(json.dumps(record).encode(), NOW)
    assert isinstance(event, EventBatch), event
    return {name: value for name, value in event.table.to_pylist()[0].items() if value is not None}


def refused(record, **more) -> BadRecord:
    body = record if isinstance(record, bytes) else json.dumps({**record, **more}).encode()
    bad = DECODER.decode_one(body, NOW)
    assert isinstance(bad, BadRecord)
    return bad


def test_a_payment_becomes_columns():
    event = decoded(
        {**GOOD, "merchant_id": 7, "lat": 47, "attributes": {"basket": 3, "new": True, "shop": "web"}}
    )
    assert event == {
        "kind": 0,
        "event_time_ms": 1_709_288_100_000,
        "ingest_time_ms": NOW,
        "transaction_id": "t1",
        "merchant_id": "7",
        "amount_minor": 1234,
        "currency": "EUR",
        "lat": 47.0,
        "attributes.basket": 3.0,
        "attributes.new": True,
        "attributes.shop": "web",
    }


@pytest.mark.parametrize(
    ("fields", "minor"),
    [
        ({"amount": 12.34}, 1234),
        ({"amount": 12}, 1200),
        ({"amount": "500", "currency": "JPY"}, 500),
        ({"amount": "1.2345", "currency": "KWD"}, 1234),
        ({"amount": None, "amount_minor": 99}, 99),
        ({"amount": "7.5", "currency": None}, 750),
        ({"amount": "7.5", "currency": "usd"}, 750),
    ],
)
def test_amounts_in_every_form(fields, minor):
    assert decoded({**GOOD, **fields})["amount_minor"] == minor


def test_a_card_number_leaves_a_token_and_four_digits():
    event = decoded({**GOOD, "card_number": PAN})
    assert (event["card_id"], event["card_last4"]) == (TOKENIZER.token(PAN), "1111")


@pytest.mark.parametrize("field", ["customer_id", "card_id", "merchant_id", "city", "transaction_id"])
def test_a_card_number_in_any_other_field_becomes_a_token(field):
    assert decoded({**GOOD, field: PAN})[field] == TOKENIZER.token(PAN)
    assert decoded({**GOOD, field: int(PAN)})[field] == TOKENIZER.token(PAN)


def test_a_card_number_in_an_attribute_becomes_a_token():
    event = decoded({**GOOD, "attributes": {"memo": f"card {PAN}", PAN: 1}})
    assert PAN not in str(event)
    assert event["attributes.memo"] == f"card {TOKENIZER.token(PAN)}"


@pytest.mark.parametrize(
    ("more", "reason", "field"),
    [
        ({"event_time": "soon"}, Reason.UNPARSABLE_TIME, "event_time"),
        ({"event_time": "2024-03-01T10:15:00"}, Reason.UNPARSABLE_TIME, "event_time"),
        ({"event_time": "1970-01-01T00:00:00Z"}, Reason.TIME_OUT_OF_RANGE, "event_time"),
        ({"event_time": "2100-01-01T00:00:00Z"}, Reason.TIME_OUT_OF_RANGE, "event_time"),
        ({"event_time": 10**30}, Reason.UNPARSABLE_TIME, "event_time"),
        ({"event_time": None}, Reason.MISSING_FIELD, "event_time"),
        ({"transaction_id": ""}, Reason.MISSING_FIELD, "transaction_id"),
        ({"amount": "12,34"}, Reason.UNPARSABLE_AMOUNT, "amount"),
        ({"amount": "NaN"}, Reason.UNPARSABLE_AMOUNT, "amount"),
        ({"amount": -1}, Reason.NEGATIVE_AMOUNT, "amount"),
        ({"amount": 9.99e13}, Reason.ABSURD_AMOUNT, "amount"),
        ({"amount": "1e999999999"}, Reason.ABSURD_AMOUNT, "amount"),
        ({"amount": None}, Reason.MISSING_FIELD, "amount"),
        ({"amount_minor": 5}, Reason.WRONG_TYPE, "amount"),
        ({"currency": "XXQ"}, Reason.UNKNOWN_CURRENCY, "currency"),
        ({"card_number": "12"}, Reason.CARD_NUMBER, "card_id"),
        ({"attributes": {"n": int(PAN)}}, Reason.CARD_NUMBER, "attributes.n"),
        ({"lat": 91}, Reason.OUT_OF_RANGE, "lat"),
        ({"lat": "north"}, Reason.WRONG_TYPE, "lat"),
        ({"city": "x" * 4097}, Reason.TOO_LARGE, "city"),
        ({"city": "x" * 10_000_000}, Reason.TOO_LARGE, ""),
        ({"attributes": {f"a{i}": i for i in range(513)}}, Reason.TOO_LARGE, "attributes"),
        ({"attributes": {"deep": {"a": 1}}}, Reason.WRONG_TYPE, "attributes"),
        ({"kind": "labl"}, Reason.WRONG_TYPE, "kind"),
    ],
)
def test_a_bad_field_is_named_with_its_reason(more, reason, field):
    bad = refused(GOOD, **more)
    assert (bad.reason, bad.faults[0].field) == (reason, field)
    assert len(bad.original) <= 64 * 1024


def test_events_that_together_have_many_names_keep_them_in_few_columns():
    """Each of 600 events with a name of its own, and one with more names than an event may have."""
    lines = [{**GOOD, "attributes": {f"a{row}": row, f"b{row}": "x"}} for row in range(600)]
    lines.insert(300, {**GOOD, "attributes": {f"a{i}": i for i in range(513)}})
    events, bad = DECODER.decode_lines([json.dumps(line).encode() for line in lines], NOW, "file")
    assert [record.position for record in bad] == [301]
    assert events.table.num_columns < 150
    assert [events.attributes_of(row) for row in range(600)] == [
        {f"a{row}": row, f"b{row}": "x"} for row in range(600)
    ]
    assert np.flatnonzero(~np.isnan(events.number("attributes.a577"))).tolist() == [577]
    assert events.text("attributes.b577").to_pylist().index("x") == 577


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"transaction_id": "t1"', Reason.MALFORMED),
        (b"[1]", Reason.MALFORMED),
        (b'{"transaction_id": "t1", "amount": NaN}', Reason.MALFORMED),
        (b'{"transaction_id": "caf\xe9"}', Reason.INVALID_UTF8),
    ],
)
def test_what_is_no_json_object_is_said_so(body, reason):
    assert refused(body).reason == reason


def test_an_unknown_field_is_refused_and_the_nearest_named():
    bad = refused(GOOD, amout=3)
    assert bad.reason == Reason.UNKNOWN_FIELD
    assert "did you mean amount?" in bad.message


@pytest.mark.parametrize("ident", [1.0, 1e15])
def test_an_id_with_a_point_is_refused_with_the_remedy(ident):
    """It said no more than that a float had come."""
    (fault,) = refused(GOOD, transaction_id=ident).faults
    assert (fault.reason, fault.field) == (Reason.WRONG_TYPE, "transaction_id")
    assert "write it as a text, or without a point" in fault.problem


def test_all_faults_of_a_record_are_told_at_once():
    bad = refused({"transaction_id": "t", "event_time": "soon", "amount": "x", "currency": "?"})
    assert [fault.field for fault in bad.faults] == ["event_time", "currency", "amount"]


def test_no_message_and_no_original_shows_a_card_number():
    for more in (
        {"amount": PAN, "card_number": PAN},
        {"lat": PAN},
        {"event_time": PAN},
        {PAN: 1},
        {"currency": PAN},
    ):
        bad = refused(GOOD, **more)
        assert PAN not in bad.message
        assert PAN.encode() not in bad.original


def test_a_bad_line_harms_no_other():
    lines = [json.dumps({**GOOD, "transaction_id": f"t{i}"}).encode() for i in range(6)]
    lines[2:2] = [b"", b"no json", json.dumps({**GOOD, "amount": "-1"}).encode()]
    events, bad = DECODER.decode_lines(lines, NOW, "file", 10)
    assert events.column("transaction_id").to_pylist() == [f"t{i}" for i in range(6)]
    assert [(one.source, one.position, one.reason) for one in bad] == [
        ("file", 13, Reason.MALFORMED),
        ("file", 14, Reason.NEGATIVE_AMOUNT),
    ]


def test_kinds_stay_in_order():
    records = [
        GOOD,
        {"kind": "label", "transaction_id": "t1", "label": True, "event_time": "2024-03-08T00:00:00Z"},
        {
            "kind": "profile",
            "entity_type": "customer",
            "entity_id": "c",
            "event_time": 1_709_288_100_000,
            "attributes": {"age": 3},
        },
        {**GOOD, "amount": None, "amount_minor": 5},
        {
            "kind": "list_entry",
            "list_name": "bad",
            "list_kind": "block",
            "entity_id": "m",
            "event_time": 1_709_288_100_000,
        },
        {"kind": "flag", "entity_type": "account", "entity_id": "a", "event_time": 1_709_288_100_000},
    ]
    events, bad = DECODER.decode_lines([json.dumps(record).encode() for record in records], NOW, "x")
    assert not bad
    assert events.kind.tolist() == [0, 1, 2, 0, 3, 4]
    assert events.column("event_id").null_count == 2


def test_equal_events_without_an_id_have_equal_ids():
    flag = {"kind": "flag", "entity_type": "account", "entity_id": "a", "event_time": 1_709_288_100_000}
    assert (
        decoded(flag)["event_id"]
        == decoded(flag)["event_id"]
        != decoded({**flag, "entity_id": "b"})["event_id"]
    )
    assert decoded({**flag, "event_id": "mine"})["event_id"] == "mine"


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=4).map(
        lambda x: json.dumps(x).encode()
    )
)
def test_any_bytes_are_an_event_or_a_bad_record(body):
    events, bad = DECODER.decode_lines([body], NOW, "x")
    assert len(events) + len(bad) == (0 if not body.strip() else 1)


def test_the_same_bad_record_has_the_same_id():
    assert refused(b"nonsense").id == refused(b"nonsense").id != refused(b"other").id


def test_an_attribute_that_is_text_here_and_a_number_there_is_both():
    records = [
        {**GOOD, "attributes": {"x": 1}},
        {**GOOD, "amount": None, "amount_minor": 5, "attributes": {"x": "a"}},
        {**GOOD, "attributes": {"x": True}},
    ]
    events, bad = DECODER.decode_lines([json.dumps(record).encode() for record in records], NOW, "x")
    assert [repr(value) for value in events.number("attributes.x").tolist()] == ["1.0", "nan", "1.0"]
    assert events.text("attributes.x").to_pylist() == [None, "a", None]
    assert (events.written("attributes.x").to_pylist(), bad) == (["1", "a", "true"], [])


def test_a_card_by_its_token_keeps_it_beside_one_by_its_number():
    """Requests of different callers share a batch: one must not take another's card away."""
    good = {name: value for name, value in GOOD.items() if name != "card_number"}
    records = [good | {"card_id": "c1"}, good | {"transaction_id": "t2", "card_number": PAN}]
    events, bad = DECODER.decode_lines([json.dumps(one).encode() for one in records], NOW, "test")
    assert not bad
    assert events.column("card_id").to_pylist() == ["c1", TOKENIZER.token(PAN)]


@pytest.mark.parametrize(
    "blank", [" ", "\t \n", "\u00a0", "\u200b", "\ufeff\u2060", "\u3164", "\u2800", "\x00"]
)
def test_an_id_of_which_nobody_sees_anything_is_missing(blank):
    bad = refused(GOOD, transaction_id=blank)
    assert [str(fault) for fault in bad.faults] == ["transaction_id: is missing"]
    assert (
        SmallDecoder(TOKENIZER, 7).decode([json.dumps({**GOOD, "transaction_id": blank}).encode()], NOW)
        is None
    )


@pytest.mark.parametrize("sent", [" t1 ", "\u200bt1", "取引7", "\u3164x"])
def test_an_id_of_which_something_shows_is_kept_as_it_was_sent(sent):
    assert decoded({**GOOD, "transaction_id": sent})["transaction_id"] == sent
