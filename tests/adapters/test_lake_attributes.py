"""Free fields, what retention has taken, and the quarantine, in questions in SQL."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.lakes import NOW_MS, events, fill, one

from ringfence.adapters.lake import Lake, LakeFollower, forget
from ringfence.adapters.sqlite import Store
from ringfence.decisions.index import DecisionQuery
from ringfence.errors import InputError
from ringfence.events import codec
from ringfence.events.bad import BadRecord, Fault, Reason
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.follow import catch_up
from ringfence.ports import LogBatch


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
    opened = Lake.alone(store)
    assert one(opened, "SELECT count(*) AS n FROM events") == {"n": 10}
    opened.close()
    assert not old.exists()


def test_what_the_log_has_forgotten_is_in_no_file(lake, store):
    fill(store)
    catch_up(store.log, LakeFollower(store.log, store.tables, 25))
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
