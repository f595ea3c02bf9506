"""No card number and nothing secret of a card is written anywhere, whatever field or file it came in."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.card_data import PLANTED, leaks, leaks_under

from ringfence.adapters.sqlite import Store
from ringfence.events import codec
from ringfence.ports import EVENTS

from .conftest import payment, write_ndjson

CARD = "4111111111111111"
CLOCK = "1700000000003"  # milliseconds that pass the Luhn check
PHONE = "490154203237518"  # an IMEI, which does by its nature
TEXTS = (
    "transaction_id", "customer_id", "account_id", "card_id", "merchant_id", "device_id", "terminal_id",
    "counterparty_id", "ip", "email", "phone", "channel", "entry_mode", "merchant_category", "country",
    "city",
)  # fmt: skip
REFUSED = ("card_number", "currency", "event_time", "lat", "no_such_field", "kind")


def events_of(project):
    with Store.open(project / "ringfence-data", read_only=True) as store:
        return [
            row for batch in store.log.read(EVENTS) for row in codec.decode(batch.payload).table.to_pylist()
        ]


def said(*ended):
    return "\n".join(one.out + one.err for one in ended).encode()


def test_at_least_fifty_are_planted():
    assert len(PLANTED) >= 50


def test_planted_in_every_field_and_line_of_json_nothing_is_written(ringfence, project):
    rows = []
    for at, text in enumerate(PLANTED.values()):
        rows += [payment(1, transaction_id=f"{at}-{name}") | {name: text} for name in (*TEXTS, *REFUSED)]
        rows += [
            payment(1, transaction_id=f"{at}-a", attributes={"note": text, "deep": text}),
            payment(1, transaction_id=f"{at}-n", attributes={text: 1.0}),
            payment(1, transaction_id=f"{at}-w", amount="no amount", attributes={text: text}),
            {"kind": "label", "transaction_id": text, "event_time": "2024-05-02T12:00:00Z", "label": True,
             "note": text, "label_source": text},
            {"kind": "profile", "entity_type": "customer", "entity_id": text, "note": text,
             "event_time": "2024-05-02T12:00:00Z", "attributes": {"about": text}},
            {"kind": "list_entry", "list_name": text, "list_kind": "block", "entity_id": text,
             "event_time": "2024-05-02T12:00:00Z", "note": text},
            {"kind": "list_entry", "list_name": "l", "list_kind": "block", "entity_id": text,
             "entity_type": text, "event_time": "2024-05-02T12:00:00Z"},
        ]  # fmt: skip
    path = write_ndjson(project / "4111-1111-1111-1111.ndjson", rows)
    lines = path.read_text("utf-8")
    broken = [f'{{"transaction_id": "x{at}", "note": "{text}"' for at, text in enumerate(PLANTED.values())]
    doubled = [f'{{"note": "{text}", "note": 1}}' for text in PLANTED.values()]
    path.write_text(lines + "\n".join(broken + doubled) + "\n", "utf-8")
    ended = [
        ringfence("run", path, "--batch-rows", "100"),
        ringfence("run", project / "5500005555555559.ndjson"),
    ]
    ended += [ringfence("quarantine", "list", "--limit", "1000"), ringfence("lists", "show")]
    ended += [ringfence("decisions", "--limit", "1000"), ringfence("sql", "SELECT * FROM transactions")]
    assert "in quarantine" in ended[0].out
    assert leaks(said(*ended)) == []
    assert leaks_under(project / "ringfence-data") == {}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_planted_in_cells_of_csv_nothing_is_written(ringfence, project, delimiter):
    mapping = """
        [[records]]
        attributes = "*"
        [records.fields]
        transaction_id = "id"
        event_time = "at"
        amount = "amount"
        merchant_id = "shop"
    """
    (project / "m.toml").write_text(mapping)
    header = ["id", "at", "amount", "shop", "free", "cvv", "PIN", "track2"]
    rows = [header]
    for at, text in enumerate(PLANTED.values()):
        rows += [
            [f"c{at}", "2024-05-01T12:00:00Z", "3.50", text, text, "s3cr3t", "s3cr3t", text],
            [text, "2024-05-01T12:00:00Z", "3.50", "s", "x", "s3cr3t", "s3cr3t", text],
            [f"d{at}", text, "3.50", "s", text, "s3cr3t", "s3cr3t", text],
            [f"e{at}", "2024-05-01T12:00:00Z", "3.50", text, "s3cr3t"],
        ]
    path = project / "rows.csv"
    path.write_text("".join(delimiter.join(f'"{cell}"' for cell in row) + "\n" for row in rows), "utf-8")
    ended = [
        ringfence("run", path, "--mapping", "m.toml", "--batch-rows", "100"),
        ringfence("quarantine", "list", "--limit", "999"),
    ]
    assert leaks(said(*ended)) == []
    assert leaks_under(project / "ringfence-data") == {}
    kept = b"".join(file.read_bytes() for file in (project / "ringfence-data").rglob("*") if file.is_file())
    assert b"s3cr3t" not in kept.replace(b"c737", b"")
    assert "verification codes" in ended[0].out


def test_planted_in_cells_and_names_of_parquet_nothing_is_written(ringfence, project):
    texts = list(PLANTED.values())
    count = len(texts)
    table = {
        "transaction_id": [f"q{at}" for at in range(count)],
        "event_time": ["2024-05-01T12:00:00Z"] * count,
        "amount": [1.0] * (count - 1) + [-1.0],
        "attributes.free": texts,
        "attributes.4111111111111111": texts,
        "attributes.cvv": ["737"] * count,
    }
    pq.write_table(pa.table(table), project / "rows.parquet")
    ended = ringfence("run", project / "rows.parquet")
    assert ended.code == 4
    assert leaks(said(ended)) == []
    assert leaks_under(project / "ringfence-data") == {}
    assert all("cvv" not in name for row in events_of(project) for name in row)


def test_a_file_without_a_header_says_so_and_repeats_no_number(ringfence, project):
    path = project / "in.csv"
    path.write_text(
        "a1,2025-05-01T10:00:00Z,12.50,EUR,4111111111111111\na2,2025-05-01T10:01:00Z,3.00,EUR,x\n"
    )
    (project / "all.toml").write_text(
        '[[records]]\nattributes = "*"\n[records.fields]\ntransaction_id = "a1"\n'
        'event_time = "2025-05-01T10:00:00Z"\namount = "12.50"\n'
    )
    ended = [
        ringfence("sources", "--sniff", path),
        ringfence("sources", "--sniff", path, "--draft", "new.toml"),
        ringfence("run", path),
        ringfence("run", path, "--mapping", "all.toml"),
    ]
    assert leaks(said(*ended)) == []
    assert all("no header" in one.err for one in (ended[0], ended[2]))
    assert not (project / "new.toml").exists() or leaks((project / "new.toml").read_bytes()) == []
    assert leaks_under(project / "ringfence-data") == {}


def test_lists_rules_keys_and_questions_take_a_number_and_keep_its_token(ringfence, project):
    ringfence(
        "run",
        write_ndjson(project / "one.ndjson", [payment(1, card_id=None, card_number="4111 1111 1111 1111")]),
    )
    ended = [
        ringfence(
            "lists",
            "add",
            "stolen",
            "4111\u00a01111\u00a01111\u00a01111",
            "--entity",
            "card",
            "--kind",
            "block",
        ),
        ringfence("lists", "add", "stolen", "5500.0055.5555.5559", "--note", "5500-0055-5555-5559"),
        ringfence("lists", "show", "stolen"),
        ringfence("decisions", "--entity", "card=4111-1111-1111-1111"),
        ringfence("decision", "4111111111111111"),
        ringfence("run", project / "4111111111111111.csv"),
        ringfence("keys", "create", "till 4111111111111111"),
    ]
    assert ended[3].out.count("p1") == 1
    book = project / "book.yaml"
    book.write_text(
        "rules:\n- {id: a, title: A, outcome: review, reason: A, analyst: A.,\n"
        "   when: \"card_id = '4111111111111111'\"}\n"
    )
    ended += [ringfence("rules", "check", book), ringfence("run", project / "one.ndjson", "--rules", book)]
    assert "IN LIST" in ended[-1].err
    assert leaks(said(*ended)) == []
    assert leaks_under(project / "ringfence-data") == {}
    again = ringfence(
        "run",
        write_ndjson(project / "two.ndjson", [payment(2, card_id=None, card_number="4111111111111111")]),
        "--json",
    )
    assert "watched" in again.json["rules"]


@pytest.mark.parametrize(
    "name",
    [
        "cvv",
        "cardCVV",
        "enteredCVV",
        "CVC2",
        "card security code",
        "Kartenprüfnummer",
        "pinBlock",
        "PIN",
        "track2",
    ],
)
def test_what_authenticates_a_payer_is_dropped_by_its_name_and_counted(ringfence, project, name):
    rows = [payment(1, attributes={name: "7371", "kept": "7372"}), payment(2, attributes={name: 7371.0})]
    ended = ringfence("run", write_ndjson(project / "in.ndjson", rows), "--json")
    assert sum(ended.json["dropped"].values()) == 2
    kept = [
        {key: value for key, value in row.items() if key.startswith("attributes.")}
        for row in events_of(project)
    ]
    assert kept == [{"attributes.kept": "7372"}, {"attributes.kept": None}]


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_each_value_of_a_file_without_ids_is_counted_once(ringfence, project, form):
    (project / "m.toml").write_text(
        '[[records]]\nattributes = "*"\n[records.fields]\nevent_time = "at"\namount = "amount"\n'
        'transaction_id = { column = "id", row_id = true }\n'
    )
    track, at = PLANTED[f"track 2 {CARD}"], "2024-05-01T12:00:00Z"
    cells = [
        [at, "3.50", "737", track],
        [at, "x", "737", track],
        [at, "4.50", "737", "y"],
        [track, "1", "7", "z"],
    ]
    rows = [dict(zip(("at", "amount", "cvv", "note"), row, strict=True)) for row in cells]
    path = project / f"in.{form}"
    if form == "csv":
        path.write_text("".join(",".join(row) + "\n" for row in (rows[0], *cells)))
    elif form == "ndjson":
        write_ndjson(path, rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    ended = ringfence("run", path, "--mapping", "m.toml", "--json")
    assert ended.out, ended.err
    assert ended.json["dropped"] == {"verification codes": 4, "track data": 3}


def test_results_and_other_meanings_of_such_names_are_kept(ringfence, project):
    kept = {
        "cvv_check": "pass",
        "pin_verified": True,
        "tracking_number": "T1",
        "cid": "customer-7",
        "pincode": "560001",
    }
    ended = ringfence("run", write_ndjson(project / "in.ndjson", [payment(1, attributes=kept)]), "--json")
    assert ended.json["dropped"] == {}
    [row] = events_of(project)
    assert {name: row[f"attributes.{name}"] for name in kept} == kept


def test_a_file_that_holds_verification_codes_is_told_so_before_it_is_read(ringfence, project):
    path = write_ndjson(
        project / "in.ndjson", [{"id": "1", "cardCVV": "414", "enteredCVV": "414", "amt": 1.0}]
    )
    assert ringfence("sources", "--sniff", path, "--json").json["dropped"] == ["cardCVV", "enteredCVV"]
    assert "cardCVV, enteredCVV" in ringfence("sources", "--sniff", path).err


def test_an_id_that_looks_like_a_card_becomes_a_token_and_its_label_still_meets_it(ringfence, project):
    rows = [
        payment(1, transaction_id=CARD),
        payment(2, transaction_id=CLOCK, merchant_id=PHONE, attributes={"at": CLOCK}),
        {"kind": "label", "transaction_id": CARD, "event_time": "2024-05-02T12:00:00Z", "label": True},
    ]  # fmt: skip
    assert ringfence("run", write_ndjson(project / "in.ndjson", rows), "--json").code == 0
    first, second, label = events_of(project)
    assert first["transaction_id"] == label["transaction_id"]
    assert first["transaction_id"].startswith("tok_")
    assert (second["transaction_id"], second["merchant_id"]) == (CLOCK, PHONE)
    assert second["attributes.at"] == CLOCK
    assert (
        ringfence("decision", "4111111111111111", "--json").json["transaction_id"] == first["transaction_id"]
    )


def test_a_quarantined_record_tried_again_gives_what_it_would_have_given(ringfence, project):
    row = payment(1, card_id=None, card_number="4111111111111111", currency="XXQ", attributes={"cvv": "737"})
    assert ringfence("run", write_ndjson(project / "in.ndjson", [row])).code == 4
    [kept] = ringfence("quarantine", "list", "--json").json_lines
    assert "cvv" not in json.dumps(kept)
    assert leaks(json.dumps(kept).encode()) == []
