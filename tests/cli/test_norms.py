"""Ids are compared in their norm, and words for nothing are no ids: in files, lists and rules alike."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from ringfence.adapters.sqlite import Store
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.ports import EVENTS

from .conftest import payment, write_ndjson

CASES = Path(__file__).parents[1] / "adapters" / "cases" / "placeholder-ids"
HEADER = "id,created_at,amount,currency,card_id,customer_id,device_id,ip,email\n"
MAPPING = """
    [[records]]
    [records.fields]
    transaction_id = "id"
    event_time = "created_at"
    amount = "amount"
    currency = "currency"
    card_id = "card_id"
    customer_id = "customer_id"
    device_id = "device_id"
    ip = "ip"
    email = "email"
"""
NOTHING = (
    "nan", "NaN", "NULL", "null", "none", "None", "unknown", "UNKNOWN", "0", "-", "--", "?", "N/A", "n/a",
    "#N/A", "00000000-0000-0000-0000-000000000000", "00:00:00:00:00:00", "undefined", "(null)", "\\N", " ",
    "0000", "::", "ff:ff:ff:ff:ff:ff", "-1", "nil", "missing", "not set",
)  # fmt: skip


def strangers(project, device="", ip=None):
    """Thirty good payments of thirty people."""
    path = project / "in.csv"
    rows = [
        f"p{n},2025-05-01T10:{n:02}:00Z,{20 + n}.00,EUR,card-{n},cust-{n},{device},"
        f"{ip or f'10.0.0.{n}'},u{n}@x.example\n"
        for n in range(30)
    ]
    path.write_text(HEADER + "".join(rows))
    (project / "m.toml").write_text(MAPPING)
    return path


def decided(ringfence, path, *more):
    ended = ringfence("run", path, "--mapping", "m.toml", "--json", *more)
    return ended.json["outcomes"], ended.json["rules"]


@pytest.mark.parametrize("word", NOTHING)
def test_a_device_that_stands_for_nothing_decides_like_an_empty_one(ringfence, project, word):
    empty = decided(ringfence, strangers(project), "--data", "empty")
    assert decided(ringfence, strangers(project, word), "--data", "other") == empty == ({"approve": 30}, {})


@pytest.mark.parametrize("name", ["NULL", "nan", "zeros", "ip0", "real"])
def test_what_people_export_for_nothing_decides_like_an_empty_cell(ringfence, project, name):
    (project / "m.toml").write_text(MAPPING)
    empty = decided(ringfence, CASES / "empty.csv", "--data", "empty")
    assert decided(ringfence, CASES / f"{name}.csv", "--data", "other")[0] == empty[0]


@pytest.mark.parametrize("ip", ["0.0.0.0", "::", "0:0:0:0:0:0:0:0", "::ffff:0.0.0.0", "unknown"])
def test_an_address_that_stands_for_nothing_does_too(ringfence, project, ip):
    assert decided(ringfence, strangers(project, ip=ip)) == ({"approve": 30}, {})


def test_other_words_are_named_by_the_mapping_or_the_settings_and_ids_that_look_like_them_are_kept(
    ringfence, project, monkeypatch
):
    path = strangers(project, "default-device")
    before = decided(ringfence, path, "--data", "a")
    assert before[1]
    (project / "m.toml").write_text('null_values = ["default-device"]\n' + MAPPING)
    assert decided(ringfence, path, "--data", "b") == ({"approve": 30}, {})
    strangers(project, "default-device")
    monkeypatch.setenv("RINGFENCE_NULL_VALUES", '["Default-Device"]')
    assert decided(ringfence, path, "--data", "c") == ({"approve": 30}, {})
    path = strangers(project, "0")
    (project / "m.toml").write_text('keep_values = ["0"]\n' + MAPPING)
    assert decided(ringfence, path, "--data", "d") == before


def test_an_id_that_most_payments_share_is_remarked_upon(ringfence, project):
    ended = ringfence("run", strangers(project, "default-device"), "--mapping", "m.toml")
    assert "device_id is 'default-device' in 30 of 30 payments" in ended.err
    assert (
        ringfence("run", strangers(project, "NULL"), "--mapping", "m.toml", "--data", "x", "--json").json[
            "remarks"
        ]
        == []
    )


@pytest.mark.parametrize(
    ("entity", "listed", "paid"),
    [
        ("email", "bob@mail.example", "Bob@Mail.example"),
        ("email", " BOB@mail.example", "bob@MAIL.example."),
        ("email", "bob@xn--mller-kva.example", "Bob@M\u00dcLLER.example"),
        ("phone", "+49 170 1234567", "0049-170-1234567"),
        ("phone", "0170 1234567", "0170/12345 67"),
        ("ip", "2001:db8::1", "2001:0DB8:0:0:0:0:0:1"),
        ("ip", "10.1.2.3", "::ffff:10.1.2.3"),
        ("account", "DE89370400440532013000", "de89 3704 0044 0532 0130 00"),
        ("", "bob@mail.example", "BOB@mail.example"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_block_holds_however_the_id_is_written(ringfence, project, entity, listed, paid, turned):
    listed, paid = (paid, listed) if turned else (listed, paid)
    field = {"account": "account_id"}.get(entity, entity or "email")
    more = ("--entity", entity) if entity else ()
    assert ringfence("lists", "add", "bad", listed, "--kind", "block", *more).code == 0
    ended = ringfence("run", write_ndjson(project / "in.ndjson", [payment(1, **{field: paid})]), "--json")
    assert "block_list" in ended.json["rules"] or ended.json["outcomes"] == {"decline": 1}
    by_number = ringfence("decisions", "--entity", f"{entity or 'email'}={listed}", "--json").json_lines
    assert [row["transaction_id"] for row in by_number] == ["p1"]


def test_a_list_of_before_goes_on_matching_and_old_payments_stay_as_they_are(ringfence, project):
    rows = [payment(n, email="Bob@Mail.example") for n in range(2)]
    ringfence("lists", "add", "bad", "bob@mail.example", "--kind", "block", "--entity", "email")
    ringfence("run", write_ndjson(project / "in.ndjson", rows))
    _as_before(project / "ringfence-data", {"bob@mail.example": "Bob@Mail.example"})
    again = ringfence(
        "run", write_ndjson(project / "more.ndjson", [payment(7, email="BOB@mail.example")]), "--json"
    )
    assert again.json["outcomes"] == {"decline": 1}
    third = ringfence(
        "run", write_ndjson(project / "last.ndjson", [payment(8, email="x@mail.example")]), "--json"
    )
    assert third.json["outcomes"] == {"approve": 1}
    assert ringfence("replay", "--verify").code == 0


def _as_before(folder, written):
    """The store as a version without norms would have left it."""
    with Store.open(folder) as store:
        batches = [_rewritten(batch, written) for batch in store.log.read(EVENTS)]
    with closing(sqlite3.connect(folder / "ringfence.db")) as database, database:
        for batch in batches:
            database.execute(
                "UPDATE batch SET payload = ?, checksum = ? WHERE base_offset = ? AND topic_id = "
                "(SELECT id FROM topic WHERE name = 'events')",
                (batch.payload, batch.checksum(), batch.base_offset),
            )
        database.execute("DELETE FROM meta WHERE name LIKE '%norms'")
    shutil.rmtree(folder / "snapshots", ignore_errors=True)


def _rewritten(batch, written):
    table = codec.decode(batch.payload).table
    for at, name in enumerate(table.schema.names):
        if name in ("email", "entity_id"):
            texts = [written.get(text, text) for text in table.column(name).to_pylist()]
            table = table.set_column(at, name, pa.array(texts, pa.string()))
    return replace(batch, payload=codec.encode(EventBatch(table)))


@pytest.mark.parametrize("country", ["GB", "GBR", "826", "UK", "gbr", "FR", "DE", "Britain", None])
@pytest.mark.parametrize("entry", ["GB", "GBR", "UK", "826"])
def test_a_country_on_a_list_is_found_however_it_is_written(ringfence, project, entry, country):
    book = project / "book.yaml"
    book.write_text(
        "rules:\n- {id: a, title: A, outcome: review, reason: A, analyst: A., "
        "when: \"country in list 'embargo'\"}\n"
    )
    ringfence("lists", "add", "embargo", entry, "--kind", "watch")
    rows = [payment(1, country="AT"), payment(2, country=country), payment(3)]
    fired = ringfence("run", write_ndjson(project / "in.ndjson", rows), "--rules", book, "--json").json[
        "rules"
    ]
    assert fired == ({"a": 1} if country in {"GB", "GBR", "826", "UK", "gbr"} else {})


@pytest.mark.parametrize(
    ("condition", "fields", "fires"),
    [
        ("email = 'Bob@Mail.example'", {"email": "bob@mail.EXAMPLE"}, True),
        ("email in ('x@y.z', 'Bob@Mail.example')", {"email": "BOB@mail.example"}, True),
        ("email <> 'Bob@Mail.example'", {"email": "bob@mail.example"}, False),
        ("attributes.card_expiry = '12/27'", {"attributes": {"card_expiry": "2712"}}, True),
        ("attributes.card_expiry in ('2027-12', '2028-01')", {"attributes": {"card_expiry": "01/28"}}, True),
        ("attributes.card_expiry < '2025-06'", {"attributes": {"card_expiry": "05/25"}}, True),
        ("attributes.card_expiry < '2025-06'", {"attributes": {"card_expiry": "07/25"}}, False),
        ("country = 'de'", {"country": "DE"}, True),
        ("country = 'DEU'", {"country": "deu"}, True),
        ("country = 'XYZ'", {"country": "xyz"}, True),
        (
            "country = attributes.card_country",
            {"country": "DEU", "attributes": {"card_country": "DEU"}},
            True,
        ),
        ("country in ('fr', 'de')", {"country": "De"}, True),
        ("ip = '::ffff:10.0.0.1'", {"ip": "10.0.0.1"}, True),
        ("phone = '+49 170 1'", {"phone": "+491701"}, True),
    ],
)
def test_a_rule_compares_in_the_norm(ringfence, project, condition, fields, fires):
    book = project / "book.yaml"
    book.write_text(
        f'rules:\n- {{id: a, title: A, outcome: review, reason: A, analyst: A., when: "{condition}"}}\n'
    )
    rows = write_ndjson(project / "in.ndjson", [payment(1, **fields)])
    assert ("a" in ringfence("run", rows, "--rules", book, "--json").json["rules"]) is fires
