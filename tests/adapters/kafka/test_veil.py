"""What is shown of messages: whatever others wrote into a topic, no card number, secret or person is seen."""

import json

import pytest
from confluent_kafka import Message

from ringfence.adapters.kafka.masked_messages import MessageVeil, fits
from ringfence.adapters.kafka.records import kept_of
from ringfence.events.privacy.personal import PersonalData
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.ports.topics import MessageQuery

KEY = bytes(32)
CARD = "4111111111111111"
HIDING = "".join(f"\\u{ord(one):04x}" for one in CARD)
PLAIN = MessageVeil(Tokenizer(KEY), None)
VAULT = MessageVeil(Tokenizer(KEY, personal=PersonalData(KEY)), None)


def message(value=b"{}", key=None, headers=None):
    return Message(topic="t", partition=0, offset=0, value=value, key=key, headers=headers, timestamp=(1, 5))


LEAKS = {
    "plain": f'{{"pan": "{CARD}"}}',
    "one escape": '{"pan": "\\u0034111111111111111"}',
    "all escapes": f'{{"pan": "{HIDING}"}}',
    "escapes in a text that is JSON": json.dumps({"payload": f'{{"pan": "{HIDING}"}}'}),
    "two members of one name": f'{{"pan": "{HIDING}", "pan": "x"}}',
    "broken JSON": f'{{"pan": "{HIDING}',
    "escaped separators": '{"pan": "4111\\u002d1111\\u002d1111\\u002d1111"}',
    "bytes": b"\xff\xfe" + CARD.encode(),
    "packed decimals": b"\xff" + bytes.fromhex(CARD),
    "cut by the limit": "x" * (65_536 - 13) + CARD,
    "too large": json.dumps({"pan": CARD, "rest": "x" * 70_000}),
}


@pytest.mark.parametrize("value", LEAKS.values(), ids=LEAKS)
@pytest.mark.parametrize("veil", [PLAIN, VAULT], ids=["cards", "persons"])
def test_no_card_number_is_seen_however_it_is_written(veil, value):
    raw = value if isinstance(value, bytes) else value.encode()
    told = str(veil.seen(message(raw, key=raw[:900], headers=[("trace", raw[:900]), ("cvv", b"737")])))
    read = told.replace("\\", "").replace("u002d", "").replace("-", "")
    assert not any(CARD[:digits] in read for digits in (12, 16))
    assert CARD.encode().hex()[:24] not in told
    assert "737" not in told


def test_secrets_and_persons_are_not_shown_either():
    row = {
        "cvv": "737",
        "email": "ada@mail.example",
        "Kunde": "Ada Lovelace",
        "Konto": 70012345,
        "amount": "12.50",
        "nested": [{"cvc2": "737", "first_name": "Ada"}],
    }
    sent = message(json.dumps(row).encode(), key=b"cust-70012345", headers=[("email", b"ada@mail.example")])
    cards, persons = PLAIN.seen(sent), VAULT.seen(sent)
    assert "737" not in str(cards) + str(persons)
    assert json.loads(cards.value)["Kunde"] == "Ada Lovelace"  # such a store keeps that, too
    for original in ("Ada", "Lovelace", "mail.example", "70012345"):
        assert original not in str(persons)
    assert json.loads(persons.value)["amount"] == "12.50"
    text = VAULT.seen(message(b"Ada Lovelace, born 1815"))
    assert text.value == "xxx xxxxxxxx, xxxx ****"


def test_looking_is_not_counted():
    tokenizer = Tokenizer(KEY)
    MessageVeil(tokenizer, None).seen(message(b'{"cvv": "737", "t": "4111111111111111=27121011234"}'))
    assert not tokenizer.dropped


def test_bytes_kept_of_a_key_or_header_hold_no_card_number():
    kept = kept_of(message(key=b"\xff" + CARD.encode()), frozenset({"key"}))
    assert CARD.encode().hex() not in kept["kafka_key"]


@pytest.mark.parametrize(
    ("key", "match", "found"),
    [
        ("k1", "", True),
        ("k2", "", False),
        ("", '"N": 17', True),
        ("", "K1", True),
        ("", "trac", True),
        ("", "18", False),
        ("", CARD[:8], False),  # it is there, but nobody may find out digit by digit
        ("", "tok_", True),
    ],
)
def test_a_search_finds_what_is_shown_and_nothing_else(key, match, found):
    sent = message(f'{{"n": 17, "pan": "{CARD}"}}'.encode(), key=b"k1", headers=[("trace", b"abc")])
    wanted = MessageQuery(key=key, match=match)
    assert (PLAIN.may_fit(sent, wanted) and fits(PLAIN.seen(sent), wanted)) is found


def test_what_cannot_fit_is_told_by_its_bytes():
    assert not PLAIN.may_fit(message(b'{"n": 17}'), MessageQuery(match="n: 18"))
    assert not PLAIN.may_fit(message(b'{"n": 17}', key=b"a"), MessageQuery(key="b"))
