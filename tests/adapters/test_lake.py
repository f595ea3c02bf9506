"""Questions in SQL over what the log holds, in files and not yet in files."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ringfence.adapters.lake import DecisionQuery, Lake, forget
from ringfence.adapters.lake.tables import TopicTable
from ringfence.adapters.sqlite import Store
from ringfence.decisions.decision import DECISION_FIELDS, DecisionBatch
from ringfence.errors import InputError, StoreError
from ringfence.events import codec
from ringfence.events.bad import BadRecord, Fault, Reason
from ringfence.events.batch import EventBatch
from ringfence.events.decode import JsonDecoder
from ringfence.events.tokens import Tokenizer
from ringfence.ports import LogBatch
from ringfence.scoring.reference.recent import FLAG_MATCH_SCHEMA

NOW_MS = 1_750_000_000_000
OUTCOMES = pa.array(["approve", "challenge", "review", "decline"])


def events(base, count, **columns):
    """Transactions t<offset> of card c<offset % 3>, one a second; the last event of the batch is a label."""
    offsets = range(base, base + count)
    label = [i == base + count - 1 for i in offsets]
    table = pa.RecordBatch.from_pydict(
        {
            "kind": pa.array([int(one) for one in label], pa.uint8()),
            "event_time_ms": [i * 1000 for i in offsets],
            "transaction_id": [f"t{i - one}" for i, one in zip(offsets, label, strict=True)],
            "card_id": pa.array(
                [None if one else f"c{i % 3}" for i, one in zip(offsets, label, strict=True)]
            ),
            "amount_minor": pa.array(
                [None if one else i * 100 + 5 for i, one in zip(offsets, label, strict=True)]
            ),
            "currency": pa.array([None if one else "EUR" for one in label]).dictionary_encode(),
            "label": [True if one else None for one in label],
            **{name: pa.array(values) for name, values in columns.items()},
        }
    )
    return LogBatch(
        "events", base, count, base * 1000, (base + count) * 1000, codec.encode(EventBatch(table))
    )


def decisions(base, count, features=("card.count_1h",), digest="f1"):
    """A decision on every event but the last of the batch; every fourth is declined by rule `fast`."""
    offsets = np.arange(base, base + count - 1)
    n = len(offsets)
    values = [
        offsets,
        [f"t{i}" for i in offsets],
        offsets * 1000,
        offsets * 1000 + 7,
        pa.DictionaryArray.from_arrays(pa.array(np.where(offsets % 4 == 0, 3, 0).astype(np.int8)), OUTCOMES),
        np.full(n, 10.0),
        pa.nulls(n, pa.float64()),
        pa.nulls(n, DECISION_FIELDS[7].type),
        [[] for _ in offsets],
        [[] for _ in offsets],
        [[] for _ in offsets],
        [False for _ in offsets],
        [["velocity"] if i % 4 == 0 else [] for i in offsets],
        [["fast"] if i % 4 == 0 else [] for i in offsets],
        [[] for _ in offsets],
        [["card_testing"] if i % 4 == 0 else [] for i in offsets],
        [[40.0] if i % 4 == 0 else [] for i in offsets],
        [[] for _ in offsets],
        np.full(n, 100),
        *(offsets * 1.5 + k for k in range(len(features))),
    ]
    fields = [*DECISION_FIELDS, *(pa.field(name, pa.float64()) for name in features)]
    versions = {"features": digest, "rules": "r1"}
    schema = pa.schema(
        fields,
        {
            **versions,
            "feature_names": json.dumps(features),
            "versions": json.dumps(versions),
            "challengers": "[]",
        },
    )
    arrays = [
        value if isinstance(value, pa.Array) else pa.array(value, field.type)
        for value, field in zip(values, fields, strict=True)
    ]
    batch = DecisionBatch(pa.RecordBatch.from_arrays(arrays, schema=schema))
    return LogBatch("decisions", base, count, base * 1000, (base + count) * 1000, batch.encode())


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def lake(store, monkeypatch):
    """Files of 25 rows, so that 10 batches of 10 make three files and a tail of 10."""
    monkeypatch.setattr("ringfence.adapters.lake.lake.FILE_ROWS", 25)
    opened = Lake(store)
    yield opened
    opened.close()


def fill(store, first=0, batches=10):
    for base in range(first * 10, (first + batches) * 10, 10):
        store.commit([events(base, 10), decisions(base, 10)])


def one(lake, text):
    return lake.sql(text).to_pylist()[0]


def test_an_empty_store_answers_with_no_rows(lake):
    for view in ("events", "transactions", "labels", "decisions", "features", "quarantine", "flag_matches"):
        assert lake.sql(f"SELECT * FROM {view}").num_rows == 0
    assert lake.find_decision("t1") is None
    assert lake.find_transaction("t1") is None
    assert lake.decisions(DecisionQuery()).num_rows == 0


def test_files_and_tail_together_hold_every_row_once(lake, store):
    fill(store)
    assert one(lake, 'SELECT count(*) n, count(DISTINCT "offset") d, max("offset") m FROM events') == {
        "n": 100,
        "d": 100,
        "m": 99,
    }
    assert one(lake, "SELECT count(*) n FROM transactions") == {"n": 90}
    assert one(lake, "SELECT count(*) n FROM labels WHERE label") == {"n": 10}
    assert one(lake, "SELECT count(*) n FROM decisions") == {"n": 90}
    names = sorted(path.name.lstrip("0") for path in (store.tables / "events-2").iterdir())
    assert [int(name.split("-")[0] or 0) for name in names] == [0, 30, 60]


def test_what_is_appended_later_is_in_the_next_answer(lake, store):
    for batches in range(12):
        fill(store, first=batches, batches=1)
        assert one(lake, "SELECT count(*) n FROM decisions") == {"n": 9 * (batches + 1)}
        assert one(lake, "SELECT count(*) n FROM events") == {"n": 10 * (batches + 1)}


def test_amounts_and_times_are_readable(lake, store):
    fill(store, batches=1)
    row = one(
        lake,
        "SELECT amount, currency, event_time::VARCHAR AS t FROM transactions WHERE transaction_id = 't3'",
    )
    assert row == {"amount": 3.05, "currency": "EUR", "t": "1970-01-01 00:00:03"}
    assert one(lake, "SELECT amount FROM events WHERE kind = 'label'") == {"amount": None}


def test_features_are_written_as_in_rules(lake, store):
    fill(store)
    assert one(lake, "SELECT count(*) n FROM features WHERE card.count_1h >= 60") == {"n": 54}
    assert one(lake, "SELECT card.count_1h AS x FROM features WHERE transaction_id = 't8'") == {"x": 12.0}


def test_free_fields_may_come_go_and_change_their_type(lake, store):
    fill(store, batches=1)
    store.commit([events(10, 2, **{"attributes.shop": ["a", None], "attributes.risk": [1.5, None]})])
    store.commit([events(12, 2, **{"attributes.risk": ["high", None]})])
    found = lake.sql(
        'SELECT attributes.risk AS r, attributes.shop AS s FROM transactions ORDER BY "offset" DESC LIMIT 3'
    )
    assert found.to_pylist() == [{"r": "high", "s": None}, {"r": "1.5", "s": "a"}, {"r": None, "s": None}]


def test_specifications_may_change_between_batches(lake, store):
    fill(store, batches=4)
    more = ("card.count_1h", "ip.count_1d")
    store.commit([events(40, 10), decisions(40, 10, more, "f2")])
    assert one(lake, "SELECT count(ip.count_1d) n, count(card.count_1h) m FROM features") == {"n": 9, "m": 45}
    assert list(lake.find_decision("t3").features) == ["card.count_1h"]
    assert lake.find_decision("t40").features == {"card.count_1h": 60.0, "ip.count_1d": 61.0}


def test_a_decision_is_found_with_everything_it_knew(lake, store):
    fill(store)
    for number in (4, 98):  # in a file, in the tail
        found = lake.find_decision(f"t{number}")
        assert (found.offset, found.outcome, found.decided_at_ms) == (
            number,
            "decline" if number == 4 else "approve",
            number * 1000 + 7,
        )
        assert found.features == {"card.count_1h": number * 1.5}
        assert found.versions == {"features": "f1", "rules": "r1"}
    assert lake.find_decision("t9") is None  # a label
    assert lake.find_transaction("t98")["card_id"] == "c2"
    assert lake.find_transaction("' OR true --") is None


def test_decisions_are_listed_newest_first_and_filtered(lake, store):
    fill(store)

    def offsets(**which):
        return lake.decisions(DecisionQuery(**which)).column("offset").to_pylist()

    assert offsets(limit=3) == [98, 97, 96]
    assert offsets(outcome="decline", limit=2) == [96, 92]
    assert offsets(rule="fast", limit=2) == [96, 92]
    assert offsets(rule="other") == []
    assert offsets(entity="card", entity_id="c1", limit=2) == [97, 94]
    assert offsets(since_ms=10_000, until_ms=13_000) == [12, 11, 10]
    assert offsets(entity="card", entity_id="c0", outcome="decline", until_ms=40_000) == [36, 24, 12, 0]
    with pytest.raises(InputError, match="no entity 'planet': one of card"):
        offsets(entity="planet", entity_id="x")
    with pytest.raises(InputError, match="give both"):
        offsets(entity_id="c1")


def test_quarantine_can_be_asked(lake, store):
    store.commit(
        bad_records=[BadRecord("a.csv", 3, (Fault(Reason.MALFORMED, "", "no JSON"),), b"{")], now_ms=9
    )
    assert one(lake, "SELECT reason, position FROM quarantine") == {"reason": "malformed", "position": 3}
    store.commit(
        bad_records=[BadRecord("a.csv", 4, (Fault(Reason.MALFORMED, "", "no JSON"),), b"[")], now_ms=9
    )
    assert one(lake, "SELECT count(*) n FROM quarantine") == {"n": 2}


def test_matches_of_late_flags_can_be_asked(lake, store):
    for base in range(0, 40, 10):
        row = {
            "transaction_offset": base,
            "transaction_time_ms": 5000,
            "flag_offset": 90,
            "flag_since_ms": 1000,
        }
        found = pa.RecordBatch.from_pylist(
            [row | {"entity_type": "card", "entity_id": "c1"}] * 10, schema=FLAG_MATCH_SCHEMA
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, found.schema) as stream:
            stream.write_batch(found)
        store.commit([LogBatch("flag_matches", base, 10, 5000, 5000, sink.getvalue().to_pybytes())])
    row = one(
        lake, "SELECT count(*) n, max(transaction_offset) m, min(epoch_ms(flag_since)) s FROM flag_matches"
    )
    assert row == {"n": 40, "m": 30, "s": 1000}


def test_the_files_can_be_deleted_and_come_back_the_same(lake, store):
    fill(store)
    before = lake.sql('SELECT * FROM events ORDER BY "offset"')
    names = sorted(path.name for path in (store.tables / "events-2").iterdir())
    shutil.rmtree(store.tables)
    assert lake.sql('SELECT * FROM events ORDER BY "offset"') == before
    (store.tables / "events-2" / names[1]).unlink()
    assert lake.sql('SELECT * FROM events ORDER BY "offset"') == before
    assert sorted(path.name for path in (store.tables / "events-2").iterdir()) == names


def test_two_lakes_over_one_store_write_the_same_files(lake, store, tmp_path):
    fill(store, batches=5)
    lake.project()
    with Store.open(store.folder, read_only=True) as reading:
        other = Lake(reading)
        fill(store, first=5)
        for _ in range(2):
            for each in (other, lake):
                assert one(each, 'SELECT count(*) n, count(DISTINCT "offset") d FROM decisions') == {
                    "n": 135,
                    "d": 135,
                }
        other.close()


def test_the_log_may_be_trimmed_up_to_where_the_lake_has_come(lake, store):
    fill(store)
    lake.project()
    assert store.log.reader_offset("lake", "events") == 90
    store.log.trim("events", 90)
    assert one(lake, "SELECT count(*) n FROM events") == {"n": 100}
    again = Lake(store)
    assert one(again, "SELECT count(*) n FROM events") == {"n": 100}
    again.close()


def test_a_half_written_file_is_not_read(lake, store):
    fill(store)
    lake.project()
    (store.tables / "events-2" / "00000000000000000090-00000000000000000120.99.partial").write_bytes(b"half")
    assert one(lake, "SELECT count(*) n FROM events") == {"n": 100}


@pytest.mark.parametrize(
    "text",
    [
        "WITH x AS (SELECT 1 AS a) SELECT * FROM x UNION ALL VALUES (2)",
        "FROM decisions SELECT count(*)",
        "DESCRIBE decisions",
        "SUMMARIZE decisions",
        "SHOW TABLES",
        "EXPLAIN SELECT * FROM decisions",
        "EXPLAIN ANALYZE SELECT * FROM decisions",
        "SELECT * FROM range(3), unnest([1, 2])",
        "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 3) SELECT * FROM x;",
        "-- a question\nSELECT (SELECT max(score) FROM decisions)",
    ],
)
def test_reading_statements_are_answered(lake, store, text):
    fill(store, batches=3)
    assert lake.sql(text).num_rows > 0


@pytest.mark.parametrize(
    "text",
    [
        "COPY events TO '{tables}/x.parquet'",
        "WITH x AS (COPY (SELECT 1) TO '{tables}/x.parquet') SELECT * FROM x",
        "SELECT (WITH x AS (COPY (SELECT 1) TO '{tables}/x.parquet') SELECT 1 FROM x)",
        "EXPLAIN ANALYZE COPY events TO '{tables}/x.parquet'",
        "FROM query('WITH x AS (COPY (SELECT 1) TO ''{tables}/x.parquet'') SELECT * FROM x')",
        "FROM read_text('{data}/ringfence.db')",
        "FROM read_parquet('{tables}/events/*.parquet')",
        "FROM '{data}/ringfence.db'",
        "FROM glob('/etc/*')",
        "FROM sniff_csv('/etc/passwd')",
        "FROM store",  # a Python variable
        "CREATE TABLE t (a INT)",
        "DROP VIEW events",
        "DELETE FROM events",
        "ATTACH '{data}/ringfence.db'",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT 1; SELECT 2",
        "",
        "-- nothing",
        "SELECT (",
        "SELECT nothing FROM events",
        "SELECT " + "(" * 5000 + "1" + ")" * 5000,
        "SELECT '" + "x" * 70_000 + "'",
    ],
)
def test_everything_else_is_refused_and_changes_nothing(lake, store, text):
    fill(store, batches=3)
    before = lake.sql('SELECT * FROM events ORDER BY "offset"')
    files = sorted(store.folder.rglob("*"))
    with pytest.raises(InputError) as refused:
        lake.sql(text.format(tables=store.tables, data=store.folder))
    assert len(str(refused.value)) > 10
    assert sorted(store.folder.rglob("*")) == files
    assert lake.sql('SELECT * FROM events ORDER BY "offset"') == before


def test_a_table_folder_that_cannot_be_written_is_a_clear_error(store):
    fill(store)
    store.tables.write_text("a file where the folder belongs")
    table = TopicTable(store.tables / "events-2", store.log, "events", 25)
    with pytest.raises(StoreError, match="the log is safe"):
        table.refresh()


def test_any_number_of_attribute_names_is_one_column(lake, store):
    """16 payments with 512 names of their own: a column for each would cost every question a minute."""
    names = [[f"n{row}-{place}" for place in range(512)] for row in range(16)]
    base = {"event_time": NOW_MS, "amount": 1}
    lines = [
        json.dumps(base | {"transaction_id": f"t{row}", "attributes": dict.fromkeys(own, row)}).encode()
        for row, own in enumerate(names)
    ]
    found, bad = JsonDecoder(Tokenizer(bytes(16))).decode_lines(lines, NOW_MS, "test")
    assert not bad
    store.commit([LogBatch("events", 0, 16, NOW_MS, NOW_MS, codec.encode(found))])
    assert len(lake.sql("SELECT * FROM raw_events").column_names) < 50
    asked = "SELECT attributes.\"n7-511\" AS x FROM transactions WHERE attributes['n7-511'] IS NOT NULL"
    assert lake.sql(asked).to_pylist() == [{"x": 7.0}]
    assert lake.find_transaction("t15")["attributes"] == dict.fromkeys(names[15], 15.0)


def test_an_attribute_has_the_type_that_all_its_values_have(lake, store):
    odd, value = 'q"\\ /~1 \U0001f4b3', "\"\\\n\x01'"
    store.commit([events(0, 3, **{"attributes.n": [1.0, 2.5, None], f"attributes.{odd}": [value, "", None]})])
    store.commit([events(3, 3, **{"attributes.b": [True, None, None], "attributes.m": [1.0, None, None]})])
    store.commit([events(6, 3, **{"attributes.m": ["1", "x", None]})])
    found = lake.sql(
        "SELECT sum(attributes.n) AS n, bool_or(attributes.b) AS b, max(attributes.m) AS m FROM events"
    )
    assert found.to_pylist() == [{"n": 3.5, "b": True, "m": "x"}]
    quoted = odd.replace('"', '""')
    told = lake.sql(f'SELECT attributes."{quoted}" AS o FROM events WHERE "offset" = 0')
    assert told.to_pylist() == [{"o": value}]
    whole = lake.sql('SELECT attributes FROM events ORDER BY "offset"').to_pylist()
    assert [row["attributes"] and json.loads(row["attributes"]) for row in whole[:3]] == [
        {"n": 1, odd: value},
        {"n": 2.5, odd: ""},
        None,
    ]
    with pytest.raises(InputError, match=r"no event has an attribute 'nn': there are"):
        lake.sql("SELECT attributes.nn FROM events")


def test_tables_of_before_are_made_again(store):
    old = store.tables / "events"
    old.mkdir(parents=True)
    (old / "00000000000000000000-00000000000000000025.parquet").write_bytes(b"a column for every name")
    fill(store, batches=1)
    opened = Lake(store)
    assert one(opened, "SELECT count(*) AS n FROM events") == {"n": 10}
    opened.close()
    assert not old.exists()


def test_what_the_log_has_forgotten_is_in_no_file(lake, store):
    fill(store)
    lake.project()
    store.log.trim("events", 40)
    store.log.trim("decisions", 40)
    forget(store.tables, store.log)
    files = [pq.read_table(path) for path in sorted((store.tables / "events-2").iterdir())]
    rows = pa.concat_tables(files, promote_options="permissive")
    assert rows.column("offset").to_pylist() == list(range(40, 90))
    again = Lake(store)
    assert one(again, 'SELECT min("offset") AS first, count(*) AS n FROM events') == {"first": 40, "n": 60}
    again.close()


def test_a_question_reads_the_quarantine_only_where_it_asks_and_only_a_part(lake, store, monkeypatch):
    monkeypatch.setattr("ringfence.adapters.lake.lake._QUARANTINE_ROWS", 3)
    bad = [BadRecord("x", at, (Fault(Reason.MALFORMED, "", "no"),), b"%d" % at * 9000) for at in range(5)]
    store.commit(bad_records=bad, now_ms=7)
    lake.decisions(DecisionQuery())
    assert lake._quarantine_state is None
    found = lake.sql("SELECT position, octet_length(original) AS size FROM Quarantine ORDER BY position")
    assert found.to_pylist() == [{"position": at, "size": 4096} for at in (2, 3, 4)]
