"""What a user may get wrong: each a clear message or a quarantined record; the rest is processed."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .conftest import payment, write_ndjson

CARD = "4111111111111111"


def run_with(ringfence, project, *lines: str):
    """A good payment, these lines, and another good payment."""
    path = project / "rows.ndjson"
    good = [json.dumps(payment(n)) for n in (0, 1)]
    path.write_bytes(
        b"\n".join(line if isinstance(line, bytes) else line.encode() for line in (good[0], *lines, good[1]))
        + b"\n"
    )
    return ringfence("run", path, "--json")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"event_time": "yesterday"}, "unparsable_time"),
        ({"event_time": "1970-01-01T00:00:00Z"}, "time_out_of_range"),
        ({"event_time": "2100-01-01T00:00:00Z"}, "time_out_of_range"),
        ({"amount": "ten"}, "unparsable_amount"),
        ({"amount": -1}, "negative_amount"),
        ({"amount": 1e14}, "absurd_amount"),
        ({"currency": "XXQ"}, "unknown_currency"),
        ({"merchant_id": "m" * 10_000}, "too_large"),
        ({"amout": 1}, "unknown_field"),
        ({"transaction_id": None}, "missing_field"),
    ],
)
def test_a_bad_field_quarantines_its_record_and_no_other(ringfence, project, change, reason):
    ended = run_with(ringfence, project, json.dumps(payment(9, **change)))
    assert ended.code == 4
    assert ended.json["transactions"] == 2
    assert ended.json["quarantined"] == {reason: 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (json.dumps(payment(9)).replace("20.0", "NaN"), "malformed"),
        (json.dumps(payment(9))[:-9], "malformed"),
        (b'{"transaction_id": "\xff\xfe"}', "invalid_utf8"),
        ("[1, 2]", "malformed"),
    ],
)
def test_a_line_that_is_no_record_is_quarantined(ringfence, project, line, reason):
    ended = run_with(ringfence, project, line)
    assert (ended.code, ended.json["transactions"], ended.json["quarantined"]) == (4, 2, {reason: 1})


def test_a_field_of_ten_megabytes_is_quarantined_with_what_fits(ringfence, project):
    ended = run_with(ringfence, project, json.dumps(payment(9, city="x" * 10_000_000)))
    assert (ended.code, ended.json["transactions"]) == (4, 2)
    record = ringfence("quarantine", "list", "--json").json
    assert record["reason"] == "too_large"
    assert len(record["original"]) <= 64 * 1024


def test_the_same_id_with_the_same_content_is_a_duplicate(ringfence, project):
    ended = run_with(ringfence, project, json.dumps(payment(0)))
    assert (ended.code, ended.json["transactions"], ended.json["duplicates"]) == (0, 2, 1)


def test_the_same_id_with_other_content_is_a_conflict(ringfence, project):
    ended = run_with(ringfence, project, json.dumps(payment(0, amount=21.0)))
    assert (ended.code, ended.json["transactions"]) == (4, 2)
    assert ended.json["quarantined"] == {"conflict": 1}


def test_a_missing_file_is_told_and_the_others_are_processed(ringfence, payments):
    ended = ringfence("run", "nowhere.csv", payments, "--json")
    assert ended.code == 2
    assert "nowhere.csv does not exist" in ended.err
    assert ended.json["transactions"] == 8


def test_nothing_but_a_missing_file_is_one_message(ringfence):
    ended = ringfence("run", "nowhere.csv")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Error: nowhere.csv does not exist")


def test_an_empty_file_is_told_and_the_others_are_processed(ringfence, payments, project):
    (project / "empty.ndjson").touch()
    ended = ringfence("run", payments, "empty.ndjson", "--json")
    assert ended.code == 2
    assert "empty.ndjson is empty" in ended.err
    assert ended.json["transactions"] == 8


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_nothing_but_an_empty_file_is_said_to_be_empty(ringfence, project, text):
    (project / "empty.ndjson").write_text(text)
    ended = ringfence("run", "empty.ndjson")
    assert ended.code == 2
    assert "empty.ndjson is empty" in ended.err


def test_a_table_that_no_mapping_fits_is_led_to_a_draft(ringfence, project):
    (project / "some.csv").write_text("ref,when,total\n1,2024-03-01 10:00,2\n")
    assert "--sniff some.csv --draft" in ringfence("run", "some.csv").err
    assert "--sniff some.csv --draft" in ringfence("sources", "--sniff", "some.csv").err


def test_a_wrong_mapping_names_what_is_missing(ringfence, project):
    (project / "some.csv").write_text("a,b\n1,2\n")
    ended = ringfence("run", "some.csv", "--mapping", "handbook")
    assert ended.code == 2
    assert "TX_DATETIME" in ended.err


def test_columns_that_no_mapping_knows_lead_to_the_explanation(ringfence, project):
    (project / "some.csv").write_text("a,b\n1,2\n")
    ended = ringfence("run", "some.csv")
    assert ended.code == 2
    assert "--mapping" in ended.err


def test_an_unknown_mapping_suggests_the_nearest(ringfence, payments):
    ended = ringfence("run", payments, "--mapping", "handbok")
    assert ended.code == 2
    assert "did you mean handbook?" in ended.err


def test_a_misspelt_column_in_a_mapping_suggests_the_nearest(ringfence, project):
    (project / "till.toml").write_text(
        '[[records]]\n[records.fields]\ntransaction_id = "id"\nevent_time = "when"\namount = "amuont"\n'
    )
    (project / "till.csv").write_text("id,when,amount\n1,2024-05-01T10:00:00Z,5\n")
    ended = ringfence("run", "till.csv", "--mapping", "till.toml")
    assert ended.code == 2
    assert "did you mean amount?" in ended.err


def test_a_truncated_gzip_gives_what_is_left_of_it(ringfence, project):
    rows = "".join(json.dumps(payment(n, city=f"{n * 7919 % 1000}")) + "\n" for n in range(600))
    (project / "cut.ndjson.gz").write_bytes(gzip.compress(rows.encode())[:-2000])
    ended = ringfence("run", "cut.ndjson.gz", "--json")
    assert ended.code == 4
    assert 0 < ended.json["transactions"] < 600
    assert ended.json["quarantined"]["truncated"] == 1


def test_a_truncated_parquet_file_is_told_and_the_others_are_processed(ringfence, payments, project):
    pq.write_table(pa.Table.from_pylist([payment(n) for n in range(20)]), project / "whole.parquet")
    (project / "cut.parquet").write_bytes((project / "whole.parquet").read_bytes()[:-100])
    ended = ringfence("run", payments, "cut.parquet", "--json")
    assert ended.code == 2
    assert "cut.parquet cannot be read as Parquet" in ended.err
    assert ended.json["transactions"] == 8


def test_amounts_and_times_of_a_csv_that_cannot_be_read_are_quarantined(ringfence, project):
    (project / "days.csv").write_text(
        "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n"
        "1,2018-04-01 10:00:00,c,t,10.0,0\n2,2018-04-41 10:00:00,c,t,10.0,0\n3,2018-04-01 11:00:00,c,t,,0\n"
    )
    ended = ringfence("run", "days.csv", "--json")
    assert (ended.code, ended.json["transactions"]) == (4, 1)
    assert sum(ended.json["quarantined"].values()) == 2


def test_a_card_number_reaches_no_file_and_no_message(ringfence, project):
    rows = [
        payment(0, card_number=CARD, card_id=None),
        payment(1, card_number=CARD, card_id=None, amount="many"),
        payment(2, attributes={"note": f"paid by {CARD}"}),
        payment(3, card_number=CARD, card_id=None, amount=-4),
    ]
    write_ndjson(project / "cards.ndjson", rows)
    said = [ringfence("run", "cards.ndjson", "-v"), ringfence("quarantine", "list", "--json")]
    said += [ringfence("decision", "p0"), ringfence("decisions", "--entity", f"card={CARD}", "--json")]
    assert said[-1].json["transaction_id"] == "p0"
    for ended in said:
        assert CARD not in ended.out + ended.err
    for file in (project / "ringfence-data").rglob("*"):
        if file.is_file():
            assert CARD.encode() not in file.read_bytes()


def test_text_that_would_steer_a_terminal_is_shown_harmless(ringfence, project):
    write_ndjson(project / "rows.ndjson", [payment(0, transaction_id="p\x1b[2J")])
    ringfence("run", "rows.ndjson")
    listed = ringfence("decisions")
    assert "\x1b" not in listed.out
    assert "\\x1b[2J" in listed.out
