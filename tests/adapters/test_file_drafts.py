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


def test_a_file_of_json_lines_is_a_table_too(tmp_path):
    (tmp_path / "some.ndjson").write_text(
        '{"ref": "a", "created_at": 1700000000123, "amount": 1.5, "client": "u"}\nno json\n'
        '{"ref": "b", "created_at": 1700000000124, "amount": 2, "shop_name": "s", "is_fraud": true}\n'
    )
    made = draft_mapping(str(tmp_path / "some.ndjson"), "some")
    record = tomllib.loads(made.text)["records"][0]
    assert record["fields"]["event_time"] == {"column": "created_at", "format": "epoch_ms"}
    assert record["fields"]["amount"] == "amount"
    assert record["fields"]["customer_id"] == "client"
    assert record["label"]["column"] == "is_fraud"


def test_a_file_without_an_object_gets_no_draft(tmp_path):
    (tmp_path / "some.ndjson").write_text("[1]\n")
    with pytest.raises(InputError, match="none of the first lines"):
        draft_mapping(str(tmp_path / "some.ndjson"), "some", "ndjson")


@pytest.mark.parametrize(
    ("written", "form"),
    [
        (["01.03.2024 09:14"] * 4 + ["yesterday"], "%d.%m.%Y %H:%M"),
        (["03/21/2024", "03/04/2024"], "%m/%d/%Y"),
        (["03/02/2024", "03/04/2024"], "%d/%m/%Y"),
        (["20240301", "20240302"], "%Y%m%d"),
        (["2024/03/01 10:00"], "%Y/%m/%d %H:%M"),
    ],
)
def test_the_way_most_times_are_written_is_taken(tmp_path, written, form):
    record, remarks = drafted(tmp_path, {"date": written, "amount": [1] * len(written)})
    assert record["fields"]["event_time"] == {"column": "date", "format": form, "zone": "UTC"}
    said = " ".join(remarks)
    assert ("no times" in said) == ("yesterday" in written)
    assert ("day first" in said) == (form == "%d/%m/%Y")


def test_small_whole_numbers_that_many_rows_share_are_days(tmp_path):
    record, remarks = drafted(tmp_path, {"step": [n // 20 for n in range(100)], "amount": [1.0] * 100})
    assert record["fields"]["event_time"] == {
        "column": "step",
        "format": "epoch_d",
        "offset_s": 1_577_836_800,
    }
    assert any("count days" in remark for remark in remarks)


def test_a_column_of_which_too_little_is_a_time_is_none(tmp_path):
    (tmp_path / "some.csv").write_text("date,amount\n01.03.2024,1\nsoon,2\nlater,3\n")
    made = draft_mapping(str(tmp_path / "some.csv"), "some")
    assert "event_time" not in made.text
    assert any("event_time is missing" in remark for remark in made.remarks)


def test_amounts_with_a_decimal_comma_are_told(tmp_path):
    record, _ = drafted(tmp_path, {"time": ["2024-03-01"] * 2, "total": ["1.234,50", "7"]})
    assert record["fields"]["amount"] == {"column": "total", "decimal": ","}
