"""Questions in SQL over what the log holds, in files and not yet in files."""

import shutil
import threading
import time
from contextlib import closing

import pyarrow as pa
import pytest
from tests.lakes import decisions, events, fill, one

from ringfence.adapters.lake import Lake, LakeFollower
from ringfence.adapters.lake.tables import TopicTable
from ringfence.adapters.sqlite import Store
from ringfence.decisions.index import DecisionQuery
from ringfence.errors import CatchingUpError, InputError, StoreError
from ringfence.events.bad import BadRecord, Fault, Reason
from ringfence.follow import catch_up
from ringfence.ports import LogBatch
from ringfence.scoring.reference.recent import FLAG_MATCH_SCHEMA


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def lake(store):
    """Files of 25 rows, so that 10 batches of 10 make three files and a tail of 10."""
    opened = Lake(store, LakeFollower(store.log, store.tables, 25))
    yield opened
    opened.close()


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
    catch_up(store.log, LakeFollower(store.log, store.tables, 25))
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
    catch_up(store.log, LakeFollower(store.log, store.tables, 25))
    assert LakeFollower(store.log, store.tables, 25).positions()["events"] == 90
    store.log.trim("events", 90)
    assert one(lake, "SELECT count(*) n FROM events") == {"n": 100}
    again = Lake(store)
    assert one(again, "SELECT count(*) n FROM events") == {"n": 100}
    again.close()


def test_a_half_written_file_is_not_read(lake, store):
    fill(store)
    catch_up(store.log, LakeFollower(store.log, store.tables, 25))
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
    with pytest.raises(StoreError, match="the log is safe"):
        catch_up(store.log, LakeFollower(store.log, store.tables, 25))


def test_no_more_than_so_many_records_are_read_from_the_log(store):
    """Where nobody writes the files: what would be missing is told, not left out."""
    fill(store)
    table = TopicTable(store.tables / "events-2", store.log, "events", 99)
    with pytest.raises(StoreError, match="100 records of events behind the log"):
        table.refresh()
    catch_up(store.log, LakeFollower(store.log, store.tables, 25))
    table.refresh()
    assert (len(table.files), len(table.tail)) == (3, 10)


def test_tables_that_were_asked_while_they_caught_up_answer_afterwards(store, monkeypatch):
    """A server's first question may come before its follower: the next ones have all tables and views."""
    monkeypatch.setattr("ringfence.adapters.lake.lake.LIVE_ROWS", 95)  # of 100 events and 90 decisions
    fill(store)
    opened = Lake(store)
    with closing(opened):
        for _ in range(2):
            with pytest.raises(CatchingUpError):
                opened.sql("SELECT count(*) FROM events")
        catch_up(store.log, LakeFollower(store.log, store.tables, 25))
        assert one(opened, "SELECT count(*) n FROM decisions") == {"n": 90}
        assert one(opened, "SELECT count(*) n FROM known_labels, flag_matches") == {"n": 0}


ENDLESS = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"


def test_a_time_limit_is_that_of_its_own_statement(lake):
    """A statement that waits for another loses none of its limit, and never ends the other."""
    problems = []

    def ask(seconds):
        try:
            lake.sql(ENDLESS, seconds=seconds)
        except InputError as error:
            problems.append(str(error))

    first = threading.Thread(target=ask, args=(2.0,))
    first.start()
    while first.is_alive() and not lake._lock.locked():
        time.sleep(0.01)
    second = threading.Thread(target=ask, args=(0.5,))
    second.start()
    for thread in (first, second):
        thread.join()
    stopped = "this took longer than {} s and was stopped: ask for less"
    assert problems == [stopped.format(2), stopped.format(0.5)]
    assert one(lake, "SELECT 1 AS n") == {"n": 1}


def test_a_statement_with_little_memory_is_refused_with_the_remedy(store):
    small = Lake(store, memory="64MB")
    try:
        with pytest.raises(InputError, match="needs more than 64MB of memory: ask for less"):
            small.sql("SELECT list(a) FROM range(100000000) t(a)")
        assert one(small, "SELECT current_setting('threads') AS n") == {"n": 1}
    finally:
        small.close()
