"""A damaged write-ahead log is told before SQLite, which would drop what follows on the damage, opens it."""

import shutil
import sqlite3

import pytest

from ringfence.adapters.sqlite import Store
from ringfence.adapters.sqlite.wal import check_log
from ringfence.errors import CorruptError
from ringfence.testing.exams.event_log import batch

COMMITS = 6


@pytest.fixture
def killed(tmp_path):
    """A store as `kill -9` leaves it: what was committed last stands in the write-ahead log."""
    with Store.open(tmp_path / "live") as store:
        with store.log.database._write_lock:  # so that no copying into the file comes between
            connection = store.log.database._connect_plain()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.close()
        for number in range(COMMITS):
            store.commit([batch(number)])
        folder = tmp_path / "killed"
        folder.mkdir()
        for name in ("ringfence.db", "ringfence.db-wal"):
            shutil.copy(tmp_path / "live" / name, folder / name)
    return folder


def frames(folder):
    """Where each frame begins, and whether it ends a transaction."""
    content = (folder / "ringfence.db-wal").read_bytes()
    page = int.from_bytes(content[8:12])
    starts = range(32, len(content) - page, page + 24)
    return [(start, int.from_bytes(content[start + 4 : start + 8]) > 0) for start in starts]


def flip(folder, position):
    path = folder / "ringfence.db-wal"
    content = bytearray(path.read_bytes())
    content[position] ^= 0x20
    path.write_bytes(content)


def test_a_sound_one_is_read_to_its_end(killed):
    assert check_log(killed / "ringfence.db-wal") is None
    with Store.open(killed) as store:
        assert store.log.end_offset("events") == COMMITS
        assert store.remarks == []


@pytest.mark.parametrize("within", [0, 4, 9, 17, 24 + 100])
def test_damage_before_the_last_transaction_stops_the_start_and_changes_nothing(killed, within):
    """In a frame's page number, commit mark, salt, sum or page; SQLite itself opens it, and less is there."""
    ends = [start for start, ends in frames(killed) if ends]
    assert len(ends) >= COMMITS
    flip(killed, ends[1] + within)
    before = (killed / "ringfence.db-wal").read_bytes()
    with pytest.raises(CorruptError, match="ringfence restore"):
        Store.open(killed)
    assert (killed / "ringfence.db-wal").read_bytes() == before
    with sqlite3.connect(killed / "ringfence.db") as connection:
        assert connection.execute("SELECT count(*) FROM batch").fetchone()[0] < COMMITS
    connection.close()


@pytest.mark.parametrize("position", [0, 17, 25])
def test_a_damaged_header_stops_the_start(killed, position):
    flip(killed, position)
    with pytest.raises(CorruptError, match="header"):
        Store.open(killed)


def test_a_torn_last_transaction_is_left_out_with_a_remark(killed):
    flip(killed, frames(killed)[-1][0] + 30)
    with Store.open(killed) as store:
        assert store.log.end_offset("events") == COMMITS - 1
        assert "torn" in store.remarks[0]


def test_one_that_was_cut_off_ends_where_it_ends(killed):
    path = killed / "ringfence.db-wal"
    path.write_bytes(path.read_bytes()[:-100])
    with Store.open(killed) as store:
        assert store.log.end_offset("events") == COMMITS - 1
