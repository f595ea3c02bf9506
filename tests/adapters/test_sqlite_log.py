"""The embedded log sits the exam, and what only a file can show."""

import os
import sqlite3
import stat
import subprocess
import sys

import pytest

from ringfence.adapters.sqlite import SqliteLog
from ringfence.adapters.sqlite.migrate import LATEST, migrate, schema_version
from ringfence.errors import CorruptError, StoreError
from ringfence.ports import LogBatch
from ringfence.testing.exams.event_log import EventLogExam, batch, spans


class SqlitePlace:
    cannot_corrupt = None

    def __init__(self, folder):
        self.path = folder / "ringfence.db"

    def open(self):
        return SqliteLog(self.path)

    def corrupt(self, topic, base_offset):
        connection = sqlite3.connect(self.path)
        connection.execute(
            "UPDATE batch SET payload = CAST('!' || substr(payload, 2) AS BLOB) "
            "WHERE base_offset = ? AND topic_id = (SELECT id FROM topic WHERE name = ?)",
            (base_offset, topic),
        )
        connection.commit()
        connection.close()


@pytest.fixture
def place(tmp_path):
    return SqlitePlace(tmp_path / "data")


class TestSqliteLog(EventLogExam):
    @pytest.fixture
    def place(self, tmp_path):
        return SqlitePlace(tmp_path / "data")


def test_only_the_owner_can_read_the_store(place):
    log = place.open()
    log.append([batch(0)])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.path.parent.iterdir()}
    assert stat.S_IMODE(place.path.parent.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}, modes
    log.close()


def test_a_second_writer_in_this_process_is_refused(place):
    log = place.open()
    with pytest.raises(StoreError, match=f"in use by process {os.getpid()}.*--data"):
        place.open()
    log.close()
    place.open().close()


def test_a_second_process_is_told_who_writes_and_may_read(place):
    log = place.open()
    log.append([batch(0, 2)])
    code = f"""
from pathlib import Path
from ringfence.adapters.sqlite import SqliteLog
from ringfence.errors import StoreError
path = Path({str(place.path)!r})
try:
    SqliteLog(path)
except StoreError as error:
    print(error)
reading = SqliteLog(path, read_only=True)
print([found.payload for found in reading.read("events")])
reading.commit_reader("lake", "events", 2)
reading.close()
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f"in use by process {os.getpid()}:" in told
    assert "[b'events:0+2']" in told
    assert log.reader_offset("lake", "events") == 2
    log.append([batch(2)])
    log.close()


def test_a_read_only_log_does_not_append_and_creates_nothing(place):
    with pytest.raises(StoreError, match="no store here yet"):
        SqliteLog(place.path, read_only=True)
    assert not place.path.parent.exists()
    place.open().close()
    reading = SqliteLog(place.path, read_only=True)
    with pytest.raises(StoreError, match="open for reading"):
        reading.append([batch(0)])
    assert list(reading.read("events")) == []
    reading.close()


def test_a_read_only_log_follows_the_writer(place):
    log = place.open()
    log.append([batch(0)])
    reading = SqliteLog(place.path, read_only=True)
    assert spans(reading.read("events")) == [(0, 1)]
    log.append([batch(1)])
    assert spans(reading.read("events", 1)) == [(1, 2)]
    log.close()
    assert reading.end_offset("events") == 2
    reading.close()


def test_every_header_field_is_under_the_checksum(place):
    log = place.open()
    log.append([batch(0, 2)])
    log.close()
    connection = sqlite3.connect(place.path)
    connection.execute("UPDATE batch SET last_time_ms = last_time_ms + 1")
    connection.commit()
    connection.close()
    log = place.open()
    with pytest.raises(CorruptError, match="offset 0"):
        list(log.read("events"))
    log.close()


def test_a_file_that_is_no_database_is_reported_as_damaged(place):
    place.path.parent.mkdir()
    place.path.write_bytes(b"no database at all, but long enough to have a header" * 40)
    with pytest.raises(CorruptError, match="is damaged"):
        place.open()
    place.path.unlink()
    place.open().close()  # the refused attempt left no lock behind


def test_another_programs_database_is_refused_and_left_alone(place):
    place.path.parent.mkdir()
    connection = sqlite3.connect(place.path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="no Ringfence store"):
        place.open()


def test_a_store_of_a_newer_version_is_refused(place):
    log = place.open()
    log.close()
    connection = sqlite3.connect(place.path)
    connection.execute(f"PRAGMA user_version = {LATEST + 1}")
    connection.close()
    with pytest.raises(StoreError, match="use the newer Ringfence"):
        place.open()


def test_migrations_go_down_to_nothing_and_up_again(tmp_path):
    connection = sqlite3.connect(tmp_path / "x.db", isolation_level=None)

    def schema():
        return sorted(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))

    migrate(connection)
    first = schema()
    migrate(connection, 0)
    assert (schema(), schema_version(connection)) == ([], 0)
    migrate(connection)
    assert (schema(), schema_version(connection)) == (first, LATEST)
    connection.close()


def test_every_commit_is_flushed_to_the_disk(place):
    """FULL is what makes an acknowledged append survive a loss of power."""
    log = place.open()
    with log.transaction() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    log.close()


def test_a_topic_name_cannot_imitate_another_batch_in_the_checksum():
    one = LogBatch("a 1", 2, 3, 4, 5, b"")
    other = LogBatch("a", 1, 2, 3, 4, b"5 ")
    assert one.checksum() != other.checksum()
