import pyarrow.parquet as pq

from .conftest import payment, write_ndjson

LABELLED = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n" + "".join(
    f"{day},2018-04-{day:02} 10:00:00,c,t,{day}.5,{int(day == 1)}\n" for day in range(1, 20)
)
SPEC = (
    "import ringfence as rf\nt = rf.entity('terminal')\n"
    "spec = rf.FeatureSpec.of(t.count('1d'), t.label_rate('30d'), t.mean('amount', '7d'))\n"
)


def test_one_row_per_payment_with_every_feature(ringfence, project, payments):
    ended = ringfence("features", payments, "--out", "f.parquet")
    table = pq.read_table(project / "f.parquet")
    assert ended.code == 0
    assert table["transaction_id"].to_pylist() == [f"p{n}" for n in range(8)]
    assert table["card.count_1h"].to_pylist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert str(table.schema.field("event_time").type) == "timestamp[ms, tz=UTC]"
    assert not (project / "ringfence-data").exists()


def test_they_are_those_that_a_run_decides_by(ringfence, project):
    """Labels become known after three days, in both."""
    (project / "days.csv").write_text(LABELLED)
    (project / "spec.py").write_text(SPEC)
    options = ["--mapping", "handbook", "--label-delay", "3d"]
    ringfence("features", "days.csv", "--out", "f.parquet", "--spec", "spec.py", *options)
    ringfence("run", "days.csv", "--features", "spec.py", *options)
    measured = pq.read_table(project / "f.parquet").to_pylist()
    for row in (measured[2], measured[5], measured[18]):
        stored = ringfence("decision", row["transaction_id"], "--json").json["features"]
        assert stored == {name: row[name] for name in stored}
    assert measured[2]["terminal.label_rate_30d"] == 0.0
    assert measured[5]["terminal.label_rate_30d"] > 0.0


def test_a_payment_that_comes_again_is_left_out(ringfence, project):
    write_ndjson(project / "rows.ndjson", [payment(0), payment(0), payment(1)])
    ringfence("features", "rows.ndjson", "--out", "f.parquet")
    assert pq.read_table(project / "f.parquet")["card.count_1h"].to_pylist() == [1.0, 2.0]


def test_records_that_cannot_be_read_are_told(ringfence, project):
    write_ndjson(project / "rows.ndjson", [payment(0), payment(1, amount=-1)])
    ended = ringfence("features", "rows.ndjson", "--out", "f.parquet")
    assert ended.code == 4
    assert "1 records could not be read" in ended.err


def test_no_file_is_left_where_the_source_is_unusable(ringfence, project, payments):
    ended = ringfence("features", payments, "nowhere.csv", "--out", "f.parquet")
    assert ended.code == 2
    assert [file.name for file in project.iterdir()] == ["payments.ndjson"]


def test_a_place_that_cannot_be_written_is_told(ringfence, payments):
    ended = ringfence("features", payments, "--out", "no/such/folder/f.parquet")
    assert ended.code == 2
    assert "cannot be written" in ended.err
