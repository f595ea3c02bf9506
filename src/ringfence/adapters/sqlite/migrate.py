"""Moves a store's schema up, or back down, one version at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.adapters.sqlite.statements import migrations
from ringfence.errors import StoreError

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID = 0x52464E43  # "RFNC": tells a store from any other SQLite file
LATEST = max(migrations("up"))


def migrate(connection: sqlite3.Connection, target: int = LATEST) -> None:
    """Bring the schema to a version, each step in a transaction of its own."""
    version = known_version(connection)
    while version != target:
        step = version + 1 if target > version else version
        script = migrations("up" if target > version else "down")[step]
        version = step if target > version else step - 1
        _apply(connection, script, version)


def known_version(connection: sqlite3.Connection) -> int:
    """As `schema_version`; `StoreError` for one that this Ringfence does not know."""
    version = schema_version(connection)
    if version > LATEST:
        raise StoreError(
            f"the store has schema version {version}, this Ringfence knows {LATEST}: "
            "use the newer Ringfence that wrote it"
        )
    return version


def schema_version(connection: sqlite3.Connection) -> int:
    """The version of an opened store, 0 for a new file; `StoreError` for a file of another kind."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID and (
        version or connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    ):
        raise StoreError("this SQLite file is no Ringfence store: choose another folder")
    return int(version)


def _apply(connection: sqlite3.Connection, script: str, version: int) -> None:
    marks = f"PRAGMA user_version = {version}; PRAGMA application_id = {APPLICATION_ID};"
    try:
        # Another process may have been faster: then the first statement fails, and the version is as wished.
        connection.executescript(f"BEGIN EXCLUSIVE; {script} {marks} COMMIT;")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if schema_version(connection) != version:
            raise
