"""Files that are like a known trouble, and not the same."""

import json

import pytest
from tests.adapters.drafted import CASES, NOW, Drafted

from ringfence.adapters.drafts.tables import table_in
from ringfence.adapters.drafts.trial import tried
from ringfence.adapters.files import sniff
from ringfence.adapters.files.explaining import explain
from ringfence.errors import InputError
from ringfence.events.mapping import load_mapping, parse_mapping


def read(found):
    """Payments, rows that are skipped and rows that are refused, by the draft's own mapping."""
    trial = tried(str(found.path), parse_mapping(found.text, "some"), NOW, None)
    return trial.payments, trial.skipped, trial.refused.total()


def test_a_header_that_comes_again_is_no_payment():
    found = Drafted(CASES / "header-again" / "in.csv")
    assert found.fields["transaction_id"] == "id"
    assert read(found) == (3, 1, 0)
    assert "the header comes again" in found.said


def test_sums_that_nothing_names_do_not_cost_the_payments_their_ids():
    """The empty id of the last row made row numbers of all."""
    found = Drafted(CASES / "trailer-row" / "sums.csv")
    assert found.fields["transaction_id"] == "id"
    assert read(found) == (3, 1, 0)


def test_money_that_goes_out_is_paid_and_what_comes_in_is_skipped():
    found = Drafted(CASES / "in-and-out" / "in.csv")
    assert found.fields["amount"]["debit"] == "Money Out"
    assert read(found) == (2, 1, 0)
    assert found.values["amount"] == ("10.50", "800.00")


def test_every_id_of_a_spreadsheet_is_taken_out_of_its_quotes():
    found = Drafted(CASES / "spreadsheet-ids" / "in.csv")
    assert found.values["transaction_id"] == ("0012345", "0012346")
    assert found.values["card_id"] == ("0411", "0412")


def test_lines_that_end_as_on_old_macs_are_told_the_way_out(tmp_path):
    file = tmp_path / "old.csv"
    file.write_bytes(b"id,time,amount\rt0,2024-05-01 10:00:00,10.50\r")
    with pytest.raises(InputError, match=r"carriage returns alone.*tr "):
        sniff(str(file))


def test_an_id_of_a_card_is_not_explained_as_a_number_of_one(tmp_path):
    """It said: token c1..., ends in None."""
    file = tmp_path / "some.csv"
    file.write_text("transaction_id,event_time,amount,card_id\na1,2024-05-01T10:00:00Z,12.50,c1\n", "utf-8")
    found = explain(str(file), load_mapping("canonical"), NOW)
    assert {one.field for one in found.fields if "c1" in one.values} == {"card_id"}
    assert not [one for one in found.fields if one.field == "card_number" and one.values]


@pytest.mark.parametrize(
    ("zone", "stored"),
    [
        (" Europe/Berlin", "2024-05-01T08:00:00Z"),
        ("+02:00[Europe/Berlin]", "2024-05-01T08:00:00Z"),
        ("Z[UTC]", "2024-05-01T10:00:00Z"),
        (" America/Argentina/Buenos_Aires", "2024-05-01T13:00:00Z"),
    ],
)
def test_zones_of_the_tz_database_stand_behind_the_clock(tmp_path, zone, stored):
    file = tmp_path / "some.csv"
    rows = [f"i{at},2024-05-01T10:00:0{at}{zone},10.0{at}\n" for at in range(3)]
    file.write_text("id,when,amount\n" + "".join(rows), "utf-8")
    found = Drafted(file)
    assert found.values["event_time"][0] == stored
    assert "names no time zone" not in found.said
    assert read(found) == (3, 0, 0)


def test_lines_before_the_header_may_be_as_wide_as_the_table(tmp_path):
    file = tmp_path / "some.csv"
    rows = [f"0{at}.05.2024;10:0{at};-1{at},50;E{at}\n" for at in range(1, 5)]
    head = "Account statement\nFrom;01.05.2024;to;31.05.2024\n\nDatum;Uhrzeit;Betrag;Empfaenger\n"
    file.write_text(head + "".join(rows), "utf-8")
    found = Drafted(file)
    assert found.fields["amount"]["column"] == "Betrag"
    assert found.values["event_time"][0] == "2024-05-01T10:01:00Z"
    assert read(found) == (4, 0, 0)


@pytest.mark.parametrize(("ending", "asked"), [("", True), (".00", False)])
def test_cents_that_are_written_are_cents_be_they_zeros(tmp_path, ending, asked):
    """It asked whether 100.00 was in cents, "as written, 100.00 is 100.00.00"."""
    file = tmp_path / "some.csv"
    rows = [f"x{at},2024-05-01 10:{at:02}:00,{at + 50}00{ending},c{at}\n" for at in range(20)]
    file.write_text("id,when,amount,card_id\n" + "".join(rows), "utf-8")
    assert ("may be in cents" in Drafted(file).said) == asked


def test_codes_of_currencies_are_known_by_their_values_whatever_the_column_is_called(tmp_path):
    file = tmp_path / "some.ndjson"
    amount = [{"amt": {"v": 1.5, "c": "EUR"}}]
    rows = [
        {"payment": {"ref": f"p{at}", "lines": amount}, "at": f"2024-05-01T10:0{at}:00Z"} for at in range(3)
    ]
    file.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    assert Drafted(file).fields["currency"] == "payment.lines[0].amt.c"


@pytest.mark.parametrize(
    ("header", "first"),
    [
        ("reference,city,currency,amount,note", "abc,Berlin,EUR,n/a,reversed"),
        ("card1,city,currency,amount,note", "visa,Berlin,EUR,n/a,"),
        ("a1,b,c,d,e", "abc,Berlin,EUR,n/a,reversed"),
    ],
)
def test_a_first_payment_without_a_number_is_no_header(header, first):
    """The draft took the payment for the names of the columns, and skipped the header."""
    rows = "".join(f"r{at},Paris,EUR,{at}.50,x\n" for at in range(30))
    found = table_in(f"{header}\n{first}\n{rows}".encode(), b"", "some.csv", whole=True, limit=100)
    assert found.names == header.split(",")
    assert [len(found.rows), found.rows[0][0], found.options] == [31, first.split(",")[0], {}]


_STATES = "Payment ID,Status,Requested On,Amount,Currency\n"


def states(folder, *rows):
    lines = [f"{one},{state},2026-05-01T1{at}:00:00,1{at}.50,EUR\n" for at, (one, state) in enumerate(rows)]
    (folder / "some.csv").write_text(_STATES + "".join(lines), "utf-8")
    return folder / "some.csv"


def test_later_rows_of_a_payment_are_skipped_and_asked_for(tmp_path):
    """As Checkout.com reports: the captured one counted as another payment, and both lost the id."""
    file = states(
        tmp_path, ("p1", "Authorised"), ("p1", "Captured"), ("p2", "Authorised"), ("p2", "Captured")
    )
    found = Drafted(file)
    assert read(found) == (2, 2, 0)
    assert found.top["skip"] == {"Status": ["Captured"]}
    assert found.values["transaction_id"] == ("p1", "p2")
    assert "2 of 4 rows report a later step" in found.questions["steps"].text
    assert read(Drafted(file, steps="all")) == (4, 0, 0)


def test_payments_that_are_skipped_with_their_only_row_are_counted_where_the_answer_is_chosen(tmp_path):
    rows = ("p1", "Authorised"), ("p1", "Captured"), ("p2", "Authorised"), ("p2", "Captured")
    asked = Drafted(states(tmp_path, *rows, ("p3", "Captured"))).questions["steps"]
    assert "rows of Captured are skipped, and with them 1 that no other row tells of" in asked.told


def test_the_latest_state_of_each_payment_is_no_later_row(tmp_path):
    found = Drafted(states(tmp_path, ("p1", "Captured"), ("p2", "Authorised"), ("p3", "Captured")))
    assert read(found) == (3, 0, 0)
    assert "steps" not in found.questions


def test_a_header_that_comes_again_in_capitals_is_no_payment(tmp_path):
    """No mapping was written."""
    head = "id,time,amount\n"
    rows = [f"t{at},2026-05-01 1{at}:00:00,1{at}.50\n" for at in range(3)]
    (tmp_path / "some.csv").write_text(head + rows[0] + head.upper() + rows[1] + head + rows[2], "utf-8")
    assert read(Drafted(tmp_path / "some.csv")) == (3, 2, 0)


@pytest.mark.parametrize("dash", ["\u2013", "\u2014", "\u2212"])
def test_dashes_of_windows_1252_and_others_are_no_keys(tmp_path, dash):
    """They were one card of several people."""
    rows = [f"t{at};2026-05-01 1{at}:00:00;1{at},50;{dash if at % 2 else f'c{at}'}\n" for at in range(8)]
    text = "id;time;amount;card\n" + "".join(rows)
    (tmp_path / "some.csv").write_bytes(text.encode("utf-8" if dash == "\u2212" else "cp1252"))
    found = Drafted(tmp_path / "some.csv")
    assert found.top["null_values"] == [dash]
    assert found.values["card_id"] == ("c0", "c2", "c4")


def test_an_id_that_is_empty_at_times_is_said_to_be(tmp_path):
    rows = [f"{f't{at}' if at % 2 else ''},2026-05-01 1{at}:00:00,1{at}.50\n" for at in range(8)]
    (tmp_path / "some.csv").write_text("id,time,amount\n" + "".join(rows), "utf-8")
    assert "(id is empty in 4 of 8 rows)" in Drafted(tmp_path / "some.csv").said


def test_amounts_with_an_exponent_are_not_asked_about_cents(tmp_path):
    """It offered 1.5E3 as 1.5E3.00."""
    rows = [f"t{at},2026-05-01 1{at}:00:00,{at + 1}.5E3\n" for at in range(3)]
    (tmp_path / "some.csv").write_text("id,time,amount\n" + "".join(rows), "utf-8")
    assert "unit" not in Drafted(tmp_path / "some.csv").questions


def test_json_in_the_cells_of_a_csv_is_named(tmp_path):
    rows = [f't{at},2026-05-01 1{at}:00:00,"{{""amount"": 1{at}}}"\n' for at in range(3)]
    (tmp_path / "some.csv").write_text("id,time,payload\n" + "".join(rows), "utf-8")
    with pytest.raises(InputError, match="payload holds JSON in its cells"):
        Drafted(tmp_path / "some.csv")


def test_ids_that_json_writes_as_decimal_numbers_are_ids():
    """The draft left the customers out and numbered the rows without a word."""
    found = Drafted(CASES / "spreadsheet-ids" / "floats.ndjson")
    assert found.values["transaction_id"] == ("100", "101", "102")
    assert found.values["customer_id"] == ("7000", "1000000000000000")
    assert read(found) == (6, 0, 0)


def test_fractions_are_no_ids(tmp_path):
    rows = [
        {"id": f"t{at}", "date": f"2026-05-{at + 1:02}T10:00:00Z", "amount": 5.5, "account": at + 0.25}
        for at in range(12)
    ]
    file = tmp_path / "some.ndjson"
    file.write_text("\n".join(map(json.dumps, rows)))
    assert "account_id" not in Drafted(file).fields


def test_a_cards_fingerprint_is_no_device_and_a_record_knows_its_account_better_than_its_envelope():
    found = Drafted(CASES / "nested-json" / "fingerprint.json")
    assert found.fields["card_id"] == "payments.card.fingerprint"
    assert "device_id" not in found.fields
    assert found.fields["account_id"] == "payments.account_id"


def test_records_of_two_fields_under_names_of_their_own_are_no_payment(tmp_path):
    """Twelve payments became one."""
    rows = {f"t{at}": {"time": f"2026-05-{at + 1:02}T10:00:00Z", "amount": at + 0.5} for at in range(12)}
    file = tmp_path / "some.json"
    file.write_text(json.dumps(rows))
    with pytest.raises(InputError, match="one object holds 12 records, each under a name of its own"):
        Drafted(file)
