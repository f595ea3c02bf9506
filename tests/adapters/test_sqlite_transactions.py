"""A full disk in the middle of a transaction is told as a full disk, whichever file it is."""

from contextlib import closing, contextmanager

import pytest

from ringfence.adapters.outbox import Bus
from ringfence.adapters.sqlite import Store
from ringfence.adapters.sqlite.shared_file import SharedFile
from ringfence.errors import StoreFullError

SCHEMA = "CREATE TABLE IF NOT EXISTS filler (body TEXT) STRICT"


def of_the_bus(folder):
    return closing(Bus(folder).database)


@contextmanager
def of_the_store(folder):
    with Store.open(folder) as store:
        yield store.log.database


def beside_it(folder):
    return closing(SharedFile(folder / "beside.db", SCHEMA))


def fill(database):
    """A transaction for which there is no room."""
    with database.transaction() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 4}")
        for _ in range(100):
            connection.execute("INSERT INTO filler VALUES (?)", ("x" * 10_000,))


@pytest.mark.parametrize("opened", [of_the_bus, of_the_store, beside_it])
def test_what_a_full_disk_takes_back_is_not_taken_for_damage(tmp_path, opened):
    """SQLite ends the transaction by itself; before, its second end was told of the bus as a damaged file."""
    with opened(tmp_path / "data") as database:
        with database.transaction() as connection:
            connection.execute(SCHEMA)
            connection.execute("INSERT INTO filler VALUES ('kept')")
        with pytest.raises(StoreFullError):
            fill(database)
        with database.transaction() as connection:
            assert connection.execute("SELECT body FROM filler").fetchall() == [("kept",)]
