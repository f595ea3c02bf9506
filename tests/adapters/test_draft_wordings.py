"""Exports that write times, amounts and ids in their own way: what is stored is what was meant."""

import pytest
from tests.adapters.drafted import CASES, Drafted, written

from ringfence.errors import InputError

HEAD = "id,paid_at,amount,currency,card_id\n"


def timed(folder, *times, **answers):
    """The draft for payments at these times."""
    rows = [f'a{at},"{one}",{12 + at}.50,EUR,c{at % 2}\n' for at, one in enumerate(times)]
    return Drafted(written(folder, HEAD + "".join(rows)), **answers)


def paid(folder, *amounts, head="id,paid_at,amount,card_id", rest=""):
    """The draft for payments of these amounts."""
    rows = [f"a{at},2024-05-01T10:0{at}:00Z,{one},c{at % 2}{rest}\n" for at, one in enumerate(amounts)]
    return Drafted(written(folder, f"{head}\n" + "".join(rows)))


@pytest.mark.parametrize(
    ("first", "second", "stored"),
    [
        ("20240501 100000", "20240513 235959", "2024-05-13T23:59:59"),
        ("20240501 1015", "20240513 1015", "2024-05-13T10:15:00"),
        ("20240501-10:00:00.123", "20240513-10:00:00.123", "2024-05-13T10:00:00.123"),
        ("01MAY2024:10:00:00", "13JUN2024:23:59:59", "2024-06-13T23:59:59"),
        ("2024-05-01 10:00:00 a.m.", "2024-05-01 10:00:00 p.m.", "2024-05-01T22:00:00"),
        ("05/01/2024 10:00am", "05/22/2024 10:00pm", "2024-05-22T22:00:00"),
        ("2024-05-01 10:00:00", "2024-05-01 24:00:00", "2024-05-02T00:00:00"),
        ("01.05.2024 10:00", "31.05.2024 24:00", "2024-06-01T00:00:00"),
        ("1. Mai 2024, 10:00 Uhr", "2. März 2024, 11:00 Uhr", "2024-03-02T11:00:00"),
        ("01-Mai-2024 10:00:00", "03-Dez-2024 12:00:00", "2024-12-03T12:00:00"),
        ("1er mai 2024 à 10:00", "2 févr. 2024 à 11:00", "2024-02-02T11:00:00"),
        ("1 août 2024 10:00", "3 décembre 2024 12:00", "2024-12-03T12:00:00"),
        (
            "Wed May 01 2024 10:00:00 GMT+0000 (Coordinated Universal Time)",
            "Thu May 02 2024 10:00:00 GMT+0200 (CEST)",
            "2024-05-02T08:00:00",
        ),
        ("2024-W52-3", "2025-W01-1", "2024-12-30T00:00:00"),
        ("2026-W14-3T10:15:00Z", "2026-W14-7T10:15:00+02:00", "2026-04-05T08:15:00"),
        ("2024-123", "2024-366", "2024-12-31T00:00:00"),
        ("2026-123 10:15", "2026-124 11:30", "2026-05-04T11:30:00"),
        ("mercredi 1 mai 2024 10:00", "vendredi 31 mai 2024 12:00", "2024-05-31T12:00:00"),
        ("Mi, 01.05.2024 10:00", "Fr, 31.05.2024 10:00", "2024-05-31T10:00:00"),
        ("Wednesday, May 1, 2024 10:00 AM", "Friday, May 3, 2024 11:00 PM", "2024-05-03T23:00:00"),
        ("Wed, 01 May 2024 10:00:00 +0000", "Fri, 03 May 2024 11:00:00 +0000", "2024-05-03T11:00:00"),
        ("/Date(1714557600000)/", "/Date(1714557660000+0200)/", "2024-05-01T10:01:00"),
        ("'2024-05-01T10:00:00Z", "'2024-05-02T10:00:00Z", "2024-05-02T10:00:00"),
    ],
)
def test_times_are_read_as_they_are_written(tmp_path, first, second, stored):
    found = timed(tmp_path, first, second)
    assert found.refused == 0
    assert found.times[1] == stored


@pytest.mark.parametrize(
    ("currency", "answers", "stored"),
    [
        ("EUR", {}, "2024-05-01T09:00:00"),
        ("INR", {}, "2024-05-01T04:30:00"),
        ("INR", {"IST": "+02:00"}, "2024-05-01T08:00:00"),
    ],
)
def test_a_zone_name_of_several_places_is_asked_about(tmp_path, currency, answers, stored):
    """No draft was written, so there was no place to put the zone in."""
    text = f"id,paid_at,tz,amount,currency\na1,2024-05-01 10:00:00,IST,12.50,{currency}\n"
    found = Drafted(written(tmp_path, text), **answers)
    assert found.times == [stored]
    assert ("IST" in found.questions) is not bool(answers)


def test_other_zones_of_the_file_tell_which_is_meant(tmp_path):
    found = timed(tmp_path, "2024-03-01 10:00:00 GMT", "2024-05-01 10:00:00 BST")
    assert found.times == ["2024-03-01T10:00:00", "2024-05-01T09:00:00"]
    assert found.top["zone_names"] == {"BST": "+01:00"}


def test_a_row_of_units_is_no_payment():
    found = Drafted(CASES / "units-row" / "in.csv")
    assert (found.rows, found.refused) == (3, 0)
    assert found.top["file"]["trailers"] == [",[UTC],[EUR],"]


@pytest.mark.parametrize("first", ["a0,2024-05-01T10:00:00Z,n/a,c1", "a0,,12.50,c1"])
def test_a_first_payment_that_lacks_something_is_no_row_of_units(tmp_path, first):
    rows = "".join(f"a{at},2024-05-01T10:0{at}:00Z,{at}.50,c1\n" for at in range(1, 6))
    found = Drafted(written(tmp_path, f"id,paid_at,amount,card_id\n{first}\n{rows}"))
    assert "file" not in found.top


@pytest.mark.parametrize(
    ("amounts", "stored"),
    [
        (("1.25E+3", "12.50", "2.5E+1"), ("1,250.00", "12.50", "25.00")),
        (("1.25E+03", "2.50E-01", "1.0E+02"), ("1,250.00", "0.25", "100.00")),
        (("'12.50", "'13.50", "'14.50"), ("12.50", "13.50", "14.50")),
    ],
)
def test_amounts_of_spreadsheets_are_read(tmp_path, amounts, stored):
    found = paid(tmp_path, *amounts)
    assert found.values["amount"] == stored
    assert ("exponent" in found.said) is ("E" in "".join(amounts))


def test_exponents_are_read_with_decimal_commas_too(tmp_path):
    text = "id;paid_at;amount\n" + "".join(
        f"a{at};2024-05-01T10:0{at}:00Z;{one}\n" for at, one in enumerate(("1,25E+03", "2,50E+01"))
    )
    assert Drafted(written(tmp_path, text)).values["amount"] == ("1,250.00", "25.00")


@pytest.mark.parametrize(
    ("head", "rest", "told"),
    [
        ("id,paid_at,amount,card_id", "", True),
        ("id,paid_at,amount,card_id,currency", ",EUR", True),
        ("id,paid_at,amount,card_id,currency", ",KWD", False),
    ],
)
def test_decimals_that_are_not_kept_are_told(tmp_path, head, rest, told):
    found = paid(tmp_path, "12.345", "3.10", "0.125", head=head, rest=rest)
    assert ("2 of 3 amounts of amount have more decimals than are kept, as 12.345" in found.said) is told


def test_zeros_behind_the_cents_are_no_decimals(tmp_path):
    assert "more decimals" not in paid(tmp_path, "12.340", "3.100", "0.120").said


def test_the_apostrophe_of_a_spreadsheet_is_no_part_of_an_id():
    """Of some rows only: the same card is one card."""
    found = Drafted(CASES / "apostrophe-ids" / "in.csv")
    assert found.values["transaction_id"] == ("0010", "0011", "0012")
    assert found.values["card_id"] == ("0440",)
    assert "the apostrophe is left out" in found.said


def test_ids_that_are_numbers_in_some_rows_only_are_one_kind_of_id(tmp_path):
    rows = "".join(f"{one},2024-05-01T10:00:00Z,12.50\n" for one in ("1001", "1002.0", "1003.0"))
    found = Drafted(written(tmp_path, f"id,paid_at,amount\n{rows}"))
    assert found.values["transaction_id"] == ("1001", "1002", "1003")


def test_single_quotes_are_named(tmp_path):
    path = written(tmp_path, "'id','paid_at','amount'\n'a1','2024-05-01T10:00:00Z','12.50'\n")
    with pytest.raises(InputError, match="single quotes"):
        Drafted(path)
