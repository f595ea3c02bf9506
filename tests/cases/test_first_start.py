"""The first start of a new version, with a file of cases that an earlier one wrote."""

import fcntl
import sqlite3
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from threading import Barrier

from ringfence.adapters.cases import SqliteCases, store
from ringfence.cases.book import CaseQuery
from ringfence.store import CASES

OPENERS = 6
NEW = ("standing_latest", "standing_opened", "standing_amount")
OLD = "CREATE INDEX standing_changed ON standing (changed_ms)"


def old_file(folder):
    """As a version had it that ranked all cases to list some."""
    cases = SqliteCases(folder)
    assert cases.cases(CaseQuery(), 0) == []
    cases.close()
    with closing(sqlite3.connect(folder / CASES)) as connection, connection:
        for name in NEW:
            connection.execute(f"DROP INDEX {name}")
        connection.execute(OLD)


def held(folder):
    """The lock of whoever brings the file up to date, until it is closed."""
    lock = (folder / CASES).with_suffix(".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def test_whoever_comes_while_indexes_are_made_waits_longer_than_sqlite_does(tmp_path, monkeypatch):
    """Server, follower and commands failed then: "database is locked"."""
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.2)
    old_file(tmp_path)
    with (
        held(tmp_path) as making,
        ThreadPoolExecutor(1) as pool,
        closing(sqlite3.connect(tmp_path / CASES)) as maker,
    ):
        maker.execute("BEGIN IMMEDIATE")
        cases = SqliteCases(tmp_path)
        waiting = pool.submit(cases.cases, CaseQuery(), 0)
        done, _ = wait([waiting], timeout=1)
        maker.close()
        making.close()
        assert waiting.result() == []
        cases.close()
    assert not done


def test_one_of_those_who_open_it_at_once_brings_it_up_to_date(tmp_path, caplog):
    old_file(tmp_path)
    together = Barrier(OPENERS)

    def opened(_number):
        cases = SqliteCases(tmp_path)
        together.wait()
        found = cases.cases(CaseQuery(), 0)
        cases.close()
        return found

    with ThreadPoolExecutor(OPENERS) as pool:
        assert list(pool.map(opened, range(OPENERS))) == [[]] * OPENERS
    assert len(caplog.messages) == 1, "one says so"
    with closing(sqlite3.connect(tmp_path / CASES)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert names.issuperset(NEW)
    assert "standing_changed" not in names


def test_whoever_opens_a_file_of_this_version_waits_for_nobody(tmp_path):
    SqliteCases(tmp_path).cases(CaseQuery(), 0)
    cases = SqliteCases(tmp_path)
    with held(tmp_path):
        assert cases.cases(CaseQuery(), 0) == []
    cases.close()
