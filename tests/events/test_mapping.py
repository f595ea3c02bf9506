"""Mappings are data; what is wrong with one is said by name."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ringfence.errors import InputError
from ringfence.events.bad import Reason
from ringfence.events.decoding.binding import bind
from ringfence.events.mapping import SHIPPED, describe_mappings, load_mapping, parse_mapping
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.events.values.vocabulary import FIELDS

NOW = 1_750_000_000_000
TOKENIZER = Tokenizer(b"0123456789abcdef")
TILL = """
[[records]]
label = { column = "bad", delay = "2d" }
attributes = ["basket"]
[records.fields]
transaction_id = { column = "receipt", prefix = "till-" }
event_time = { column = "when", format = "%d.%m.%Y %H:%M", zone = "Europe/Zurich", offset_s = 60 }
amount = { column = "rappen", unit = "minor" }
currency = { constant = "CHF" }
merchant_id = { column = "shop", pad = 4 }
"""
ROWS = {
    "receipt": ["a", "b"],
    "when": ["01.03.2024 11:14", "x"],
    "rappen": [250, 7],
    "shop": [7, 8],
    "basket": [3, 4],
}


def applied(mapping, columns, **options):
    table = pa.RecordBatch.from_pydict({name: pa.array(values) for name, values in columns.items()})
    binding = bind(mapping, table.schema, "rows", tokenizer=TOKENIZER, ingest_time_ms=NOW, **options)
    ids = pa.array([f"row {number}" for number in range(table.num_rows)])
    return binding.apply(table.select(binding.columns), np.arange(table.num_rows), row_ids=ids)


def events(mapped):
    return [
        {name: cell for name, cell in row.items() if cell is not None}
        for row in mapped.events.table.to_pylist()
    ]


def test_a_mapping_of_ones_own():
    mapped = applied(parse_mapping(TILL, "till.toml"), {**ROWS, "bad": [1, 1]})
    assert events(mapped) == [
        {
            "kind": 0,
            "event_time_ms": 1_709_288_100_000,
            "ingest_time_ms": NOW,
            "transaction_id": "till-a",
            "merchant_id": "0007",
            "amount_minor": 250,
            "currency": "CHF",
            "attributes.basket": 3.0,
        }
    ]
    assert [fault.reason for fault in mapped.faults[1]] == [Reason.UNPARSABLE_TIME]
    assert mapped.labels.table.to_pylist()[0] == {
        "kind": 1,
        "event_id": "label-till-a",
        "event_time_ms": 1_709_288_100_000 + 2 * 86_400_000,
        "ingest_time_ms": NOW,
        "transaction_id": "till-a",
        "label": True,
        "label_source": "till",
    }


def test_a_decimal_comma_is_read_and_an_ambiguous_amount_refused():
    mapping = parse_mapping(TILL.replace('"rappen", unit = "minor"', '"rappen", decimal = ","'), "till")
    written = ["1.234,50", "7", " 0,5 ", "12.345.678,9", "1.5", "1,2,3", "1.23,4", ""]
    rows = {name: [values[0]] * len(written) for name, values in ROWS.items()}
    rows |= {"receipt": [f"r{number}" for number in range(len(written))], "rappen": written}
    found = applied(mapping, rows)
    assert [row["amount_minor"] for row in events(found)] == [123450, 700, 50, 1234567890]
    refused = {row: faults[0].reason for row, faults in found.faults.items()}
    assert [row for row, why in refused.items() if why is Reason.UNPARSABLE_AMOUNT] == [4, 5, 6]
    assert 7 in refused


def test_the_label_delay_can_be_set_from_outside():
    columns = {name: values[:1] for name, values in ROWS.items()}
    mapped = applied(parse_mapping(TILL, "till.toml"), {**columns, "bad": [True]}, label_delay="0s")
    assert mapped.labels.event_time_ms.tolist() == mapped.events.event_time_ms.tolist()


def test_the_handbook():
    columns = {
        "TRANSACTION_ID": [0, 1],
        "TX_DATETIME": pa.array([1_522_540_831_000, 1_522_540_930_000], pa.timestamp("ms")),
        "CUSTOMER_ID": [596, 4961],
        "TERMINAL_ID": [3156, 3412],
        "TX_AMOUNT": [57.16, 81.51],
        "TX_FRAUD": [0, 1],
        "TX_FRAUD_SCENARIO": [0, 1],
    }
    mapped = applied(load_mapping("handbook"), columns)
    assert events(mapped)[0] == {
        "kind": 0,
        "event_time_ms": 1_522_540_831_000,
        "ingest_time_ms": NOW,
        "transaction_id": "0",
        "customer_id": "596",
        "terminal_id": "3156",
        "amount_minor": 5716,
    }
    assert mapped.labels.column("transaction_id").to_pylist() == ["1"]
    assert mapped.labels.event_time_ms.tolist() == [1_522_540_930_000 + 7 * 86_400_000]


SPARKOV = {
    "trans_date_trans_time": ["2020-02-03 04:05:06"],
    "cc_num": [4_222_222_222_222],
    "merchant": ["fraud_Smith and Sons"],
    "category": ["misc_net"],
    "amt": ["107.005"],
    "first": ["Ada"],
    "last": ["Low"],
    "gender": ["F"],
    "street": ["1 Main St"],
    "city": ["Salem"],
    "state": ["MA"],
    "zip": [1970],
    "lat": [42.5],
    "long": [-70.9],
    "city_pop": [40_000],
    "job": ["Baker"],
    "dob": ["1980-01-02"],
    "trans_num": ["00ff"],
    "unix_time": [1_359_864_306],
    "merch_lat": [42.0],
    "merch_long": [-71.0],
    "is_fraud": [0],
}


def test_sparkovs_22_columns():
    (event,) = events(applied(load_mapping("sparkov"), SPARKOV))
    token = TOKENIZER.token("4222222222222")
    assert event == {
        "kind": 0,
        "event_time_ms": 1_580_702_706_000,
        "ingest_time_ms": NOW,
        "transaction_id": "00ff",
        "customer_id": "cus_" + token.removeprefix("tok_"),
        "card_id": token,
        "card_last4": "2222",
        "merchant_id": "Smith and Sons",
        "merchant_category": "misc_net",
        "amount_minor": 10700,
        "currency": "USD",
        "country": "US",
        "lat": 42.0,
        "lon": -71.0,
        "attributes.home_lat": 42.5,
        "attributes.home_lon": -70.9,
        "attributes.home_city": "Salem",
        "attributes.home_state": "MA",
        "attributes.home_zip": "01970",
        "attributes.city_pop": 40_000.0,
        "attributes.gender": "F",
        "attributes.job": "Baker",
        "attributes.dob": "1980-01-02",
    }


def test_sparkov_without_ids_has_those_of_its_rows():
    columns = {name: values for name, values in SPARKOV.items() if name != "trans_num"}
    assert events(applied(load_mapping("sparkov"), columns))[0]["transaction_id"] == "row 0"


@pytest.mark.parametrize("there", [True, False])
def test_ids_of_rows_are_made_only_where_the_source_has_none(there):
    names = [name for name in SPARKOV if there or name != "trans_num"]
    schema = pa.schema([(name, pa.string()) for name in names])
    bound = bind(load_mapping("sparkov"), schema, "rows", tokenizer=TOKENIZER, ingest_time_ms=NOW)
    assert bound.needs_row_ids is not there


def test_sparkovs_customers_are_profiles_of_the_customer_and_of_the_card():
    customer = {
        name: SPARKOV[name] for name in SPARKOV if name not in ("amt", "trans_num", "trans_date_trans_time")
    }
    first, second = events(applied(load_mapping("sparkov"), customer))
    token = TOKENIZER.token("4222222222222")
    assert (first["entity_type"], first["entity_id"]) == ("customer", "cus_" + token.removeprefix("tok_"))
    assert (second["entity_type"], second["entity_id"]) == ("card", token)
    assert (first["attributes.job"], first["attributes.home_zip"]) == ("Baker", "01970")
    assert second["customer_id"] == first["entity_id"]
    assert "Ada" not in str(first)


def test_flagged_accounts_come_as_transactions_and_flags():
    payment = {
        "Account_Id": [17],
        "Customer_Name": ["A B"],
        "Merchant_Type": ["Gas_Station"],
        "Transaction_Id": ["0123456789abcdef"],
        "Transaction_Type": ["In Store"],
        "Transaction_Amount": [12.5],
        "Transaction_Date": ["2024-03-01T10:15:00"],
    }
    (event,) = events(applied(load_mapping("flagged-accounts"), payment))
    assert (event["account_id"], event["amount_minor"], event["channel"]) == ("17", 1250, "In Store")
    (flag,) = events(
        applied(load_mapping("flagged-accounts"), {"Account_Id": [17], "Flag_Date": ["2024-03-01"]})
    )
    assert (flag["kind"], flag["entity_type"], flag["entity_id"]) == (4, "account", "17")
    assert flag["effective_at_ms"] == flag["event_time_ms"] == 1_709_251_200_000


def test_a_micro_macro_event():
    event = {
        "object_type": ["transaction"],
        "account": ["1234-5678-22"],
        "accountemail": ["a@example.com"],
        "phone": ["10001000"],
        "merchant": ["1234-5678-1003"],
        "transaction_amount": ["20000"],
        "time": ["Aug 19, 2024, 02:50:00.123"],
    }
    (made,) = events(applied(load_mapping("micro-macro"), event))
    assert (made["account_id"], made["amount_minor"]) == ("1234-5678-22", 2_000_000)
    assert made["event_time_ms"] == 1_724_035_800_123


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("receipt", "reciept"), "did you mean reciept"),
        (("rappen", "x"), "'rappen'"),
    ],
)
def test_a_missing_column_is_named_with_the_nearest(change, said):
    old, new = change
    columns = {new if name == old else name: values for name, values in ROWS.items()}
    with pytest.raises(InputError, match=said):
        applied(parse_mapping(TILL, "till.toml"), columns)


def test_a_mapping_that_does_not_fit_at_all_says_what_it_lacks():
    with pytest.raises(InputError, match="does not fit rows: it lacks"):
        applied(load_mapping("sparkov"), ROWS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("amount =", "amuont ="), "did you mean amount"),
        (('"rappen", unit = "minor"', '"rappen", unit = "cents"'), "cents"),
        (("Europe/Zurich", "Europe/Atlantis"), "no time zone"),
        (("[[records]]", "[[record]]"), "record"),
        (('constant = "CHF"', "pad = 3"), "needs one of column, constant, field"),
        (('amount = { column = "rappen", unit = "minor" }', ""), "needs the field 'amount'"),
        (("[records.fields]", "[records.fields"), "till.toml"),
    ],
)
def test_a_broken_mapping_says_what_is_wrong(change, said):
    with pytest.raises(InputError, match=said):
        parse_mapping(TILL.replace(*change), "till.toml")


@pytest.mark.parametrize("name", ["handbok", "none.toml"])
def test_an_unknown_mapping_is_an_input_error(name):
    with pytest.raises(InputError, match=r"handbook|cannot be read"):
        load_mapping(name)


def test_every_shipped_mapping_is_described():
    described = describe_mappings()
    assert [one.name for one in described] == list(SHIPPED)
    assert all(one.title and one.about and one.kinds and one.columns for one in described)


def test_canonical_columns_are_the_fields_themselves():
    columns = {
        "transaction_id": ["a"],
        "event_time": [1_709_288_100_000],
        "amount": ["1.50"],
        "attributes.x": [2],
    }
    (event,) = events(applied(load_mapping("canonical"), columns))
    assert (event["amount_minor"], event["attributes.x"], event["event_time_ms"]) == (
        150,
        2.0,
        1_709_288_100_000,
    )
    named = {
        source.column for record in load_mapping("canonical").records for source in record.sources().values()
    }
    assert named <= set(FIELDS)


def test_a_row_of_an_unknown_kind_is_a_bad_record():
    columns = {
        "kind": ["transaction", "labl"],
        "transaction_id": ["a", "b"],
        "event_time": [1_709_288_100_000] * 2,
        "amount": [1, 2],
    }
    mapped = applied(load_mapping("canonical"), columns)
    assert len(mapped.events) == 1
    assert mapped.faults[1][0].field == "kind"
