"""What the columns of a stranger's table seem to be."""

import tomllib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ringfence.adapters.files import draft_mapping
from ringfence.errors import InputError
from ringfence.events.mapping import parse_mapping


def drafted(folder, table):
    pq.write_table(pa.table(table), folder / "some.parquet")
    made = draft_mapping(str(folder / "some.parquet"), "some")
    parse_mapping(made.text, "some")
    return tomllib.loads(made.text)["records"][0], made.remarks


def test_columns_are_told_by_name_and_values(tmp_path):
    record, remarks = drafted(
        tmp_path,
        {
            "order_id": ["a", "b"],
            "created_date": ["31.12.2023 10:00", "01.01.2024 11:30"],
            "card_number": ["4111111111111111", "5500 0000 0000 0004"],
            "client": ["u1", "u1"],
            "amt": ["12.50", "3"],
            "is_fraud": ["no", "yes"],
            "score": [0.5, None],
            "note": ["x", ""],
        },
    )
    assert record["fields"] == {
        "transaction_id": "order_id",
        "event_time": {"column": "created_date", "format": "%d.%m.%Y %H:%M", "zone": "UTC"},
        "card_number": "card_number",
        "customer_id": "client",
        "amount": "amt",
    }
    assert record["label"]["column"] == "is_fraud"
    assert {name: item["type"] for name, item in record["attributes"].items()} == {
        "score": "number",
        "note": "text",
    }
    assert remarks == []


def test_what_is_known_only_later_and_clocks_are_left_out(tmp_path):
    record, remarks = drafted(
        tmp_path,
        {
            "id": list(range(30)),
            "time": [1_700_000_000 + n for n in range(30)],
            "amount": [1.0] * 30,
            "fraud": [n % 2 for n in range(30)],
            "fraud_scenario": [n % 3 for n in range(30)],
            "counter": list(range(30)),
            "V1": [(-1.0) ** n for n in range(30)],
        },
    )
    assert list(record["attributes"]) == ["V1"]
    assert record["fields"]["event_time"] == {"column": "time", "format": "epoch_s"}
    assert [remark.split()[0] for remark in remarks] == ["fraud_scenario", "counter"]


def test_a_file_of_json_lines_is_said_to_be_none_for_a_draft(tmp_path):
    (tmp_path / "some.ndjson").write_text('{"a": 1}\n')
    with pytest.raises(InputError, match="tables, CSV or Parquet"):
        draft_mapping(str(tmp_path / "some.ndjson"), "some")
