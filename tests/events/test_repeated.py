"""A key that stands twice in one JSON object: no reader's choice decides a payment."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.adapters.files.json_rows import parse_lines
from ringfence.adapters.stream_records import json_in, with_attributes
from ringfence.events.bad import BadRecord, Reason
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.decoding.decode_block import BlockDecoder
from ringfence.events.decoding.decode_small import SmallDecoder
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.events.repeated import (
    _ONCE,
    _bytes,
    _walk,
    are_keys,
    may_repeat,
    repeated_fault,
    repeated_key,
)

NOW = 1_750_000_000_000
PAN = "4111111111111111"
TOKENIZER = Tokenizer(b"0123456789abcdef")
EXACT = JsonDecoder(TOKENIZER)
REST = '"event_time": "2024-03-01T10:15:00Z", "currency": "EUR"'
TWICE = {
    "amount": f'{{"transaction_id": "t1", "amount": "9.00", {REST}, "amount": "900.00"}}',
    "transaction_id": f'{{"transaction_id": "t1", "amount": "9.00", {REST}, "transaction_id" : "t2"}}',
    "country": f'{{"transaction_id": "t1", "amount": "9.00", {REST}, "country": null, "country": "DE"}}',
    "tier": f'{{"transaction_id": "t1", "amount": "9.00", {REST}, "attributes": {{"tier": 1, "tier": 2}}}}',
    "m": f'{{"transaction_id": "t1", "amount": "9.00", {REST}, "attributes": {{"m": 1, "\\u006d": 2}}}}',
}
ONCE = [
    f'{{"transaction_id": "t{row}", "amount": "9.00", {REST}, "attributes": {{"amount": 1, "tier": "\\":"}}}}'
    for row in range(600)
]


@pytest.mark.parametrize("name", TWICE)
def test_the_record_is_refused_with_the_name_of_the_key(name):
    bad = EXACT.decode_one(TWICE[name].encode(), NOW)
    assert isinstance(bad, BadRecord)
    assert [(fault.reason, fault.field) for fault in bad.faults] == [(Reason.REPEATED_FIELD, name)]
    assert bad.original == TWICE[name].encode()


@pytest.mark.parametrize("name", TWICE)
def test_the_short_ways_leave_it_to_the_exact_one(name):
    assert SmallDecoder(TOKENIZER, 7).decode([ONCE[0].encode(), TWICE[name].encode()], NOW) is None
    block = [line.encode() for line in ONCE]
    block[300] = TWICE[name].encode()
    events, bad = BlockDecoder(TOKENIZER).decode(b"\n".join(block), NOW, "file")
    assert len(events) == 599
    assert [(one.position, one.reason) for one in bad] == [(301, Reason.REPEATED_FIELD)]


def test_names_of_attributes_and_texts_may_look_like_keys_that_were_there():
    lines = [line.encode() for line in ONCE]
    assert SmallDecoder(TOKENIZER, 7).decode(lines[:20], NOW) is not None
    assert not EXACT.decode_lines(lines, NOW, "test")[1]


def test_a_mapped_line_is_refused_where_a_key_stands_twice_at_any_depth():
    objects, faults = parse_lines([b'{"a": {"b": [{"c": 1, "c": 2}]}}', b'{"a": {"c": 1}, "c": 2}'])
    assert objects == [None, {"a": {"c": 1}, "c": 2}]
    assert [(fault.reason, fault.field) for fault in faults[0]] == [(Reason.REPEATED_FIELD, "c")]


def test_what_is_kept_of_it_is_no_record_that_a_replay_would_take():
    line = f'{{"transaction_id": "t1", {REST}, "card_number": "{PAN}", "card_number": "{PAN}"}}'
    bad = EXACT.decode_one(line.encode(), NOW)
    assert isinstance(bad, BadRecord)
    assert PAN.encode() not in bad.original
    assert isinstance(EXACT.decode_one(bad.original, NOW), BadRecord)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("card-number", "card-number"),
        ("order id", "order id"),
        ("a.b", "a.b"),
        (f"n {PAN}", "n ****1111"),
        ("x" * 41, "x" * 40),
        (" ", "a name"),
        ("a\\u001bb", "a name"),
    ],
)
def test_the_key_is_told_as_it_is_written_where_it_can_be_shown(name, shown):
    (faults,) = parse_lines([f'{{"{name}": 1, "{name}": 2}}'.encode()])[1].values()
    assert [fault.field for fault in faults] == [shown]


@pytest.mark.parametrize("twice", ['"a": 1, "a": 2', '"a": 1, "\\u0061": 2'])
def test_no_depth_of_nesting_hides_a_key_that_stands_twice(twice):
    """One reader gives up before the other does: what lies between is refused, and kept as no record."""
    for depth in range(850, 1050):
        for opened, closed in (("[", "]"), ('{"k": ', "}")):
            line = f'{{{twice}, "x": {opened * depth}1{closed * depth}, "card": "{PAN}"}}'.encode()
            assert parse_lines([line])[0] == [None]
            kept = TOKENIZER.sanitize_json(line)
            assert PAN.encode() not in kept
            assert parse_lines([kept])[0] == [None]


def test_an_envelope_with_two_data_is_refused_whichever_of_them_somebody_checked():
    envelope = f'{{"specversion": "1.0", "data": {ONCE[0]}, "data": {ONCE[1]}'
    for more in ("", ', "ext": "\udcff"', ', "ext": "\x01"', ', "ext": ' + "[" * 995 + "]" * 995):
        found = json_in(f"{envelope}{more}}}".encode(errors="surrogateescape"), enveloped=True)
        assert not isinstance(found, bytes)
    found = json_in(f"{envelope}}}".encode(), enveloped=True)
    assert (found.reason, found.field) == (Reason.REPEATED_FIELD, "data")
    once = f'{{"specversion": "1.0", "data": {ONCE[0]}}}'.encode()
    assert json_in(once, enveloped=True) == ONCE[0].encode()


@pytest.mark.parametrize("canonical", [True, False])
def test_a_record_that_gets_more_fields_is_not_written_anew_without_one_of_the_two(canonical):
    line = TWICE["amount"].encode()
    assert with_attributes(line, {"kafka_key": "k"}, canonical=canonical) == line
    assert b"kafka_key" in with_attributes(ONCE[0].encode(), {"kafka_key": "k"}, canonical=canonical)


def _objects(names):
    values = st.none() | st.integers() | st.text() | st.booleans()
    return st.recursive(
        values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5)
    )


@given(st.dictionaries(st.text(max_size=3), _objects(st.text(max_size=3))), st.booleans())
def test_json_that_a_writer_made_has_no_key_twice(record, spaced):
    line = json.dumps(record, ensure_ascii=spaced, indent=2 if spaced else None).encode()
    assert repeated_key(line) is None


@given(st.data())
def test_no_key_that_stands_twice_is_overlooked(data):
    names = [f"n{number}" for number in range(data.draw(st.integers(1, 400)))]
    names.append(random.Random(data.draw(st.integers(0, 99))).choice(names))
    between = data.draw(st.sampled_from([":", " :", " : ", "\n:", ": "]))
    object_text = "{" + ",".join(f'"{name}"{between}"x:"' for name in names) + "}"
    line = f'{{"n0": 1, "deep": [{{}}, {object_text}]}}'.encode()
    assert may_repeat([b'{"n0": 2}', line])
    assert not are_keys([line], len(names) + 1)  # of n + 2 keys one hides another
    assert repeated_key(line) == names[-1]


_NAMES = st.lists(st.text('ab"\\/\n\t\x00é€😀', max_size=2), min_size=1, max_size=5)


@given(_NAMES, st.data())
def test_names_are_compared_as_readers_understand_them(names, data):
    """However a name is written, in letters or in escapes, also of two halves: 😀 is \\ud83d\\ude00."""

    def written(name):
        way = data.draw(st.sampled_from(["ascii", "utf-8", "escapes"]))
        if way == "escapes":
            units = memoryview(name.encode("utf-16-le")).cast("H")
            return (
                '"'
                + "".join(data.draw(st.sampled_from(["\\u%04x", "\\u%04X"])) % unit for unit in units)
                + '"'
            )
        return json.dumps(name, ensure_ascii=way == "ascii")

    line = ("{" + ",".join(f"{written(name)}: 1" for name in names) + "}").encode()
    is_twice = len(set(names)) < len(names)
    assert may_repeat([line]) == is_twice
    fault = repeated_fault(line)
    assert (fault is not None) == is_twice == (repeated_key(line) is not None)


@pytest.mark.parametrize(
    "body",
    [
        b'{"x":1' + b',"a":1' * 100_000 + b"}",
        b'{"x":1' + b',"\\u0061":1' * 60_000 + b"}",
        b"{" + b",".join(b'"k%d":1' % number for number in range(60_000)) + b',"k7":2}',
    ],
    ids=["one key", "in escapes", "among many"],
)
def test_a_large_body_with_a_repeated_key_is_refused_without_the_reader_that_holds_up_others(
    body, monkeypatch
):
    """Python's reader holds the interpreter's lock for tens of milliseconds of such a body."""
    monkeypatch.setattr("ringfence.events.repeated.repeated_key", lambda _: pytest.fail("read whole"))
    assert repeated_fault(body).reason == Reason.REPEATED_FIELD


def test_halves_of_characters_are_left_to_python():
    assert repeated_fault(b'{"\\ud83d": 1, "\\ude00": 2}') is None
    assert repeated_fault(b'{"\\ud83d": 1, "\\ud83d": 2}').reason == Reason.REPEATED_FIELD


COLLIDING = [  # blocks that lead the unkeyed hash of before from one state to one other, found in a minute
    ("gjdkms7l", "lo18b9d2"),
    ("i78if8cw", "mnkcv49e"),
    ("g4vnurnq", "0egd7uct"),
    ("kwixn863", "2fkd2oiq"),
    ("1nrfb9r1", "y70tjlvi"),
    ("nymc4ocf", "rr9grnsv"),
    ("p4f6qakx", "753ydxrq"),
]


def test_nobody_can_choose_names_that_crowd_the_table():
    """128 names had one hash: a mebibyte of such took eight seconds, most of them of comparing texts."""
    names = ["".join(blocks) + "x" for blocks in itertools.product(*COLLIDING)]
    assert len(set(names)) == 128
    assert not may_repeat([json.dumps(dict.fromkeys(names)).encode()])
    again = json.dumps(dict.fromkeys(names))[:-1] + f', "{names[0]}": 1}}'
    assert repeated_fault(again.encode()).reason is Reason.REPEATED_FIELD


@pytest.mark.parametrize("secret", [0x2345_6789, 0x2BAD_F00D, 0x3141_5926])
def test_numbered_names_do_not_crowd_it_under_any_secret(secret):
    names = ",".join(f'"name-{n}":{n}' for n in range(50_000))
    found, _, _ = _walk(_bytes([f"{{{names}}}".encode()]), secret)
    assert found == _ONCE
