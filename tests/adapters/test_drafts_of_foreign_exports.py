# ruff: noqa: RUF001 (digits and signs of other scripts are what this is about)
"""What banks export, as it comes in the first hour: each of these was refused, or read wrong, before."""

import gzip
import json

import pyarrow as pa
import pytest
from tests.adapters.drafted import Drafted, written

from ringfence.adapters.files import sniff
from ringfence.adapters.files.paths import resolve
from ringfence.errors import InputError
from ringfence.events.values.times import BAD, strptime_ms, to_ms

WHEN = ("2024-05-01T10:00:00Z", "2024-05-13T22:30:00Z")
DAYS = ("2024-05-01T00:00:00Z", "2024-05-13T00:00:00Z")
HEAD = "id,paid_at,amount,currency,card_id"
ROWS = [f"t{at},2024-05-01T10:0{at}:00Z,1{at}.50,EUR,c{at % 2}" for at in range(5)]


def lines(*texts):
    return "\n".join(texts) + "\n"


@pytest.mark.parametrize(
    ("first", "second", "stored"),
    [
        ("٢٠٢٤-٠٥-٠١ ١٠:٠٠:٠٠", "٢٠٢٤-٠٥-١٣ ٢٢:٣٠:٠٠", WHEN),
        ("०१-०५-२०२४ १०:००", "१३-०५-२०२४ २२:३०", WHEN),
        ("1 maja 2024 10:00", "13 maja 2024 22:30", WHEN),
        ("1. května 2024 10:00", "13. května 2024 22:30", WHEN),
        ("1 Mayıs 2024 10:00", "13 Mayıs 2024 22:30", WHEN),
        ("1 мая 2024 10:00", "13 мая 2024 22:30", WHEN),
        ("2024年5月1日 10:00", "2024年5月13日 22:30", WHEN),
        ("2024年05月01日 10時00分00秒", "2024年05月13日 22時30分00秒", WHEN),
        ("2024. 05. 01. 10:00:00", "2024. 05. 13. 22:30:00", WHEN),
        ("2024-05-01 12:00:00 UTC+2", "2024-05-14 00:30:00 UTC+2", WHEN),
        ("2024-05-01 12:00:00 (Europe/Berlin)", "2024-05-14 00:30:00 (Europe/Berlin)", WHEN),
        ("2024-05-01t10:00:00z", "2024-05-13t22:30:00z", WHEN),
        ("20240501T100000.000Z", "20240513T223000.000Z", WHEN),
        ("20240501100000000", "20240513223000000", WHEN),
        ("20240501100000.000000", "20240513223000.000000", WHEN),
        ("Wed May 01 10:00:00 UTC 2024", "Mon May 13 22:30:00 UTC 2024", WHEN),
        ("Wed May 01 12:00:00 CEST 2024", "Tue May 14 00:30:00 CEST 2024", WHEN),
        ("Wed May  1 10:00:00 2024", "Mon May 13 22:30:00 2024", WHEN),
        ("[01/May/2024:10:00:00 +0000]", "[13/May/2024:22:30:00 +0000]", WHEN),
        ("01-MAY-24 10.00.00.000000000 AM", "13-MAY-24 10.30.00.000000000 PM", WHEN),
        ("May 1st, 2024 10:00 AM", "May 13th, 2024 10:30 PM", WHEN),
        ("2024-May-01 10:00:00", "2024-May-13 22:30:00", WHEN),
        ("01.05.2024-10:00", "13.05.2024-22:30", WHEN),
        ("2024-05-01_10:00:00", "2024-05-13_22:30:00", WHEN),
        ("2024-05-01-10-00-00", "2024-05-13-22-30-00", WHEN),
        ("01052024100000", "13052024223000", WHEN),
        ("240501100000", "240513223000", WHEN),
        ("2405011000", "2405132230", WHEN),
        ("01052024", "13052024", DAYS),
        ("05012024", "05132024", DAYS),
        ("1240501", "1240513", DAYS),
        ("2024122", "2024134", DAYS),
    ],
)
def test_times_of_other_systems(tmp_path, first, second, stored):
    rows = [f'a{at},"{one}",1{at}.50' for at, one in enumerate((first, second))]
    found = Drafted(written(tmp_path, lines("id,paid_at,amount", *rows)))
    assert (found.values["event_time"], found.refused) == (stored, 0)


@pytest.mark.parametrize(
    ("head", "first", "second"),
    [
        ("Date,Time", "45413,0.416666666666667", "45425,0.9375"),
        ("Date,Time", '45413,"0,416666666666667"', '45425,"0,9375"'),
        ("date,hour,minute", "2024-05-01,10,0", "2024-05-13,22,30"),
        ("year,month,day,hour,minute,second", "2024,5,1,10,0,0", "2024,5,13,22,30,0"),
        ("Date,Time", "2024-05-01 00:00:00,10:00:00", "2024-05-13 00:00:00,22:30:00"),
        ("Date,Time", "5/1/2024 0:00,10:00", "5/13/2024 0:00,22:30"),
        ("Date,Time", "2024-05-01 00:00:00,1899-12-30 10:00:00", "2024-05-13 00:00:00,1899-12-30 22:30:00"),
        ("timestamp,utc_offset", "2024-05-01 12:00:00,+02:00", "2024-05-14 00:30:00,+02:00"),
        ("Data transakcji,Godzina", "01.05.2024,10:00", "13.05.2024,22:30"),
        ("TRAN_DT,TRAN_TM", "20240501,100000", "20240513,223000"),
    ],
)
def test_a_time_of_day_in_another_column_is_found(tmp_path, head, first, second):
    """All payments of a day stood at midnight."""
    found = Drafted(written(tmp_path, lines(f"id,{head},amount", f"a1,{first},1.50", f"a2,{second},2.50")))
    assert (found.values["event_time"], found.refused) == (WHEN, 0)


def test_a_time_of_day_that_no_mapping_can_say_is_named(tmp_path):
    rows = ("a1,20240501,10000000,1.50", "a2,20240513,22300000,2.50")
    found = Drafted(written(tmp_path, lines("id,tran_date,tran_time,amount", *rows)))
    assert "tran_time (10000000) is not understood as a time of day" in found.said


@pytest.mark.parametrize("values", [("20240501", "20240502"), ("100101", "100102"), ("01052024", "02052024")])
def test_ids_of_digits_alone_are_no_times(tmp_path, values):
    rows = [f"{one},2024-05-01T10:00:00Z,1.50,{one}" for one in values]
    found = Drafted(written(tmp_path, lines("order_no,paid_at,amount,customer_id", *rows)))
    assert found.values["transaction_id"] == values
    assert found.fields["event_time"] == "paid_at"


def test_digits_that_lost_their_zero_are_refused_and_not_read_as_another_day():
    """1052024 became the 10th of May."""
    assert strptime_ms("01052024", "%d%m%Y")[1] != BAD
    assert strptime_ms("1052024", "%d%m%Y")[1] == BAD


@pytest.mark.parametrize(
    ("amounts", "stored"),
    [
        (("Rs. 1,500/-", "Rs. 12,250/-", "Rs. 12/-"), ("1,500.00 INR", "12,250.00 INR", "12.00 INR")),
        (("￥１，５００", "￥２，０００"), ("1,500 JPY", "2,000 JPY")),
        (("1,500円", "2,000円"), ("1,500 JPY", "2,000 JPY")),
        (("1,500.00元", "2,000.50元"), ("1,500.00 CNY", "2,000.50 CNY")),
        (("١٬٢٣٤٫٥٠", "١٢٫٥٠"), ("1,234.50", "12.50")),
        (("1 234,56 Kč", "12,50 Kč"), ("1,234.56 CZK", "12.50 CZK")),
        (("12 345 Ft", "999 Ft"), ("12,345.00 HUF", "999.00 HUF")),
        (("12,50 Euro", "1.234,50 Euro"), ("12.50 EUR", "1,234.50 EUR")),
        (("–12,50", "–3,10", "4,10"), ("12.50", "3.10")),
        (("=12.50", "=3.10"), ("12.50", "3.10")),
        (('=""12.50""', '=""3.10""'), ("12.50", "3.10")),
    ],
)
def test_amounts_of_other_systems(tmp_path, amounts, stored):
    rows = [f'a{at};2024-05-01T10:0{at}:00Z;"{one}"' for at, one in enumerate(amounts)]
    found = Drafted(written(tmp_path, lines("id;paid_at;amount", *rows)))
    assert (found.values["amount"], found.refused) == (stored, 0)


@pytest.mark.parametrize(
    ("head", "cells", "stored"),
    [
        ("price_amount_micros;currency", ("12500000;EUR", "3100000;EUR"), ("12.50 EUR", "3.10 EUR")),
        ("Betrag (TEUR)", ("12,5", "3,1"), ("12,500.00", "3,100.00")),
        ("amount_thousands", ("12.5", "3.1"), ("12,500.00", "3,100.00")),
        ("sign;amount", ("-;12.50", "+;3.10", "-;4.10"), ("12.50", "4.10")),
        ("amount;currency", ("12.50;36", "3.10;8"), ("12.50 AUD", "3.10 ALL")),
        ("Withdrawal Amt (INR);Deposit Amt (INR)", ("12.50;0.00", "0.00;3.10"), ("12.50 INR",)),
        ("Amount (EUR);Original Amount;Original Currency", ("-1.50;1.80;USD", "-2.50;2.80;USD"),
         ("1.50 EUR", "2.50 EUR")),
        ("Valor (R$)", ("1.010,50", "12,50"), ("1,010.50 BRL", "12.50 BRL")),
    ],
)  # fmt: skip
def test_amounts_in_other_units_signs_and_columns(tmp_path, head, cells, stored):
    """Some were a thousand, or a million, times what was paid; others had the currency of another column."""
    rows = [f"a{at};2024-05-01T10:0{at}:00Z;{one}" for at, one in enumerate(cells)]
    found = Drafted(written(tmp_path, lines(f"id;paid_at;{head}", *rows)))
    assert (found.values["amount"], found.refused) == (stored, 0)


def test_debits_below_zero_in_a_column_of_their_own_are_payments(tmp_path):
    """All rows were skipped."""
    cells = (";-12.50", "3.10;", ";-4.10")
    rows = [f"a{at};2024-05-01T10:0{at}:00Z;{one}" for at, one in enumerate(cells)]
    found = Drafted(written(tmp_path, lines("id;paid_at;Gutschrift in CHF;Lastschrift in CHF", *rows)))
    assert (found.values["amount"], found.refused) == (("12.50 CHF", "4.10 CHF"), 1)
    assert "go to the quarantine" in found.said


def test_days_that_may_begin_with_the_year_or_the_day_are_not_guessed(tmp_path):
    rows = [f"a{at},{day},1.50" for at, day in enumerate(("150301", "150302", "160301"))]
    with pytest.raises(InputError, match="event_time is missing"):
        Drafted(written(tmp_path, lines("id,date,amount", *rows)))


def test_who_is_refused_for_want_of_a_time_reads_how_to_name_one(tmp_path):
    """Steps of a simulation that are not in order: the column was there, and no word said how to take it."""
    file = written(tmp_path, lines("id,time,amount", *(f"a{at},{149 - at % 140},1" for at in range(2000))))
    with pytest.raises(InputError, match="--answer event_time=COLUMN"):
        Drafted(file)
    assert Drafted(file, event_time="time").refused == 0


def test_a_second_number_that_is_no_part_of_a_day_is_no_time():
    assert to_ms(pa.array(["45413 0.5", "45413 10", "45413"]), "excel", "UTC")[1].tolist() == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("word", ["Estorno", "Zwrot", "Avoir"])
def test_refunds_in_other_languages_are_no_payments(tmp_path, word):
    rows = [f"a{at},2024-05-01T10:0{at}:00Z,{word if at == 3 else 'x'},1.50" for at in range(8)]
    assert f"names {word}" in Drafted(written(tmp_path, lines("id,paid_at,type,amount", *rows))).said


@pytest.mark.parametrize(
    ("column", "words", "label"),
    [
        ("not_fraud", ("0", "1"), None),
        ("is_not_fraud", ("true", "false"), None),
        ("fraud_check_passed", ("true", "false"), None),
        ("predicted_fraud", ("0", "1"), None),
        ("Betrug", ("ja", "nein"), {"fraud": ["ja"], "good": ["nein"]}),
        ("fraude", ("sim", "não"), {"fraud": ["sim"], "good": ["não"]}),
        ("fraud", ("-1", "1"), {"fraud": ["1"], "good": ["-1"]}),
        ("is_fraud", ("0.0", "1.0"), {"fraud": ["1.0"], "good": ["0.0"]}),
    ],
)
def test_labels_are_not_taken_for_their_opposite(tmp_path, column, words, label):
    rows = [f"t{at},2024-05-01T10:0{at}:00Z,1.50,{words[at % 2]}" for at in range(6)]
    found = Drafted(written(tmp_path, lines(f"id,paid_at,amount,{column}", *rows)))
    assert found.label == (None if label is None else {"column": column, "delay": "7d", **label})
    assert ("is not taken as the label" in found.said) is (label is None)


@pytest.mark.parametrize(
    "text",
    [
        lines(HEAD.replace(",", "^"), *(one.replace(",", "^") for one in ROWS)),
        lines(HEAD.replace(",", "~"), *(one.replace(",", "~") for one in ROWS)),
        lines(HEAD.replace(",", "\x01"), *(one.replace(",", "\x01") for one in ROWS)),
        lines(HEAD, "---,---,---,---,---", *ROWS, "", "(5 rows affected)"),
        lines(HEAD.replace(",", " | "), "----+---", *(one.replace(",", " | ") for one in ROWS), "(5 rows)"),
        lines(HEAD, *ROWS, ",,,,", ",,,,"),
        lines(HEAD, *ROWS, "Razem,,62.50,EUR,"),
        lines(HEAD, *ROWS, "合計,,62.50,EUR,"),
        lines(HEAD, *ROWS, "Closing balance,,62.50,EUR,"),
        lines(HEAD, *ROWS, "*** END ***,,,,"),
        lines(HEAD, *ROWS, "T,5,62.50"),
        lines(HEAD, *ROWS, "# end of file"),
        lines('id,paid_at,"amount\n(net)",currency,card_id', *ROWS),
    ],
)  # fmt: skip
def test_tables_as_queries_and_mainframes_print_them(tmp_path, text):
    found = Drafted(written(tmp_path, text))
    assert found.values["transaction_id"] == ("t0", "t1", "t2")
    assert found.values["amount"] == ("10.50 EUR", "11.50 EUR", "12.50 EUR")
    assert found.refused == 0


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_read(tmp_path, encoding):
    found = Drafted(written(tmp_path, lines(HEAD, *ROWS), encoding=encoding))
    assert (found.values["transaction_id"], found.refused) == (("t0", "t1", "t2"), 0)


def test_a_packed_file_that_is_cut_short_is_no_traceback(tmp_path):
    file = tmp_path / "some.csv.gz"
    packed = gzip.compress(lines(HEAD, *ROWS).encode())
    file.write_bytes(packed[:-9])
    assert Drafted(file).values["transaction_id"] == ("t0", "t1", "t2")
    file.write_bytes(packed[:12])
    with pytest.raises(InputError, match="whole copy"):
        Drafted(file)


@pytest.mark.parametrize(
    ("time", "amount"),
    [
        ({"$date": "2024-05-01T10:00:00Z"}, {"$numberDecimal": "10.50"}),
        ({"$date": {"$numberLong": "1714557600000"}}, {"$numberDouble": "10.50"}),
        ({"string": "2024-05-01T10:00:00Z"}, {"double": 10.5}),
    ],
)
def test_types_that_json_names_are_no_part_of_a_name(tmp_path, time, amount):
    row = {"id": "t0", "created_at": time, "amount": amount, "currency": "EUR"}
    found = Drafted(written(tmp_path, lines(json.dumps(row), json.dumps(row | {"id": "t1"})), "some.ndjson"))
    assert found.values["event_time"] == ("2024-05-01T10:00:00Z",)
    assert found.values["amount"] == ("10.50 EUR",)


def test_decimals_that_stand_in_another_field_are_told(tmp_path):
    """2 decimals were the amount."""
    rows = [
        {"id": f"t{at}", "created_at": f"2024-05-01T10:0{at}:00Z",
         "amount": {"value": 1050 + at, "exponent": 2, "currency": "EUR"}} for at in range(3)
    ]  # fmt: skip
    found = Drafted(written(tmp_path, lines(*map(json.dumps, rows)), "some.ndjson"))
    assert found.fields["amount"]["column"] == "amount.value"
    assert "amount.exponent belongs to amount.value" in found.said


def test_what_stands_for_no_id_in_other_systems_is_none(tmp_path):
    words = ("NOTPROVIDED", "brak", "#REF!", "keine Angabe", "não informado")
    rows = [f"t{at},2024-05-01T10:0{at}:00Z,1.50,{word}" for at, word in enumerate((*words, "d1", "d2"))]
    found = Drafted(written(tmp_path, lines("id,paid_at,amount,device_id", *rows)))
    assert found.values["device_id"] == ("d1", "d2")


@pytest.mark.parametrize(
    ("begin", "told"),
    [
        (b"PK\x03\x04", "save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel workbook"),
        (b"BZh91AY", "bunzip2"),
        (b"\xfd7zXZ\0", "unxz"),
        (b"Obj\x01", "Avro"),
        (b"ARROW1\0\0", "Parquet"),
        (b"SQLite format 3\0", "SQLite"),
        (b"%PDF-1.7\n", "PDF"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>', "XML"),
        (b"\n<HTML><table>", "web page"),
    ],
)
def test_files_of_other_programs_are_named_with_the_way_to_read_them(tmp_path, begin, told):
    """The first line was no CSV header, or not UTF-8."""
    for name in ("some.csv", "some.dat", "some.json"):
        (tmp_path / name).write_bytes(begin + b"\0" * 64)
        for way in (sniff, Drafted):
            with pytest.raises(InputError, match=told):
                way(str(tmp_path / name))


def test_what_systems_put_beside_files_is_not_read(tmp_path):
    for name in ("a.csv", "._a.csv", ".a.csv.swp.csv", "~$a.csv"):
        (tmp_path / name).write_bytes(b"x")
    assert resolve([str(tmp_path)]) == resolve([f"{tmp_path}/*.csv"]) == [str(tmp_path / "a.csv")]
    assert resolve([f"{tmp_path}/.*.csv"]) == [str(tmp_path / "._a.csv"), str(tmp_path / ".a.csv.swp.csv")]
