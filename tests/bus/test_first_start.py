"""The first start of a new version, with a file of many messages that an earlier one wrote."""

import fcntl
import sqlite3
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from threading import Barrier

from ringfence.adapters.outbox import AlertBook, Bus, database
from ringfence.store import BUS

MESSAGES = 5000
OPENERS = 6
NEW = ("message_due_made", "message_done_to", "message_key", "message_dead")
OLD = "CREATE INDEX message_due ON message (destination, due_ms, seq) WHERE state = 'waiting'"
PUT = (
    "INSERT INTO message (id, subscription, destination, key, ordered, event, state, due_ms, made_ms) "
    "VALUES (?, 's', 'console:', 'k', 1, x'00', 'waiting', 0, 0)"
)


def held(folder):
    """The lock of whoever brings the file up to date, until it is closed."""
    lock = (folder / BUS).with_suffix(".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


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


def test_whoever_comes_while_indexes_are_made_waits_longer_than_sqlite_does(tmp_path, monkeypatch):
    """Server, follower and commands failed then: "database is locked"."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    old_file(tmp_path)
    with (
        held(tmp_path) as making,
        ThreadPoolExecutor(1) as pool,
        closing(sqlite3.connect(tmp_path / BUS)) as maker,
    ):
        maker.execute("BEGIN IMMEDIATE")
        bus = Bus(tmp_path)
        waiting = pool.submit(lambda: len(bus.letters(limit=5)))
        done, _ = wait([waiting], timeout=1)
        maker.close()
        making.close()
        assert waiting.result() == 5
        bus.close()
    assert not done


def test_one_of_those_who_open_it_at_once_brings_it_up_to_date(tmp_path, caplog):
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
    assert len(caplog.messages) == 1, "one says so"
    with closing(sqlite3.connect(tmp_path / BUS)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert names.issuperset(NEW)
    assert "message_due" not in names


def test_whoever_opens_a_file_of_this_version_waits_for_nobody(tmp_path):
    bus = Bus(tmp_path)
    bus.letters(limit=1)
    bus.close()
    with held(tmp_path):
        assert bus.letters(limit=1) == []
    bus.close()
