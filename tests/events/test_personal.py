"""Tokens for personal data: the same on every way in, whatever else is in the batch, and nobody is lost."""

import json

import pytest

from ringfence.errors import InputError
from ringfence.events.attributes import COLUMNS_LIMIT
from ringfence.events.bad import BadRecord
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.decoding.decode_block import BlockDecoder
from ringfence.events.decoding.decode_small import SmallDecoder
from ringfence.events.mapping import parse_mapping
from ringfence.events.personal_names import PersonalClass, class_by_name
from ringfence.events.privacy.personal import TOKEN, PersonalData
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.settings import load_settings

KEY, NOW, SEED = bytes(range(32)), 1_714_570_000_000, 7
PAYMENT = {
    "transaction_id": "t1", "event_time": "2024-05-01T12:00:00Z", "amount": "2.50", "currency": "EUR",
    "customer_id": "C-1", "email": " Ada@Mail.Example", "phone": "+49 (0)30 123", "ip": "::ffff:1.2.3.4",
    "counterparty_id": "de89 3704 0044 0532 0130 00", "merchant_id": "shop",
    "attributes": {"first_name": "Ada", "basket": 3.0, "phone_verified": True, "home_phone": "030 99"},
}  # fmt: skip


class Kept(list):
    def __call__(self, originals):
        self.extend(originals)

    def pairs(self):
        return sorted(set(self))


def made(fields=None):
    kept = Kept()
    return Tokenizer(KEY, personal=PersonalData(KEY, kept, fields)), kept


def lines(*records):
    return [json.dumps(one).encode() for one in records]


def ways(records, fields=None):
    """By way in: rows of the events, and the originals."""
    found = {}
    for name in ("exact", "small", "block"):
        tokenizer, kept = made(fields)
        if name == "exact":
            events, bad = JsonDecoder(tokenizer).decode_lines(lines(*records), NOW, "test")
        elif name == "small":
            events, bad = SmallDecoder(tokenizer, SEED).decode(lines(*records), NOW), []
        else:
            events, bad = BlockDecoder(tokenizer).decode(b"\n".join(lines(*records)), NOW, "test")
        assert not bad
        found[name] = events.table.to_pylist(), kept.pairs()
    return found


def test_every_way_in_has_the_same_tokens_and_the_same_originals():
    other = PAYMENT | {
        "transaction_id": "t2",
        "customer_id": None,
        "account_id": "A-2",
        "email": "x@y.example",
    }
    found = ways([PAYMENT, other])
    assert found["exact"] == found["small"] == found["block"]
    (first, second), kept = found["exact"]
    named = (
        "customer_id",
        "email",
        "phone",
        "ip",
        "counterparty_id",
        "attributes.first_name",
        "attributes.home_phone",
    )
    assert all(TOKEN.fullmatch(first[name]) for name in named)
    assert (first["merchant_id"], first["attributes.basket"], first["attributes.phone_verified"]) == (
        "shop",
        3.0,
        True,
    )
    assert first["counterparty_id"] == second["counterparty_id"]
    by_value = {one.value: one for one in kept}
    assert by_value["ada@mail.example"].person == first["customer_id"]
    assert by_value["x@y.example"].person == second["account_id"]
    assert by_value["DE89370400440532013000"].person == first["counterparty_id"]  # whom nobody knows
    assert set(by_value) >= {"C-1", "+4930123", "1.2.3.4", "Ada", "03099"}


def test_a_token_depends_on_value_and_key_alone():
    tokenizer, _ = made()
    alone = tokenizer.as_kept("email", "ADA@mail.example")
    assert alone == ways([PAYMENT])["small"][0][0]["email"]
    assert tokenizer.as_kept("email", alone) == alone
    assert tokenizer.as_kept("account_id", "X-9") == tokenizer.as_kept("counterparty_id", "X-9")
    assert tokenizer.as_kept("merchant_id", "X-9") == "X-9"
    assert (
        Tokenizer(bytes(32), personal=PersonalData(bytes(32))).as_kept("email", "ada@mail.example") != alone
    )


def test_numbers_and_attributes_without_a_column_are_tokens_too():
    many = {f"a{n}": n for n in range(140)} | {"surname": "Lovelace", "mobile": 491701234567}
    tokenizer, kept = made()
    events, _ = JsonDecoder(tokenizer).decode_lines(lines(PAYMENT | {"attributes": many}), NOW, "test")
    assert "Lovelace" not in str(events.table.to_pylist())
    assert "491701234567" not in str(events.table.to_pylist())
    assert {one.value for one in kept} >= {"Lovelace", "491701234567"}


def test_settings_say_what_names_do_not():
    record = PAYMENT | {"attributes": {"nick": "Countess", "first_name": "kept as it is"}}
    for rows, _ in ways([record], {"attributes.nick": "name", "attributes.first_name": "none"}).values():
        assert TOKEN.fullmatch(rows[0]["attributes.nick"])
        assert rows[0]["attributes.first_name"] == "kept as it is"


def test_settings_hold_where_an_attribute_has_no_column_and_where_a_record_is_bad():
    """There it is known by its bare name."""
    many = {f"a{n}": n for n in range(COLUMNS_LIMIT)}
    tokenizer, kept = made({"attributes.nick": "name"})
    records = [
        PAYMENT | {"attributes": many | {"nick": "Countess"}},
        PAYMENT | {"amount": "none", "attributes": {"nick": "Countess"}},
    ]
    events, bad = JsonDecoder(tokenizer).decode_lines(lines(*records), NOW, "test")
    assert (len(events), len(bad)) == (1, 1)
    assert "nick" in events.table.to_pylist()[0]["attributes"]
    assert "Countess" not in f"{events.table.to_pylist()} {bad}"
    assert "Countess" in {one.value for one in kept}


@pytest.mark.parametrize(
    ("field", "kind", "said"),
    [
        ("emial", "name", "did you mean 'email'"),
        ("nick", "name", "attributes.nick"),
        ("attributes.", "name", "attributes.NAME"),
        ("currency", "name", "is no field"),
        ("attributes.nick", "nmae", "did you mean 'name'"),
    ],
)
def test_a_misspelt_field_or_class_is_named_when_settings_are_read(monkeypatch, field, kind, said):
    monkeypatch.setenv("RINGFENCE_PERSONAL_FIELDS", json.dumps({"city": "address", field: kind}))
    with pytest.raises(InputError, match="personal_fields") as refused:
        load_settings()
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("profile", {"entity_type": "customer", "entity_id": "C-1", "note": "calls at noon",
                     "attributes": {"email": "ada@mail.example"}}),
        ("list_entry", {"list_name": "l", "list_kind": "block", "entity_type": "email",
                        "entity_id": "Ada@mail.example"}),
        ("flag", {"entity_type": "account", "entity_id": "A-2", "note": "a mule"}),
    ],
)  # fmt: skip
def test_what_is_said_of_somebody_is_theirs(kind, more):
    tokenizer, kept = made()
    record = {"kind": kind, "event_time": "2024-05-01T12:00:00Z", **more}
    events, bad = JsonDecoder(tokenizer).decode_lines(lines(record), NOW, "test")
    assert not bad
    (row,) = events.table.to_pylist()
    assert TOKEN.fullmatch(row["entity_id"])
    assert {one.person for one in kept} == {row["entity_id"]}
    if "note" in more:
        assert TOKEN.fullmatch(row["note"])


def test_an_id_of_which_nobody_says_what_it_is_is_refused():
    tokenizer, _ = made()
    record = {"kind": "list_entry", "list_name": "l", "list_kind": "block", "entity_id": "ada@mail.example",
              "event_time": "2024-05-01T12:00:00Z"}  # fmt: skip
    _, (bad,) = JsonDecoder(tokenizer).decode_lines(lines(record), NOW, "test")
    assert "entity_type" in bad.message
    assert b"ada@" not in bad.original


@pytest.mark.parametrize(
    "line",
    [
        lines(PAYMENT | {"amount": "Ada Lovelace"})[0],
        lines(PAYMENT | {"holder_name": "Ada Lovelace"})[0],
        lines(PAYMENT | {"about": "write to ada@mail.example", "amount": None})[0],
        lines(PAYMENT)[0][:-9],  # cut off: nobody can tell its fields
        b'Ada Lovelace, ada@mail.example, "+49 30 123"',
    ],
)
def test_a_bad_record_names_nobody_and_can_be_read_again(line):
    tokenizer, _ = made()
    bad = JsonDecoder(tokenizer).decode_one(line, NOW)
    assert isinstance(bad, BadRecord)
    for told in (bad.original.decode(), bad.message):
        assert not any(word in told for word in ("Ada", "ada@", "Mail.Example", "(0)30"))
    again = tokenizer.sanitize_json(bad.original)
    if bad.original.startswith(b"{") and bad.original.endswith(b"}"):
        assert json.loads(again) == json.loads(bad.original)


def test_a_mapping_says_what_columns_tell():
    mapping = parse_mapping(
        """
        name = "till"
        [[records]]
        kind = "transaction"
        [records.fields]
        transaction_id = "id"
        event_time = "at"
        amount = "sum"
        customer_id = "kunde"
        merchant_id = "name"
        [records.attributes]
        contact_person = { column = "wer", personal = "name" }
        shop_mail = { column = "mail", personal = "none" }
        word = { column = "wort", personal = "secret" }
        """,
        "till.toml",
    )
    assert mapping.personal_columns["wer"] == ("attributes.contact_person", PersonalClass.NAME)
    tokenizer, kept = made()
    row = {"wer": "Ada", "mail": "a@shop.example", "wort": "xyzzy", "kunde": "C-1", "name": "Shop"}
    clean = json.loads(tokenizer.sanitize_json(json.dumps(row).encode(), (), (), mapping.personal_columns))
    assert (clean["mail"], clean["name"], clean["wort"]) == ("a@shop.example", "Shop", None)
    assert TOKEN.fullmatch(clean["wer"])
    assert {(one.value, one.person) for one in kept} == {("Ada", clean["kunde"]), ("C-1", clean["kunde"])}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("customer_id", "identifier"), ("payerEmail", "contact"), ("attributes.mobile", "contact"),
        ("cardHolderName", "name"), ("account_holder_name", "name"), ("vorname", "name"),
        ("shipping_street", "address"),
        ("zip_code", "address"), ("address_match", None), ("merchant_name", None), ("device_name", None),
        ("email_domain", None), ("date_of_birth", "identifier"), ("amount", None), ("username", "name"),
        ("counterparty_count", None), ("comment", "text"), ("ip", "identifier"), ("recipient", None),
        ("", None),
    ],
)  # fmt: skip
def test_names_of_fields_tell_what_they_hold(name, kind):
    assert class_by_name(name) == kind
