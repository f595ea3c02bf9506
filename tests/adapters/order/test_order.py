"""Files in any order, read in order of event time."""

import gzip
import json
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.adapters.files import read, read_ordered
from ringfence.adapters.files.order.look import Looker
from ringfence.adapters.files.order.merge import merged
from ringfence.adapters.files.order.runs import runs_in
from ringfence.events.mapping import load_mapping
from ringfence.events.model import Kind
from ringfence.events.privacy.tokens import Tokenizer

CANONICAL = load_mapping("canonical")
TOKENIZER = Tokenizer(b"0" * 32)
NOW_MS = 1_795_000_000_000
NOON_MS = 1_746_100_800_000
DAY_MS = 86_400_000


def payment(name, minute, **more):
    return {
        "transaction_id": name,
        "event_time": NOON_MS + 60_000 * minute,
        "amount": 5,
        "card_id": "c1",
        **more,
    }


def write(path, records):
    lines = "".join(json.dumps(record) + "\n" for record in records)
    path.write_bytes(gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode())
    return str(path)


def ids(batches):
    found = []
    for batch in batches:
        names = batch.events.column("transaction_id").to_pylist()
        kinds = batch.events.kind.tolist()
        found += [name + "!" * (kind == Kind.LABEL) for name, kind in zip(names, kinds, strict=True)]
    return found


def ordered(paths, **options):
    said = []
    batches = list(read_ordered(paths, CANONICAL, TOKENIZER, NOW_MS, say=said.append, **options))
    return batches, said


def look(path):
    return Looker(CANONICAL, TOKENIZER, NOW_MS, DAY_MS).look(path)


def test_a_file_in_order_is_read_as_it_stands(tmp_path):
    path = write(tmp_path / "p.ndjson", [payment(f"p{n}", n) for n in range(50)])
    batches, said = ordered([path])
    assert said == []
    assert ids(batches) == [f"p{n}" for n in range(50)]


def test_a_few_late_rows_stay_where_they_came(tmp_path):
    """Late is what they were: a decision made before them did not know of them."""
    minutes = list(range(40))
    minutes[20] = 3
    path = write(tmp_path / "p.ndjson", [payment(f"p{at}", minute) for at, minute in enumerate(minutes)])
    batches, said = ordered([path])
    assert said == []
    assert ids(batches)[20] == "p20"


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        ([5, 4, 3, 2, 1], "newest first"),
        ([3, 1, 5, 2, 4], "not in order of event time"),
        ([500_000, 1, 2, 3, 4], "not in order of event time"),  # one row dated a year ahead
        ([5000, 5001, 5002, 1, 2, 3], "not in order of event time"),  # each day in order, the days not
    ],
)
@pytest.mark.parametrize("name", ["p.ndjson", "p.ndjson.gz"])
def test_a_file_that_is_not_in_order_is_sorted_and_said_to_be(tmp_path, name, minutes, words):
    path = write(tmp_path / name, [payment(f"p{minute}", minute) for minute in minutes])
    batches, [said] = ordered([path], folder=tmp_path)
    assert ids(batches) == [f"p{minute}" for minute in sorted(minutes)]
    assert words in said
    assert "--order arrival" in said
    assert ids(ordered([path], order="arrival")[0]) == [f"p{minute}" for minute in minutes]
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_files_that_overlap_are_merged_and_a_label_follows_its_payment(tmp_path):
    labels = [
        {"kind": "label", "transaction_id": f"p{n}", "label": True, "event_time": NOON_MS + 60_000 * (n + 2)}
        for n in (0, 3)
    ]
    first = write(tmp_path / "labels.ndjson", labels)
    second = write(tmp_path / "payments.ndjson", [payment(f"p{n}", n) for n in range(6)])
    batches, [said] = ordered([first, second])
    assert ids(batches) == ["p0", "p1", "p2", "p0!", "p3", "p4", "p5", "p3!"]
    assert "2 sources are merged" in said
    assert batches[-1].position == batches[-1].total


def test_months_in_the_wrong_order_are_put_right(tmp_path):
    july = write(tmp_path / "a-july.ndjson", [payment(f"j{n}", 50_000 + n) for n in range(3)])
    june = write(tmp_path / "b-june.ndjson", [payment(f"i{n}", n) for n in range(3)])
    assert ids(ordered([july, june])[0]) == ["i0", "i1", "i2", "j0", "j1", "j2"]
    assert ordered([june, july])[1] == []


def test_bad_records_and_missing_files_are_told_as_ever(tmp_path):
    path = write(tmp_path / "p.ndjson", [payment("p2", 2), payment("p1", 1), {"amount": "x"}])
    missing = []
    batches, _ = ordered([path, str(tmp_path / "none.ndjson")], unusable=missing.append)
    assert ids(batches) == ["p1", "p2"]
    assert [record.position for batch in batches for record in batch.bad] == [3]
    assert len(missing) == 1


rows = st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=40)


@settings(max_examples=60, deadline=None)
@given(rows=rows, run_rows=st.integers(1, 50), batch_rows=st.integers(1, 9))
def test_runs_sort_as_a_stable_sort_does(tmp_path_factory, rows, run_rows, batch_rows):
    """However many runs there are, and however small batches are; equal times keep the order of rows."""
    folder = tmp_path_factory.mktemp("r")
    records = [
        {"kind": "label", "transaction_id": f"p{at}", "label": True, "event_time": NOON_MS + minute}
        if is_label
        else payment(f"p{at}", 0, event_time=NOON_MS + minute)
        for at, (minute, is_label) in enumerate(rows)
    ]
    path = write(folder / "p.ndjson", records or [payment("p", 0)])
    with runs_in(folder, run_rows) as runs:
        for batch in read([path], CANONICAL, TOKENIZER, NOW_MS, batch_rows=3):
            runs.add(batch)
        found = list(merged(runs.streams(), batch_rows))
    wanted = sorted(range(len(rows)), key=lambda at: rows[at])
    assert ids(found) == [f"p{at}" + "!" * rows[at][1] for at in wanted] or not rows
    assert [one.name for one in folder.iterdir()] == ["p.ndjson"]


@pytest.fixture
def large(tmp_path, monkeypatch):
    """Writes a file of the rows' minutes; it has more rows than are looked at whole."""
    for name, value in {"_FIRST_ROWS": 500, "_SAMPLE_BYTES": 2048, "_SAMPLE_ROWS": 20}.items():
        monkeypatch.setattr(f"ringfence.adapters.files.order.look.{name}", value)
    monkeypatch.setattr("ringfence.adapters.files.paths._CHUNK", 4096)

    def made(name, minutes):
        records = [payment(f"p{at}", int(minute)) for at, minute in enumerate(minutes)]
        if name.endswith(".parquet"):
            pq.write_table(pa.Table.from_pylist(records), tmp_path / name, row_group_size=100)
            return str(tmp_path / name)
        if name.endswith(".csv"):
            times = [np.datetime64(record["event_time"], "ms") for record in records]
            lines = [f"p{at},{time},5,c1\n" for at, time in enumerate(times)]
            (tmp_path / name).write_text("transaction_id,event_time,amount,card_id\n" + "".join(lines))
            return str(tmp_path / name)
        return write(tmp_path / name, records)

    return made


@pytest.mark.parametrize("name", ["p.ndjson", "p.ndjson.gz", "p.csv", "p.parquet"])
def test_samples_of_a_large_file_show_what_its_beginning_does_not(large, name):
    """In order; the last of ten parts first; only the last third shuffled."""
    minutes = range(0, 90_000, 15)
    straight = look(large("a-" + name, minutes))
    assert straight.in_order
    assert 300 < straight.rows < len(minutes)
    assert straight.greatest_ms > NOON_MS + 60_000 * 88_000
    parts = [minutes[begin : begin + 600] for begin in range(0, len(minutes), 600)]
    assert not look(large("b-" + name, [minute for part in reversed(parts) for minute in part])).in_order
    tail = list(minutes[4000:])
    random.Random(4).shuffle(tail)
    assert not look(large("c-" + name, [*minutes[:4000], *tail])).in_order


def test_a_missing_file_among_those_that_are_merged_is_told(tmp_path):
    paths = [write(tmp_path / f"{name}.ndjson", [payment(name, 1), payment(name * 2, 3)]) for name in "ab"]
    missing = []
    batches, _ = ordered([paths[0], str(tmp_path / "none.ndjson"), paths[1]], unusable=missing.append)
    assert ids(batches) == ["a", "b", "aa", "bb"]
    assert len(missing) == 1
