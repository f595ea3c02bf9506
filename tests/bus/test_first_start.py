"""The first start of a new version, with a file of many messages that an earlier one wrote."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier

from ringfence.adapters.outbox import AlertBook, Bus, database
from ringfence.adapters.sqlite.lock import WriterLock
from ringfence.store import BUS

MESSAGES = 60_000
OPENERS = 6
NEW = ("message_due_made", "message_done_to", "message_key", "message_dead")
OLD = "CREATE INDEX message_due ON message (destination, due_ms, seq) WHERE state = 'waiting'"
PUT = (
    "INSERT INTO message (id, subscription, destination, key, ordered, event, state, due_ms, made_ms) "
    "VALUES (?, 's', 'console:', 'k', 1, x'00', 'waiting', 0, 0)"
)


def old_file(folder):
    """As a version had it that knew neither when a message was tried first nor most of the indexes."""
    bus = Bus(folder)
    bus.letters(limit=1)
    bus.close()
    with closing(sqlite3.connect(folder / BUS)) as connection, connection:
        for name in NEW:
            connection.execute(f"DROP INDEX {name}")
        connection.execute("ALTER TABLE message DROP COLUMN tried_ms")
        connection.execute(OLD)
        connection.executemany(PUT, ((f"m{number}",) for number in range(MESSAGES)))


def test_all_who_open_it_at_once_find_it_up_to_date(tmp_path, monkeypatch, caplog):
    """Server, follower and commands came while one of them made indexes, and failed: "database is locked"."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.02)
    old_file(tmp_path)
    together = Barrier(OPENERS)

    def opened(number):
        bus = Bus(tmp_path)
        together.wait()
        found = len(bus.letters(limit=5)), AlertBook(bus.database).mutes()
        bus.close()
        return found

    with ThreadPoolExecutor(OPENERS) as pool:
        assert list(pool.map(opened, range(OPENERS))) == [(5, [])] * OPENERS
    assert len(caplog.messages) == 1, "one makes them, and says so"
    with closing(sqlite3.connect(tmp_path / BUS)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert names.issuperset(NEW)
    assert "message_due" not in names


def test_whoever_opens_a_file_of_this_version_waits_for_nobody(tmp_path):
    bus = Bus(tmp_path)
    bus.letters(limit=1)
    bus.close()
    lock = WriterLock((tmp_path / BUS).with_suffix(".lock"))
    assert bus.letters(limit=1) == []
    lock.release()
    bus.close()
