"""Drafts of mappings for files of which nothing is known: what is chosen, said, and what will be stored."""

import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ringfence.adapters.drafts import draft_mapping
from ringfence.errors import InputError
from ringfence.events.mapping import parse_mapping

CASES = Path(__file__).parent / "cases"
NOW = 1_785_000_000_000  # 2026-07-25
CARD = "4111111111111111"


class Drafted:
    """A draft, taken apart."""

    def __init__(self, path, **answers):
        made = draft_mapping(str(path), "some", now_ms=NOW, answers=answers)
        parse_mapping(made.text, "some")
        self.text, self.refused, self.rows = made.text, made.refused, made.rows
        self.top = tomllib.loads(made.text)
        record = self.top["records"][0]
        self.fields, self.attributes = record["fields"], record.get("attributes", {})
        self.label = record.get("label")
        self.values = {one.field: one.values for one in made.choices}
        self.runner_up = {one.field: one.runner_up for one in made.choices}
        self.questions = {one.key: one for one in made.questions}
        self.said = "\n".join([*made.remarks, *(one.told for one in made.questions)])

    @property
    def times(self):
        return [value.removesuffix("Z") for value in self.values["event_time"]]


def written(folder, text, name="some.csv", encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def table(folder, columns):
    pq.write_table(pa.table(columns), folder / "some.parquet")
    return folder / "some.parquet"


def test_columns_are_told_by_name_and_values(tmp_path):
    found = Drafted(
        table(
            tmp_path,
            {
                "order_id": ["a", "b"],
                "created_date": ["31.12.2023 10:00", "01.01.2024 11:30"],
                "card_number": [CARD, "5500 0000 0000 0004"],
                "client": ["u1", "u1"],
                "amt": ["12.50", "3"],
                "is_fraud": ["no", "yes"],
                "score": [0.5, None],
                "note": ["x", ""],
            },
        )
    )
    assert found.fields == {
        "transaction_id": "order_id",
        "event_time": {"column": "created_date", "format": "%d.%m.%Y %H:%M", "zone": "UTC"},
        "card_number": "card_number",
        "customer_id": "client",
        "amount": "amt",
    }
    assert found.label["column"] == "is_fraud"
    assert {name: item["type"] for name, item in found.attributes.items()} == {
        "score": "number",
        "note": "text",
    }
    assert CARD not in found.text + found.said + str(found.values)


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
    "file",
    sorted(path for path in CASES.rglob("*.*") if "iso8583" not in str(path)),
    ids=lambda path: path.name,
)
def test_no_draft_refuses_its_own_file(file):
    """One row at most, which is said: an unquoted comma, a point among commas, microseconds among seconds."""
    found = Drafted(file)
    assert found.refused <= 1
    assert bool(found.refused) == ("will be refused" in found.said)
    assert CARD not in found.text + found.said + str(found.values)


def test_what_no_column_tells_is_not_written_but_said():
    with pytest.raises(InputError, match=r"no mapping is written.*time of the payment.*the amount"):
        Drafted(CASES / "iso8583" / "in.ndjson")


def test_a_mapping_that_would_refuse_most_rows_is_not_written(tmp_path):
    rows = "".join(f"a{n},2090-01-0{n + 1}T10:00:00Z,5.00\n" for n in range(5))
    with pytest.raises(InputError, match=r"no mapping is written.*out of range"):
        Drafted(written(tmp_path, "id,created_at,amount\n" + rows))


def test_ids_that_a_spreadsheet_has_rounded_are_named_and_are_no_keys():
    found = Drafted(CASES / "sci-ids" / "in.csv")
    assert found.fields["transaction_id"] == {"row_id": True}
    assert not {"card_id", "card_number"} & found.fields.keys()
    assert "card_number is damaged" in found.said
    assert "order_id is damaged" in found.said


@pytest.mark.parametrize("shown", ["NULL", "nan", "zeros", "empty", "ip0"])
def test_what_stands_for_nothing_is_no_key(shown):
    found = Drafted(CASES / "placeholder-ids" / f"{shown}.csv")
    assert not found.values.get("ip" if shown == "ip0" else "device_id")
    assert found.values["card_id"] == ("card-0", "card-1", "card-2")
    assert ("taken as missing" in found.said) == (shown != "empty")


def test_ids_that_count_from_0_keep_their_first():
    assert Drafted(CASES / "tabformer" / "in.csv").values["customer_id"] == ("0", "1")


def test_files_of_two_months_without_ids_do_not_meet():
    months = [Drafted(CASES / "monthly-exports" / f"{month}.csv") for month in ("jun", "jul")]
    assert all(found.fields["transaction_id"] == {"row_id": True} for found in months)


def test_security_data_of_cards_is_left_out():
    found = Drafted(CASES / "cvv" / "in.ndjson")
    assert not {"cardCVV", "enteredCVV"} & found.attributes.keys()
    assert "cardCVV is left out" in found.said
    assert found.fields["amount"] == "transactionAmount"
    assert found.label == {"column": "isFraud", "delay": "7d"}


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


@pytest.mark.parametrize(
    ("amounts", "values", "said"),
    [
        (["1.234,50", "7,00"], ("1,234.50", "7.00"), ""),
        (["1'234.50", "12.00"], ("1,234.50", "12.00"), ""),
        (["1 234,50", "7,00"], ("1,234.50", "7.00"), ""),
        (["12,34,567.50", "5.00"], ("1,234,567.50", "5.00"), ""),
        (["1.500", "2.250"], ("1.50", "2.25"), "three digits after each point"),
        (["-12.00", "-3.00", "5.00"], ("12.00", "3.00"), "below zero"),
        (["12.00", "3.00", "-5.00"], ("12.00", "3.00"), "above zero"),
        (["1999", "4999", "2490"], ("19.99", "49.99", "24.90"), "may be in cents"),
        (["€ 12.00", "€ 3.00"], ("12.00 EUR", "3.00 EUR"), ""),
        (["12.00 GBP", "3.00 GBP"], ("12.00 GBP", "3.00 GBP"), ""),
    ],
)
def test_amounts_in_every_spelling(tmp_path, amounts, values, said):
    rows = "".join(f"t{n}\t2025-05-01T10:0{n}:00Z\t{amount}\n" for n, amount in enumerate(amounts))
    found = Drafted(written(tmp_path, "txn_id\twhen\tamount\n" + rows))
    assert found.values["amount"] == values
    assert said in found.said
    assert found.refused == 0


@pytest.mark.parametrize(
    ("written_as", "form"),
    [
        (["01.03.2024 09:14"] * 4 + ["yesterday"], "%d.%m.%Y %H:%M"),
        (["03/21/2024", "03/04/2024"], "%m/%d/%Y"),
        (["03/02/2024", "03/04/2024"], "%d/%m/%Y"),
        (["20240301", "20240302"], "%Y%m%d"),
        (["2024/03/01 10:00"], "%Y/%m/%d %H:%M"),
        (["5 Mar 2024 10:00", "6 Mar 2024 11:00"], "%d %b %Y %H:%M"),
        (["20240301101500"], "%Y%m%d%H%M%S"),
        (["03/21/2024 01:02 PM"], "%m/%d/%Y %I:%M %p"),
    ],
)
def test_the_way_most_times_are_written_is_taken(tmp_path, written_as, form):
    found = Drafted(table(tmp_path, {"date": written_as, "amount": [1.5] * len(written_as)}))
    assert found.fields["event_time"]["format"] == form
    assert ("no times" in found.said) == ("yesterday" in written_as)
    assert ("day_order" in found.questions) == (form == "%d/%m/%Y")


def test_day_and_month_are_asked_about_and_the_answer_holds(tmp_path):
    file = written(tmp_path, "id,date,amount\na,03/02/2024,1.50\nb,03/04/2024,2.50\n")
    assert Drafted(file).times == ["2024-02-03T00:00:00", "2024-04-03T00:00:00"]
    assert "--answer day_order=month" in Drafted(file).said
    found = Drafted(file, day_order="month")
    assert found.times == ["2024-03-02T00:00:00", "2024-03-04T00:00:00"]
    assert "day_order" not in found.questions


def test_another_column_tells_which_of_day_and_month_is_first():
    found = Drafted(CASES / "inr-date-time" / "in.csv")
    assert "day_order" not in found.questions
    assert "day first, as in another column" in found.said


def test_two_columns_that_may_be_the_time_are_asked_about(tmp_path):
    file = written(
        tmp_path,
        "id,created,booked_date,amount\na,2025-05-01,2025-05-02,1.50\nb,2025-05-03,2025-05-04,2.50\n",
    )
    found = Drafted(file)
    assert found.questions["event_time"].answers == ("created", "booked_date")
    assert found.runner_up["event_time"] == "booked_date"
    assert Drafted(file, event_time="booked_date").times[0] == "2025-05-02T00:00:00"


def test_an_answer_that_is_no_column_or_no_choice_is_refused(tmp_path):
    file = written(tmp_path, "id,when,amount\na,03/02/2024,1.50\nb,03/04/2024,2.50\n")
    with pytest.raises(InputError, match=r"no such column.*did you mean amount"):
        Drafted(file, amount="amout")
    with pytest.raises(InputError, match="one of day, month"):
        Drafted(file, day_order="year")


def test_debits_and_credits_in_columns_of_their_own(tmp_path):
    file = written(
        tmp_path, "id,date,Debit,Credit\na,2025-05-01,12.50,\nb,2025-05-02,,100.00\nc,2025-05-03,3.00,\n"
    )
    assert Drafted(file).values["amount"] == ("12.50", "3.00")
    assert Drafted(file, payments="credit").values["amount"] == ("100.00",)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["0", "1"], {}),
        (["No", "Yes"], {}),
        (["legit", "fraud"], {"fraud": ["fraud"], "good": ["legit"]}),
        (["2", "1", "unknown"], {"fraud": ["1"], "good": ["2"], "unknown": ["unknown"]}),
        (["0", "1", "2"], {"fraud": ["1"], "good": ["0"], "unknown": ["2"]}),
    ],
)
def test_labels_in_numbers_and_in_words(tmp_path, words, options):
    rows = "".join(f"t{n},2025-05-01T10:0{n}:00Z,1.50,{words[n % len(words)]}\n" for n in range(6))
    found = Drafted(written(tmp_path, "id,when,amount,class\n" + rows))
    assert found.label == {"column": "class", "delay": "7d"} | options
    assert found.refused == 0


def test_what_is_known_only_later_and_clocks_are_left_out(tmp_path):
    found = Drafted(
        table(
            tmp_path,
            {
                "id": list(range(30)),
                "time": [1_700_000_000 + n for n in range(30)],
                "amount": [1.0] * 30,
                "fraud": [n % 2 for n in range(30)],
                "fraud_scenario": [n % 3 for n in range(30)],
                "refunded_amount": [0.5] * 30,
                "status": ["paid", "refunded"] * 15,
                "counter": list(range(30)),
                "V1": [(-1.0) ** n for n in range(30)],
            },
        )
    )
    assert list(found.attributes) == ["V1"]
    assert found.fields["event_time"] == {"column": "time", "format": "epoch_s"}
    for name in ("fraud_scenario", "refunded_amount", "status", "counter"):
        assert f"{name} is left out" in found.said


@pytest.mark.parametrize(
    ("number", "field"), [("411111******1111", "card_id"), ("XXXXXXXXXXXX1111", None), ("****1111", None)]
)
def test_masked_card_numbers_are_a_key_only_where_they_tell_cards_apart(tmp_path, number, field):
    rows = "".join(f"t{n},2025-05-01T10:0{n}:00Z,1.50,{number}\n" for n in range(4))
    found = Drafted(written(tmp_path, "id,when,amount,card_number\n" + rows))
    assert [name for name, source in found.fields.items() if source == "card_number"] == (
        [field] if field else []
    )
    assert found.refused == 0


def test_a_field_whose_values_are_refused_is_left_out_and_the_rows_stay(tmp_path):
    rows = "".join(f"t{n},2025-05-01T10:0{n}:00Z,1.50,{CARD if n else 'gift card'}\n" for n in range(8))
    found = Drafted(written(tmp_path, "id,when,amount,card_number\n" + rows))
    assert found.refused == 0
    assert "card_id is left out" in found.said
    assert CARD not in found.text + found.said


def test_small_whole_numbers_that_many_rows_share_are_days(tmp_path):
    found = Drafted(table(tmp_path, {"step": [n // 20 for n in range(100)], "amount": [1.5] * 100}))
    assert found.fields["event_time"] == {"column": "step", "format": "epoch_d", "offset_s": 1_577_836_800}
    assert "count days" in found.said


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (('{"data": [{"id": "a", "created": "2025-05-01T10:00:00Z", "amount": 1.5}, '
          '{"id": "b", "created": "2025-05-01T10:01:00Z", "amount": 2.5}], "has_more": false}'), "data."),
        (('[\n {"id": "a", "created": "2025-05-01T10:00:00Z", "amount": 1.5},\n'
          ' {"id": "b", "created": "2025-05-01T10:01:00Z", "amount": 2.5}\n]'), ""),
        (('{\n "id": "a",\n "created": "2025-05-01T10:00:00Z",\n "amount": 1.5\n}\n'
          '{\n "id": "b",\n "created": "2025-05-01T10:01:00Z",\n "amount": 2.5\n}'), ""),
    ],
)  # fmt: skip
def test_json_in_every_arrangement(tmp_path, text, where):
    found = Drafted(written(tmp_path, text, "some.json"))
    assert found.fields["transaction_id"] == f"{where}id"
    assert found.values["transaction_id"] == ("a", "b")
    assert found.values["amount"] == ("1.50", "2.50")


def test_a_file_without_an_object_gets_no_draft(tmp_path):
    with pytest.raises(InputError, match="none of the first lines"):
        draft_mapping(str(written(tmp_path, "[1]\n")), "some", "ndjson", now_ms=NOW)


def test_utf_16_is_read(tmp_path):
    text = "id\twhen\tamount\na\t2025-05-01T10:00:00Z\t1.50\nb\t2025-05-01T10:01:00Z\t2.50\n"
    found = Drafted(written(tmp_path, text, encoding="utf-16"))
    assert found.values["amount"] == ("1.50", "2.50")
