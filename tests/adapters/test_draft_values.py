"""The values that strangers' files will have, as drafts show them, and headers of other languages."""

import pytest
from tests.adapters.drafted import CASES, Drafted, written


@pytest.mark.parametrize(
    ("name", "field", "values"),
    [
        ("thousands-only/in.csv", "amount", ("3,000.00", "12,500.00", "750.00")),
        ("thousands-only/in2.csv", "amount", ("1,500.00", "2,250.00", "12,000.00")),
        ("thousands-only/in3.csv", "amount", ("1,500.00", "20.00", "30.00")),
        ("wrong-column/in.csv", "event_time",
         ("2025-05-01T10:00:00Z", "2025-05-01T10:01:00Z", "2025-05-01T10:02:00Z")),
        ("wrong-column/in.csv", "transaction_id", ("a1", "a2", "a3")),
        ("paypal/in.csv", "event_time", ("2025-10-26T06:30:00Z", "2025-10-26T07:10:00Z")),
        ("paypal/in.csv", "amount", ("1,500.00 USD", "99.99 USD")),
        ("paypal/datetime.csv", "event_time", tuple(f"2025-10-25T{at}:30:00Z" for at in ("08", "10", "12"))),
        ("paypal/datetime2.csv", "event_time", tuple(f"2025-10-25T{at}:30:00Z" for at in ("08", "10", "12"))),
        ("headers-with-spaces/space.csv", "merchant_id", ("shop",)),
        ("headers-with-spaces/space.csv", "transaction_id", ("t0", "t1", "t2")),
        ("headers-with-spaces/camel.csv", "device_id", ("dev1",)),
        ("headers-with-spaces/under.csv", "ip", ("10.0.0.1",)),
        ("stripe-refunded/in.csv", "amount", ("1,061.86 USD", "20.00 USD", "5,000 JPY")),
        ("excel-serial/in.csv", "event_time",
         ("2024-01-01T10:30:00Z", "2024-01-01T10:30:59.616Z", "2024-01-02T12:00:00Z")),
        ("inr-date-time/in.csv", "event_time",
         ("2016-08-02T14:32:07Z", "2016-08-02T14:18:58Z", "2016-08-02T14:27:12Z")),
        ("inr-date-time/in.csv", "amount", ("25.00 INR", "27,999.00 INR", "459.00 INR")),
        ("tabformer/in.csv", "event_time",
         ("2002-09-01T06:21:00Z", "2002-09-01T06:42:00Z", "2010-12-31T23:59:00Z")),
        ("tabformer/in.csv", "amount", ("131.07 USD", "36.42 USD", "1,200.55 USD")),
        ("sci-ids/in.csv", "customer_id", ("007", "07", "7")),
        ("footer-loses-id/total.csv", "transaction_id", ("y1", "y2")),
        ("footer-loses-id/footer.csv", "transaction_id", ("y1", "y2")),
        ("footer-loses-id/blankfooter.csv", "transaction_id", ("y1", "y2")),
        ("footer-loses-id/middle.csv", "transaction_id", ("y0", "y1", "y2")),
        ("trailer-row/in3.csv", "transaction_id", ("y1", "y2")),
        ("trailer-row/in4.csv", "transaction_id", ("z1", "z2")),
        ("preamble-dkb/in.csv", "amount", ("35.00 EUR", "1,050.00 EUR")),
        ("preamble-dkb/in.csv", "event_time", ("2018-12-31T00:00:00Z", "2018-12-11T00:00:00Z")),
        ("two-digit-year/in2.csv", "event_time", ("2024-03-05T10:01:00Z", "2024-03-16T14:30:00Z")),
        ("epoch-us-ns/us.csv", "event_time", ("2024-05-01T10:00:00.123Z", "2024-05-01T10:01:00.123Z")),
        ("epoch-us-ns/ns.csv", "event_time", ("2024-05-01T10:00:00.123Z", "2024-05-01T10:01:00.123Z")),
        ("tz-abbrev/in.csv", "event_time",
         ("2025-10-25T23:30:00Z", "2025-10-26T00:30:00Z", "2025-10-26T01:30:00Z")),
        ("tz-abbrev/in2.csv", "event_time", ("2025-10-26T08:30:00Z", "2025-10-26T21:30:00Z")),
        ("parens/in.csv", "amount", ("30.00 USD", "1,230.50 USD", "45.10 USD")),
        ("amount-spellings/comma.csv", "amount", ("50.00", "12.34", "12.34 EUR")),
        ("nested-json/in.ndjson", "amount", ("4.75 GBP", "12.50 GBP")),
        ("nested-json/bg.ndjson", "account_id", ("DE65100110011234567890",)),
        ("stripe-api-minor/in.ndjson", "amount", ("20.00 USD", "10.99 USD", "5,000 JPY")),
        ("stripe-api-minor/in3.ndjson", "amount", ("5.50",)),
        ("headerless-pan/in.csv", "amount", ("12.50 EUR", "3.00 EUR", "4.00 EUR")),
        ("placeholder-ids/real.csv", "device_id", ("dev-0", "dev-1", "dev-2")),
    ],
)  # fmt: skip
def test_the_values_that_a_strangers_file_will_have(name, field, values):
    assert Drafted(CASES / name).values[field] == values


@pytest.mark.parametrize(
    ("header", "cells", "field", "values"),
    [
        ("date,time", ("2025-05-01,0930", "2025-05-01,1405"), "event_time",
         ("2025-05-01T09:30:00Z", "2025-05-01T14:05:00Z")),
        ("date,time", ("2025-05-01,930", "2025-05-01,1405"), "event_time",
         ("2025-05-01T09:30:00Z", "2025-05-01T14:05:00Z")),
        ("created_at", ("2025-05-01 10:00:00 +0530", "2025-05-01 10:01:00 +0530"), "event_time",
         ("2025-05-01T04:30:00Z", "2025-05-01T04:31:00Z")),
        ("created_at", ("2025-05-01 10:00:00 UTC", "2025-05-01 10:01:00 UTC"), "event_time",
         ("2025-05-01T10:00:00Z", "2025-05-01T10:01:00Z")),
        ("created_at", ('"Thu, 01 May 2025 10:00:00 GMT"', '"Fri, 02 May 2025 10:00:00 GMT"'), "event_time",
         ("2025-05-01T10:00:00Z", "2025-05-02T10:00:00Z")),
        ("created_at", ("01-MAY-25 10.00.00.000000 PM", "02-MAY-25 11.00.00.000000 AM"), "event_time",
         ("2025-05-01T22:00:00Z", "2025-05-02T11:00:00Z")),
        ("when,total", ("2025-05-01T10:00:00Z,CHF 12.-", "2025-05-01T10:01:00Z,CHF 1'200.05"), "amount",
         ("12.00 CHF", "1,200.05 CHF")),
        ("when,total", ("2025-05-01T10:00:00Z,12.34 Dr", "2025-05-01T10:01:00Z,20.05 Dr",
                        "2025-05-01T10:02:00Z,9.00 Cr"), "amount", ("12.34", "20.05")),
        ("when,total", ('2025-05-01T10:00:00Z,"12,-- EUR"', '2025-05-01T10:01:00Z,"20,05 EUR"'), "amount",
         ("12.00 EUR", "20.05 EUR")),
    ],
)  # fmt: skip
def test_spellings_that_other_exports_have(tmp_path, header, cells, field, values):
    plain = "" if "total" in header else ",amount"
    rows = "".join(f"b{n},{one}{',5.00' if plain else ''},c1\n" for n, one in enumerate(cells))
    drafted = Drafted(written(tmp_path, f"id,{header}{plain},card_id\n{rows}"))
    assert drafted.values[field] == values
    assert drafted.refused == 0


def test_rows_of_refunds_are_no_payments_and_said(tmp_path):
    kinds = ("SALE", "Refund", "CHARGE_BACK", "chargeback reversal")
    rows = "".join(f"b{n},2025-05-01T10:0{n}:00Z,{kind},5.00,c1\n" for n, kind in enumerate(kinds))
    path = written(tmp_path, f"id,created_at,Transaction Type,amount,card_id\n{rows}")
    drafted = Drafted(path)
    assert drafted.top["skip"] == {"Transaction Type": ["Refund", "chargeback reversal"]}
    assert drafted.values["transaction_id"] == ("b0", "b2")
    assert "names Refund, chargeback reversal beside payments" in drafted.said
    assert "skip" not in Drafted(path, payments="all").top


def test_ids_lose_what_a_spreadsheet_put_around_them(tmp_path):
    rows = "".join(f'="000{n}",2025-05-01T10:0{n}:00Z,5.00,{17 + n}.0\n' for n in range(3))
    drafted = Drafted(written(tmp_path, f"id,created_at,amount,customer_id\n{rows}"))
    assert drafted.values["transaction_id"] == ("0000", "0001", "0002")
    assert drafted.values["customer_id"] == ("17", "18", "19")


def test_coordinates_in_each_others_column_are_turned_and_said(tmp_path):
    rows = "".join(f"b{n},2025-05-01T10:0{n}:00Z,5.00,151.2,-33.8\n" for n in range(3))
    drafted = Drafted(written(tmp_path, f"id,created_at,amount,lat,lon\n{rows}"))
    assert (drafted.fields["lat"], drafted.fields["lon"]) == ("lon", "lat")
    assert "taken the other way round" in drafted.said


@pytest.mark.parametrize(("wrong", "turned"), [(1, False), (2, False), (3, False), (4, True)])
def test_a_few_mistyped_latitudes_turn_no_other_row(tmp_path, wrong, turned):
    rows = "".join(
        f"b{n},2025-05-01T10:{n:02}:00Z,5.00,{140 + n if n < wrong else 40 + n / 100},{-n / 10}\n"
        for n in range(40)
    )
    drafted = Drafted(written(tmp_path, f"id,created_at,amount,lat,lon\n{rows}"))
    assert (drafted.fields.get("lat") == "lon") is (drafted.fields["lon"] == "lat") is turned


def test_seconds_of_the_day_are_pointed_at(tmp_path):
    rows = "".join(f"b{n},2025-05-01,{36_000 + 60 * n},5.00\n" for n in range(3))
    assert (
        "secs may count the seconds of the day"
        in Drafted(written(tmp_path, f"id,date,secs,amount\n{rows}")).said
    )


def test_ids_that_could_be_clocks_stay_ids(tmp_path):
    rows = "".join(f"{1000 + n},2025-05-01T10:{n:02}:00Z,5.00\n" for n in range(30))
    assert Drafted(written(tmp_path, f"id,created_at,amount\n{rows}")).fields["transaction_id"] == "id"


@pytest.mark.parametrize(
    ("header", "row", "wanted"),
    [
        ("Belegnummer;Buchungsdatum;Wertstellung;Betrag;Währung;Kontostand;Kundennummer",
         "b{n};0{n}.05.2025 10:00;09.05.2025;12,50;EUR;1.000,00;k{n}",
         {"transaction_id": "Belegnummer", "event_time": "Buchungsdatum", "amount": "Betrag",
          "currency": "Währung", "customer_id": "Kundennummer"}),
        ("numéro de transaction;date de création;montant;devise;solde;frais;numéro de client;commerçant",
         "t{n};0{n}/05/2025 10:00;12,50;EUR;900,00;0,30;c{n};Épicerie",
         {"transaction_id": "numéro de transaction", "event_time": "date de création", "amount": "montant",
          "currency": "devise", "customer_id": "numéro de client", "merchant_id": "commerçant"}),
        ("id_transaccion,fecha_operacion,fecha_valor,importe,saldo,divisa,id_cliente,comercio,ciudad",
         "t{n},2025-05-0{n} 10:00:00,2025-06-01 00:00:00,12.50,900.00,EUR,c{n},Tienda,Madrid",
         {"transaction_id": "id_transaccion", "event_time": "fecha_operacion", "amount": "importe",
          "currency": "divisa", "customer_id": "id_cliente", "merchant_id": "comercio", "city": "ciudad"}),
        ("ID da Transação,Data da Transação,Valor,Saldo,Moeda,Cliente,Estabelecimento",
         "t{n},2025-05-0{n} 10:00:00,12.50,900.00,BRL,c{n},Loja",
         {"transaction_id": "ID da Transação", "event_time": "Data da Transação", "amount": "Valor",
          "currency": "Moeda", "customer_id": "Cliente"}),
        ("transactienummer;datum;bedrag;saldo;munt;klantnummer;winkel",
         "t{n};0{n}-05-2025 10:00;12,50;900,00;EUR;c{n};Hema",
         {"transaction_id": "transactienummer", "event_time": "datum", "amount": "bedrag", "currency": "munt",
          "customer_id": "klantnummer", "merchant_id": "winkel"}),
        ("PaymentId\tRelatedPaymentId\tCreatedAt\tUpdatedAt\tSettledAt\tNetAmount\tGrossAmount\tFeeAmount\tCurrency",
         "p{n}\tq{n}\t2025-05-0{n}T10:00:00Z\t2025-06-01T10:00:00Z\t2025-06-02T10:00:00Z\t11.00\t12.50\t1.50\tEUR",
         {"transaction_id": "PaymentId", "event_time": "CreatedAt", "amount": "GrossAmount"}),
        ("id|original_transaction_id|transaction_id|amount|balance|available_balance|fee|tip|tax|paid_at",
         "r{n}|o{n}|t{n}|12.50|900.00|800.00|1.00|2.00|3.00|2025-05-0{n}T10:00:00Z",
         {"transaction_id": "transaction_id", "amount": "amount", "event_time": "paid_at"}),
        ("transactionid,customerid,merchantid,transactiondate,transactionamount,isfraud",
         "t{n},c{n},m{n},2025-05-0{n} 10:00:00,12.50,0",
         {"transaction_id": "transactionid", "customer_id": "customerid", "merchant_id": "merchantid",
          "event_time": "transactiondate", "amount": "transactionamount"}),
    ],
)  # fmt: skip
def test_headers_of_other_languages_and_the_columns_beside_the_right_ones(tmp_path, header, row, wanted):
    text = header + "\n" + "".join(row.format(n=n) + "\n" for n in range(1, 6))
    found = Drafted(written(tmp_path, text))
    sources = {
        name: source["column"] if isinstance(source, dict) else source
        for name, source in found.fields.items()
    }
    assert wanted.items() <= sources.items()
    assert found.values["amount"][0].startswith("12.50")
    assert found.times[0] == "2025-05-01T10:00:00"


def test_a_column_that_is_empty_at_first_is_kept_and_named(tmp_path):
    rows = [
        f"t{n},{1_700_000_000 + 60 * n},9.{n % 90 + 10},{'' if n < 3500 else n % 7},," for n in range(4000)
    ]
    found = Drafted(written(tmp_path, "\n".join(["id,paid_at,amount,score,note,cvv", *rows])))
    assert set(found.attributes) == {"score", "note"}
    assert "no value in the first 3,000 rows: score, note." in found.said
