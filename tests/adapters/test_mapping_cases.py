"""Exports as people really have them, each read by a written mapping to the last value."""

from __future__ import annotations

import pytest
from tests.adapters.exports import Outcome, case, mapping

from ringfence.errors import InputError


def test_tabformer_has_its_time_in_four_columns_and_dollars_in_its_amounts():
    found = Outcome(
        case("tabformer/in.csv"),
        mapping(
            '{ join = ["Year", "Month", "Day", "Time"], format = "%Y %m %d %H:%M" }',
            '{ column = "Amount", sign = "positive" }',
            """
transaction_id = { row_id = true }
currency = { constant = "USD" }
card_id = { join = ["User", "Card"] }
merchant_id = "Merchant Name"
[records.attributes]
zip = { column = "Zip", strip_suffix = ".0", pad = 5 }
""",
            'label = { column = "Is Fraud?", delay = "1d" }',
        ),
    )
    assert found.times == [
        "2002-09-01T06:21:00.000",
        "2002-09-01T06:42:00.000",
        "2010-12-31T23:59:00.000",
        "2011-01-01T00:01:00.000",
    ]
    assert found.column("amount_minor") == [13107, 3642, 120055, 399]
    assert found.column("card_id") == ["0|0", "0|0", "1|0", "1|0"]
    assert found.column("merchant_id")[0] == "1234500009876543210"
    assert found.column("attributes.zip") == ["91750", "91754", "02101", "02101"]
    assert found.reasons == [(3, "negative_amount")]
    assert len(found.labels) == 1


PAYPAL = mapping(
    '{ join = ["Date", "Time"], format = "%m/%d/%Y %H:%M:%S", zone_column = "TimeZone" }',
    '{ column = "Gross", thousands = ",", other_sign = "skip" }',
    'transaction_id = "Transaction ID"\ncurrency = "Currency"\nemail = "From Email Address"',
)


def test_paypal_has_date_time_and_zone_in_three_columns():
    found = Outcome(case("paypal/in.csv"), PAYPAL)
    assert found.column("transaction_id") == ["1AB23456CD789012E", "2BC34567DE890123F"]
    assert found.times == ["2025-10-26T06:30:00.000", "2025-10-26T07:10:00.000"]
    assert found.column("amount_minor") == [150000, 9999]
    assert (found.skipped, found.bad) == (2, [])


@pytest.mark.parametrize(
    ("name", "columns", "form"),
    [("datetime.csv", ("Date", "Time"), "%m/%d/%Y %H:%M:%S"), ("datetime2.csv", ("date", "time"), "iso")],
)
def test_date_and_time_in_two_columns_are_one_moment(name, columns, form):
    ident, amount = ("TransactionID", "Amount") if name == "datetime.csv" else ("id", "amount")
    event_time = f'{{ join = ["{columns[0]}", "{columns[1]}"], format = "{form}" }}'
    found = Outcome(case(f"paypal/{name}"), mapping(event_time, f'"{amount}"', f'transaction_id = "{ident}"'))
    hours = [f"2025-10-25T{hour:02}:30:00.000" for hour in range(8, 22, 2)]
    assert found.times == hours[: len(found.rows)]
    assert len(found.rows) == 7


def test_adyen_has_debit_and_credit_zone_names_and_chargebacks():
    text = """
skip = { Type = ["MerchantPayout", "Refunded"] }
[[records]]
only = { Type = "Settled" }
[records.fields]
transaction_id = "Psp Reference"
event_time = { column = "Creation Date", zone_column = "TimeZone" }
amount = { credit = "Gross Credit (GC)", debit = "Gross Debit (GC)" }
currency = "Gross Currency"
[[records]]
kind = "label"
only = { Type = ["Chargeback", "NotificationOfFraud"] }
[records.fields]
transaction_id = "Psp Reference"
event_time = { column = "Creation Date", zone_column = "TimeZone" }
label = { constant = true }
"""
    found = Outcome(case("adyen/in.csv"), text)
    assert found.column("kind") == [0, 0, 1]
    assert found.column("transaction_id") == ["PSP1", "PSP2", "PSP2"]
    assert found.times == ["2026-07-15T08:22:31.000", "2026-07-16T07:00:00.000", "2026-07-20T07:00:00.000"]
    assert found.column("amount_minor") == [4599, 5000, None]
    assert (found.skipped, found.bad) == (2, [])


def test_brackets_mean_below_zero_and_signs_of_currencies_are_no_part_of_the_number():
    found = Outcome(
        case("parens/in.csv"),
        mapping(
            '{ column = "Date", format = "%m/%d/%Y" }',
            '{ column = "Amount", sign = "any" }',
            'transaction_id = "Transaction ID"\ncurrency = { column = "Amount", extract = "currency" }',
        ),
    )
    assert found.column("amount_minor") == [40000, 3000, 123050, 4510]
    assert found.column("currency") == ["USD"] * 4
    signed = Outcome(
        case("parens/in2.csv"),
        mapping('"when"', '{ column = "amount", sign = "negative" }', 'transaction_id = "id"'),
    )
    assert signed.column("amount_minor") == [3000]
    assert signed.reasons == [(1, "negative_amount")]


def test_a_decimal_comma_in_every_spelling_and_a_point_is_refused_as_it_stands():
    found = Outcome(
        case("amount-spellings/comma.csv"),
        mapping('"when"', '{ column = "betrag", decimal = ",", sign = "any" }', 'transaction_id = "id"'),
    )
    assert found.column("amount_minor") == [5000, 1234, 1499, 1234]
    assert "'12.34' is no amount" in found.bad[0].message


@pytest.mark.parametrize("way", ["skip_lines = 6", 'header_starts = "Umsatz"'])
def test_lines_before_the_header_and_latin_1(way):
    text = mapping(
        '{ column = "Belegdatum", format = "%d.%m.%y", zone = "Europe/Berlin" }',
        '{ column = "Betrag (EUR)", decimal = ",", sign = "negative", other_sign = "skip" }',
        'transaction_id = { row_id = true }\nmerchant_id = "Beschreibung"\ncurrency = { constant = "EUR" }',
        top=f'[file]\nencoding = "latin-1"\n{way}',
    )
    for name in ("in.csv", "noprea.csv"):
        wanted = text if name == "in.csv" else text.replace(way, "")
        found = Outcome(case(f"preamble-dkb/{name}"), wanted)
        assert found.column("merchant_id") == ["Bäckerei Müller", "Kaufhaus Köln"]
        assert found.column("amount_minor") == [3500, 105000]
        assert found.times == ["2018-12-30T23:00:00.000", "2018-12-10T23:00:00.000"]
        assert (found.skipped, found.bad) == (1, [])


def test_days_of_a_spreadsheet_are_local_times():
    found = Outcome(
        case("excel-serial/in.csv"),
        mapping('{ column = "date", format = "excel" }', '"amount"', 'transaction_id = "transaction_id"'),
    )
    assert found.times == ["2024-01-01T10:30:00.000", "2024-01-01T10:30:59.616", "2024-01-02T12:00:00.000"]
    local = mapping(
        '{ column = "date", format = "excel", zone = "America/New_York" }',
        '"amount"',
        'transaction_id = "transaction_id"',
    )
    assert Outcome(case("excel-serial/in.csv"), local).times[0] == "2024-01-01T15:30:00.000"


@pytest.mark.parametrize(
    ("name", "ident", "when"),
    [
        ("trailer-row/in.csv", "transaction_id", "event_time"),
        ("trailer-row/in2.csv", "transaction_id", "event_time"),
        ("trailer-row/in3.csv", "transaction_id", "date"),
        ("trailer-row/in4.csv", "id", "paid_at"),
        ("footer-loses-id/blankfooter.csv", "transaction_id", "event_time"),
        ("footer-loses-id/footer.csv", "transaction_id", "event_time"),
        ("footer-loses-id/total.csv", "transaction_id", "event_time"),
    ],
)
def test_a_line_of_totals_is_no_payment(name, ident, when):
    """Set apart as what it is, or skipped where the mapping names it; the others keep their ids."""
    text = mapping(f'"{when}"', '"amount"', f'transaction_id = "{ident}"')
    found = Outcome(case(name), text)
    assert found.reasons == [(3, "trailer")]
    assert len(found.rows) == 2
    named = Outcome(case(name), 'file = { trailers = ["Total,*", "sum,*", "* rows exported"] }\n' + text)
    assert (named.bad, named.skipped) == ([], 1)
    assert named.rows == found.rows


def test_thousands_alone_are_read_as_the_mapping_says_and_refused_with_the_remedy_where_it_does_not():
    text = mapping('"created_at"', '{ column = "amount", thousands = "," }', 'transaction_id = "id"')
    assert Outcome(case("thousands-only/in2.csv"), text).column("amount_minor") == [150000, 225000, 1200000]
    assert Outcome(case("thousands-only/in3.csv"), text).column("amount_minor") == [150000, 2000, 3000]
    unsaid = Outcome(case("thousands-only/in2.csv"), text.replace(', thousands = ","', ""))
    assert unsaid.rows == []
    assert 'thousands = ","' in unsaid.bad[0].message
    german = mapping(
        '{ column = "Datum", format = "%d.%m.%Y %H:%M" }',
        '{ column = "Betrag", decimal = ",", thousands = "." }',
        'transaction_id = "Beleg"',
    )
    assert Outcome(case("thousands-only/in.csv"), german).column("amount_minor") == [300000, 1250000, 75000]


def test_years_of_two_digits():
    found = Outcome(
        case("two-digit-year/in.csv"),
        mapping(
            '{ column = "datum", format = "%d.%m.%y" }',
            '{ column = "betrag", decimal = "," }',
            'transaction_id = "id"',
        ),
    )
    assert found.times == ["2024-03-05T00:00:00.000", "2024-03-06T00:00:00.000", "2024-03-25T00:00:00.000"]
    american = mapping('{ column = "date", format = "%m/%d/%y %H:%M" }', '"amount"', 'transaction_id = "id"')
    assert Outcome(case("two-digit-year/in2.csv"), american).times == [
        "2024-03-05T10:01:00.000",
        "2024-03-16T14:30:00.000",
    ]


@pytest.mark.parametrize(
    ("name", "column", "form"),
    [("us.csv", "event_ts", "epoch_us"), ("ns.csv", "ts", "epoch_ns")],
)
def test_microseconds_and_nanoseconds_to_the_last_millisecond(name, column, form):
    text = mapping(f'{{ column = "{column}", format = "{form}" }}', '"amount"', 'transaction_id = "id"')
    found = Outcome(case(f"epoch-us-ns/{name}"), text)
    assert found.times == ["2024-05-01T10:00:00.123", "2024-05-01T10:01:00.123"]
    wrong = Outcome(case(f"epoch-us-ns/{name}"), text.replace(form, "epoch_ms"))
    assert f'format = "{form}"' in wrong.bad[0].message
    assert "2024-05-01T10:00:00.123Z" in wrong.bad[0].message


def test_names_of_zones_tell_the_repeated_hour():
    text = mapping('"created_at"', '"amount"', 'transaction_id = "id"')
    found = Outcome(case("tz-abbrev/in.csv"), text)
    assert found.times == ["2025-10-25T23:30:00.000", "2025-10-26T00:30:00.000", "2025-10-26T01:30:00.000"]
    written = mapping(
        '{ column = "created_at", format = "%b %d, %Y %I:%M:%S %p %Z" }', '"amount"', 'transaction_id = "id"'
    )
    assert Outcome(case("tz-abbrev/in2.csv"), written).times == [
        "2025-10-26T08:30:00.000",
        "2025-10-26T21:30:00.000",
    ]


def test_numbers_that_a_spreadsheet_shortened_are_no_ids():
    found = Outcome(
        case("sci-ids/in.csv"),
        mapping('"created_at"', '"amount"', 'transaction_id = "order_id"\ncard_number = "card_number"'),
    )
    assert found.rows == []
    assert "export this column as text" in found.bad[0].message


def test_a_clock_without_its_leading_zero_and_years_of_two_digits():
    found = Outcome(
        case("inr-date-time/in.csv"),
        mapping(
            '{ join = ["TransactionDate", { column = "TransactionTime", pad = 6 }], '
            'format = "%d/%m/%y %H%M%S", zone = "Asia/Kolkata" }',
            '"TransactionAmount (INR)"',
            'transaction_id = "TransactionID"\ncurrency = { constant = "INR" }\ncustomer_id = "CustomerID"',
        ),
    )
    assert found.times[:2] == ["2016-08-02T09:02:07.000", "2016-08-02T08:48:58.000"]
    assert found.column("amount_minor")[-1] is not None
    assert found.bad == []


def test_an_unquoted_comma_costs_its_own_row():
    found = Outcome(
        case("footer-loses-id/middle.csv"),
        mapping('"event_time"', '"amount"', 'transaction_id = "transaction_id"'),
    )
    assert len(found.rows) + len(found.bad) == 30
    assert {reason for _, reason in found.reasons} <= {"malformed"}
    assert set(found.column("amount_minor")) == {1250}


def test_a_file_without_a_header_is_named_by_the_mapping(tmp_path):
    file = tmp_path / "plain.csv"
    file.write_text("a1;2025-05-01T10:00:00Z;12,50\na2;2025-05-01T10:01:00Z;3,00\n")
    text = mapping(
        '"when"',
        '{ column = "amount", decimal = "," }',
        'transaction_id = "id"',
        top='file = { columns = ["id", "when", "amount"] }',
    )
    found = Outcome(file, text)
    assert found.column("transaction_id") == ["a1", "a2"]
    assert found.column("amount_minor") == [1250, 300]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252", "utf-16-le"])
def test_encodings(tmp_path, encoding):
    file = tmp_path / "shops.csv"
    file.write_bytes("id,when,amount,shop\n1,2025-05-01T10:00:00Z,€5.00,Café “é”\n".encode(encoding))
    layout = "" if encoding in ("utf-16", "utf-8-sig") else f'file = {{ encoding = "{encoding}" }}'
    text = mapping('"when"', '"amount"', 'transaction_id = "id"\nmerchant_id = "shop"', top=layout)
    found = Outcome(file, text)
    assert found.column("merchant_id") == ["Café “é”"]
    assert found.column("amount_minor") == [500]


def test_a_header_that_is_nowhere_is_said():
    text = mapping('"a"', '"b"', 'transaction_id = "c"', top='file = { header_starts = "Kontonummer" }')
    with pytest.raises(InputError, match="no line begins with 'Kontonummer'"):
        Outcome(case("parens/in.csv"), text)
