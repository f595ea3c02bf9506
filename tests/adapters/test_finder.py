"""Decisions found by entity, rule, outcome and time: as many pieces as may be, the same answer."""

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.adapters.test_lake import decisions, events

from ringfence.adapters.finder import Finder, IndexFollower, disk, rows
from ringfence.adapters.finder import finder as finder_module
from ringfence.adapters.sqlite import Store
from ringfence.decisions.index import LISTS, Term, Wanted
from ringfence.errors import InputError
from ringfence.follow import catch_up
from ringfence.scoring.rulesets.rules import Outcome

BATCH = 21  # twenty payments and a label
DECLINED = frozenset({Outcome.DECLINE})


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "data") as found:
        yield found


def fill(store, batches):
    """Payments t<offset> of card c<offset % 3>, one a second, every fourth declined by rule `fast`."""
    for _ in range(batches):
        base = store.log.end_offset("events")
        store.commit([events(base, BATCH), decisions(base, BATCH)])


def index(store, tmp_path, piece_rows=30, short_rows=None):
    """What the follower makes, as far as it goes; the rest is read from the log."""
    follower = IndexFollower(store.log, tmp_path / "index", 5, piece_rows, short_rows or piece_rows)
    catch_up(store.log, follower)


def expected(store, batches):
    """Offsets of all payments, newest first."""
    return [base * BATCH + row for base in range(batches) for row in range(BATCH - 1)][::-1]


@pytest.mark.parametrize(("piece_rows", "short_rows"), [(30, 30), (45, 45), (10_000, 10_000), (70, 15)])
def test_every_way_to_look_gives_what_a_look_at_each_row_gives(store, tmp_path, piece_rows, short_rows):
    finder = Finder(store.log, tmp_path / "index", 5)
    for _ in range(3):
        fill(store, 3)
        index(store, tmp_path, piece_rows, short_rows)
    every = expected(store, 9)
    cases = {
        Wanted(): every,
        Wanted(outcomes=DECLINED): [o for o in every if o % 4 == 0],
        Wanted(terms=(Term("card", "c1"),)): [o for o in every if o % 3 == 1],
        Wanted(terms=(Term("card", "c1"), Term("rule", "fast"))): [o for o in every if o % 12 == 4],
        Wanted(since_ms=50_000, until_ms=100_000): [o for o in every if 50 <= o < 100],
        Wanted(terms=(Term("card", "c2"),), since_ms=50_000): [o for o in every if o % 3 == 2 and o >= 50],
        Wanted(min_amount=100.0): [o for o in every if o + 0.05 >= 100],
        Wanted(min_score=11): [],
        Wanted(terms=(Term("device", "c1"),)): [],
    }
    for wanted, offsets in cases.items():
        found = finder.find(wanted, 1000)
        assert [row["offset"] for row in found.rows] == offsets, wanted
        assert found.total == finder.count(wanted) == len(offsets)
    row = finder.find(Wanted(), 1).rows[0]
    assert (row["transaction_id"], row["card_id"], row["amount"]) == ("t187", "c1", 187.05)


def test_page_after_page_gives_each_decision_once_also_while_new_ones_come(store, tmp_path):
    finder = Finder(store.log, tmp_path / "index", 5)
    fill(store, 4)
    index(store, tmp_path)
    seen, before = [], None
    while True:
        found = finder.find(Wanted(before=before), 7)
        seen += [row["offset"] for row in found.rows]
        before = found.after
        if before is None:
            break
        fill(store, 1)
        index(store, tmp_path)
    assert seen == expected(store, 4)


def test_the_folder_may_go_and_what_is_there_is_not_made_again(store, tmp_path):
    fill(store, 5)
    index(store, tmp_path)
    spans = disk.spans(tmp_path / "index")
    assert spans == [(0, 40), (40, 80)]
    changed = [path.stat().st_mtime_ns for path in sorted((tmp_path / "index").iterdir())]
    finder = Finder(store.log, tmp_path / "index", 5)
    assert [row["offset"] for row in finder.find(Wanted(), 1000).rows] == expected(store, 5)
    index(store, tmp_path)
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "index").iterdir())] == changed
    shutil.rmtree(tmp_path / "index" / disk.name_of(0, 40))
    for other in (finder, Finder(store.log, tmp_path / "index", 5)):
        assert [row["offset"] for row in other.find(Wanted(), 1000).rows] == expected(store, 5)
    index(store, tmp_path)
    assert disk.spans(tmp_path / "index") == spans


def test_short_pieces_become_one_and_whoever_reads_meanwhile_misses_nothing(store, tmp_path):
    """20 decisions a batch: a piece for each until they make up 70, then one of all."""
    finder = Finder(store.log, tmp_path / "index", 5)
    lengths = []
    for number in range(1, 9):
        fill(store, 1)
        index(store, tmp_path, 70, 15)
        lengths.append([after - first for first, after in disk.spans(tmp_path / "index")])
        assert [row["offset"] for row in finder.find(Wanted(), 1000).rows] == expected(store, number)
    assert lengths == [[20], [20, 20], [20, 20, 20], [80], [80, 20], [80, 20, 20], [80, 20, 20, 20], [80, 80]]


def test_what_a_kill_in_the_middle_of_a_merge_leaves_is_tidied_up(store, tmp_path):
    fill(store, 4)
    index(store, tmp_path, 10_000, 15)
    (whole,) = disk.spans(tmp_path / "index")
    rows = disk.rows(tmp_path / "index" / disk.name_of(*whole))
    disk.save(tmp_path / "index", disk.name_of(0, 20), rows.slice(0, 20), 5)  # merged, and not removed yet
    (tmp_path / "index" / f"{disk.name_of(80, 99)}.1.partial").mkdir()
    finder = Finder(store.log, tmp_path / "index", 5)
    assert [row["offset"] for row in finder.find(Wanted(), 1000).rows] == expected(store, 4)
    index(store, tmp_path, 10_000, 15)
    assert [path.name for path in (tmp_path / "index").iterdir()] == [disk.name_of(*whole)]


def test_pieces_of_another_log_are_made_again(store, tmp_path):
    fill(store, 2)
    other = IndexFollower(store.log, tmp_path / "index", 6, 30, 30)
    catch_up(store.log, other)
    index(store, tmp_path)
    finder = Finder(store.log, tmp_path / "index", 5, live_rows=0)
    assert finder.count(Wanted(terms=(Term("card", "c1"),))) == 14


def test_no_more_than_so_many_decisions_are_read_from_the_log(store, tmp_path):
    """Where nobody makes the index; how many are missing is told."""
    fill(store, 5)
    finder = Finder(store.log, tmp_path / "index", 5, live_rows=40)
    assert finder.find(Wanted(), 1000).total == 40
    assert finder.behind == 60
    index(store, tmp_path)
    assert finder.find(Wanted(), 1000).total == 100
    assert finder.behind == 0


def test_counts_over_time_and_points_for_a_plot(store, tmp_path):
    finder = Finder(store.log, tmp_path / "index", 5)
    assert finder.span_ms() is None
    fill(store, 5)
    index(store, tmp_path)
    assert finder.span_ms() == (0, 103_000)
    terms = [Term("rule", "fast"), Term("rule", "none"), Term("card", "card-1")]
    edges = [0, 40_000, 80_000]
    fast, none, card = finder.histograms(terms, edges).tolist()
    assert (fast, none) == ([9, 10], [0, 0])
    between = [
        finder.find(Wanted(terms=(terms[2],), since_ms=since, until_ms=until)).total
        for since, until in pairwise(edges)
    ]
    assert card == between
    assert finder.histograms([], edges).shape == (0, 2)
    points = finder.points(Wanted(terms=(terms[0],)), 4)
    assert points["time_ms"] == [88_000, 92_000, 96_000, 100_000]
    assert np.allclose(points["amount"], [88.05, 92.05, 96.05, 100.05])
    assert points["outcome"] == [3, 3, 3, 3]


def test_a_decision_stays_when_retention_has_taken_its_payment(store, tmp_path):
    fill(store, 2)
    store.log.trim("events", BATCH)
    finder = Finder(store.log, tmp_path / "index", 5)
    index(store, tmp_path, 10)
    rows = {row["offset"]: row for row in finder.find(Wanted(), 1000).rows}
    assert (rows[3]["transaction_id"], rows[3]["card_id"], rows[3]["amount"]) == ("t3", None, None)
    assert rows[BATCH]["card_id"] == "c0"


def test_an_index_of_before_a_column_has_nothing_there_and_stays(store, tmp_path, monkeypatch):
    """Retention may have taken the payments: what the index holds cannot be made again."""
    newer = pa.schema([*rows.SCHEMA, ("card_bin12", pa.string())])
    fill(store, 2)
    index(store, tmp_path)
    for module in (rows, disk, finder_module):
        monkeypatch.setattr(module, "SCHEMA", newer)
    again = Finder(store.log, tmp_path / "index", 5)
    found = again.find(Wanted(), 3).rows
    assert [row["offset"] for row in found] == expected(store, 2)[:3]
    assert {row["card_bin12"] for row in found} == {None}
    (one,) = again.find(Wanted(), 1, ("card_id", "card_bin12")).rows
    assert one["card_bin12"] is None


def test_an_unknown_kind_of_term_is_refused_with_those_that_there_are(store, tmp_path):
    with pytest.raises(InputError, match="one of card, customer"):
        Finder(store.log, tmp_path / "index", 5).find(Wanted(terms=(Term("planet", "x"),)))


def test_a_long_index_holds_no_descriptors(store, tmp_path):
    fill(store, 12)
    before = len(list(Path("/proc/self/fd").iterdir()))
    index(store, tmp_path, 40)
    finder = Finder(store.log, tmp_path / "index", 5)
    assert len(disk.spans(tmp_path / "index")) == 6
    assert len(finder.find(Wanted(), 1000).rows) == 12 * (BATCH - 1)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1  # a reader of the store


@pytest.mark.parametrize("short_rows", [30, 10_000])
def test_ids_are_found_by_how_they_begin(store, tmp_path, short_rows):
    finder = Finder(store.log, tmp_path / "index", 5)
    fill(store, 5)
    index(store, tmp_path, max(30, short_rows), short_rows)
    ids = sorted(f"t{offset}" for offset in expected(store, 5))
    for start in ("t1", "t10", "t", "t999", "u", ""):
        wanted = [one for one in ids if one.startswith(start)]
        for most in (3, 1000):
            assert finder.beginning("transaction_id", start, most) == wanted[:most]
    assert finder.beginning("card_id", "c", 5) == ["c0", "c1", "c2"]
    assert finder.beginning("card_id", "t", 5) == finder.beginning("device_id", "c", 5) == []


def test_ids_in_order_stay_in_their_file(store, tmp_path):
    """A copy of each piece's ids would make a long index cost memory that grows with the payments."""
    payment = {
        "offset": 0, "event_time_ms": 0, "decided_at_ms": 0, "outcome": "approve", "score": 0.0,
        "latency_us": 1, **dict.fromkeys(LISTS.values(), ()),
    }  # fmt: skip
    payments = [payment | {"transaction_id": f"payment-{row:06d}" * 8} for row in range(5_000)]
    table = pa.Table.from_pylist(payments, schema=rows.SCHEMA)
    path = disk.save(tmp_path, disk.name_of(0, 5_000), table, 5)
    assert (path / "ids.arrow").stat().st_size > 500_000
    before = pa.total_allocated_bytes()
    piece = disk.load(path, 5)
    assert piece.listing.beginning("transaction_id", "payment-004999", 2) == ["payment-004999" * 8]
    assert pa.total_allocated_bytes() - before < 50_000


def test_a_piece_from_before_its_ids_stood_in_order_is_read_row_by_row(store, tmp_path):
    fill(store, 5)
    index(store, tmp_path)
    new = Finder(store.log, tmp_path / "index", 5).beginning("transaction_id", "t1", 50)
    for sums in (tmp_path / "index").glob("*/sums.json"):
        told = json.loads(sums.read_text())
        del told["files"]["ids.arrow"]
        sums.write_text(json.dumps(told))
        (sums.parent / "ids.arrow").unlink()
    assert Finder(store.log, tmp_path / "index", 5).beginning("transaction_id", "t1", 50) == new
    assert new == sorted(f"t{one}" for one in expected(store, 5) if str(one).startswith("1"))
