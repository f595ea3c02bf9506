"""Card numbers become tokens wherever they stand; other digits stay."""

from __future__ import annotations

import json

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InputError
from ringfence.events.privacy.cards import may_hold_secret
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.masking import find_cards, replace_cards

PAN = "4111111111111111"
TOKENIZER = Tokenizer(b"0123456789abcdef")
PIECES = st.sampled_from(
    [PAN, "5500-0000-0000-0004", "4111 1111 1111 1111", "x", "12", "-", " ", "1234", "9"]
)


def test_a_number_has_one_token_however_it_is_written():
    cards, refused = TOKENIZER.cards(pa.array([PAN, "4111 1111 1111 1111", "4111-1111-1111-1111", None]))
    assert set(cards.token.to_pylist()) == {TOKENIZER.token(PAN), None}
    assert cards.last4.to_pylist() == ["1111", "1111", "1111", None]
    assert cards.card_bin8.to_pylist() == ["41111111", "41111111", "41111111", None]
    assert not refused.any()


def test_numbers_and_texts_give_the_same_token():
    as_number, _ = TOKENIZER.cards(pa.array([int(PAN), None]))
    as_float, _ = TOKENIZER.cards(pa.array([float(PAN), None]))
    assert as_number.token.to_pylist() == as_float.token.to_pylist() == [TOKENIZER.token(PAN), None]


def test_a_float_that_has_lost_digits_is_refused():
    _, refused = TOKENIZER.cards(pa.array([9.1e15, 6.0e18, 4.5]))
    assert refused.all()


def test_what_is_no_card_number_is_refused():
    _, refused = TOKENIZER.cards(pa.array(["12345", "card", "4" * 20, "4" * 12]))
    assert refused.tolist() == [True, True, True, False]


def test_another_key_gives_other_tokens():
    assert Tokenizer(b"another key, random").token(PAN) != TOKENIZER.token(PAN)


def test_a_token_passes_as_it_is_so_that_a_quarantined_record_can_be_read_again():
    token = TOKENIZER.token(PAN)
    kept = [TOKENIZER.card_or_text(PAN), f"{token}/1111/b411111", f"{token}/1111", token]
    cards, refused = TOKENIZER.cards(pa.array(kept))
    assert kept[0] == f"{token}/1111/b41111111"
    assert cards.token.to_pylist() == [token] * 4
    assert cards.last4.to_pylist() == ["1111", "1111", "1111", None]
    assert cards.card_bin.to_pylist() == ["411111", "411111", None, None]
    assert cards.card_bin8.to_pylist() == ["41111111", None, None, None]
    assert not refused.any()


@pytest.mark.parametrize("number", [str(10**15 + 7 * n) for n in range(400)])
def test_what_stands_for_a_number_stays_however_often_it_is_made_safe(number):
    """A token may end in many digits, and the last four follow: together they are still no number."""
    kept = TOKENIZER.card_or_text(number)
    record = b'{"card_number":"%s"}' % kept.encode()
    assert TOKENIZER.card_or_text(kept) == kept
    assert TOKENIZER.sanitize_json(record, {"card_number"}) == record


@pytest.mark.parametrize(
    "between", ["%20", "%2D", "%C2%A0", "&nbsp;", "&#160;", "&#xA0;", "&ndash;", "\\u00a0", "\\t", "\\n"]
)
def test_separators_that_pages_and_addresses_encode_hide_no_card(between):
    """4111&nbsp;1111&nbsp;1111&nbsp;1111 was kept as it is."""
    text = f"q={between.join(['4111', '1111', '1111', '1111'])}&x=1"
    assert may_hold_secret(pa.array([text])).tolist() == [True]
    assert [found.digits for found in find_cards(text)] == [PAN]


def test_a_short_key_is_refused():
    with pytest.raises(InputError, match="16"):
        Tokenizer(b"short")


@given(st.lists(PIECES, max_size=6).map("".join))
def test_the_quick_scan_misses_no_card(text):
    if replace_cards(text, lambda _: "#") != text:
        assert may_hold_secret(pa.array([text]))[0]


@pytest.mark.parametrize(
    "text",
    [
        "1546301041123",
        "41111111111111112222",
        "4111111111111112",
        "00000000-4111-4111-8111-111111111111",
        "0.4111111111111111",
        "-12.4111111111111111e-3",
    ],
)
def test_times_hexadecimal_ids_and_other_numbers_are_no_cards(text):
    assert TOKENIZER.guard_text(text) == text


@pytest.mark.parametrize(
    "text", [PAN, f"pay {PAN}", f"c:{PAN}", "4111 1111 1111 1111 12 27", f"{PAN},5500000000000004"]
)
def test_a_card_number_anywhere_in_a_text_becomes_its_token(text):
    guarded = TOKENIZER.guard(pa.array([None, text, "ok"]), {}).to_pylist()
    assert guarded[0] is None
    assert guarded[2] == "ok"
    assert TOKENIZER.token(PAN) in guarded[1]
    assert PAN not in guarded[1].replace(" ", "")


def test_json_without_cards_keeps_its_very_bytes():
    assert TOKENIZER.sanitize_json(b'{ "a" : 1 }') == b'{ "a" : 1 }'


def test_json_loses_the_cards_in_texts_numbers_names_and_lists():
    record = f'{{"{PAN}": 1, "a": {PAN}, "b": ["x {PAN}"], "cc_num": 503857220415}}'.encode()
    clean = TOKENIZER.sanitize_json(record, {"cc_num"})
    assert PAN.encode() not in clean
    assert b"503857220415" not in clean
    assert b"/0415" in clean


def test_of_bytes_that_are_no_json_every_long_run_of_digits_is_masked():
    assert TOKENIZER.sanitize_json(f'{{"card": {PAN}'.encode()) == b'{"card": ************1111'


@pytest.mark.parametrize(
    "original",
    [
        b'{"channel":6"online", "cvv": "hunter77"}',
        b'{"id": "a", "customer_i", "card_verification_value": "hunter77"}',
        b'{"memo":8"paid", "pin": "hunter77"}}',
        b'{"memo": "paid", "pin_block"G "hunter77"}',
        b'{"memo": "paid", "track2": \x83hunter77"}',
        b'{"memo": "paid", "cvc": "hunter77\xb3}',
        b'{"memo": "paid", "cvv":;"hunter77", "ip": "::1"}',
        b'{"cvv": {"entered": "hunter77", "of": [1, {"was": "hunter77"}]}, "ip": "::1", "amount": 1',
        b'{"pin": ["1234", "hunter77"], "ip": "::1", "amount": }',
        b'{"track2":\n  {\n    "data": "hunter77"\n',
        b'{"memo": "paid", "cvv"G "hunter77***"}',
        b'{"memo": "paid", "cvv" hunter77***',
        b'{"pin": [[["hunter77", {"cvv": {"a": "hunter77"}}]',
    ],
)
def test_of_bytes_that_are_no_json_nothing_stays_behind_the_name_of_a_secret(original):
    kept = TOKENIZER.sanitize_json(original)
    assert b"unter77" not in kept
    assert (b'"ip": "::1"' in kept) == (b'"ip"' in original)


def test_a_tokenizer_does_not_show_its_key():
    assert "0123456789abcdef" not in repr(TOKENIZER)


_JSON = st.recursive(
    st.one_of(
        st.lists(PIECES, max_size=6).map("".join),
        st.lists(st.sampled_from([*"0123456789", " ", "  ", "-", "\u0664", "é"]), max_size=24).map("".join),
        st.integers(10**10, 10**20),
        st.floats(1e11, 1e19),
        st.sampled_from([4111111111111111.0, 4.5e15, int(PAN), True, None]),
    ),
    lambda inner: st.dictionaries(st.sampled_from(["card_number", "note", PAN]), inner, max_size=3),
    max_leaves=4,
)


@given(_JSON, st.booleans())
def test_the_quick_look_at_a_record_misses_no_card(value, ascii_only):
    original = json.dumps({"a": value}, ensure_ascii=ascii_only).encode()
    record = msgspec.json.decode(original)
    clean = TOKENIZER._clean(record, {"card_number"})
    assert msgspec.json.decode(TOKENIZER.sanitize_json(original, {"card_number"})) == clean
