"""The schema of the relational store: made, brought up to date, taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from ringfence.adapters.questions import VIEWS
from ringfence.adapters.relational.partitions import add_default_partitions
from ringfence.adapters.relational.problems import explained, target_of
from ringfence.adapters.relational.schema import PARTITIONED, SCHEMA
from ringfence.adapters.relational.store import connect
from ringfence.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

READER: Final = "ringfence_reader"
"""Role that may read all tables and views and nothing else; grant it to who shall."""

_OLDEST: Final = 140_000  # PostgreSQL 14


def upgrade(url: str) -> list[str]:
    """Bring the schema to this version, making it first where it is not there; remarks for people.

    `StoreError` where the database is too old, of a newer Ringfence, or the role may not.
    """
    with explained(url), connect(url) as connection:
        if connection.info.server_version < _OLDEST:
            raise StoreError(
                f"{target_of(url)} is PostgreSQL {connection.info.server_version // 10_000}: 14 is needed"
            )
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)))
        _check_not_newer(url, version_of(url))
        with _bound(url) as bound, bound.begin():  # tables and views together, or nothing
            config = _config()
            config.attributes["connection"] = bound
            command.upgrade(config, "head")
            raw: Any = bound.connection.driver_connection
            with raw.cursor() as cursor:
                add_default_partitions(cursor, PARTITIONED)
                for name, statement in VIEWS.items():
                    _make_view(cursor, name, statement)
        return _grant(connection)


def version_of(url: str) -> str | None:
    """Version of the schema that the database has, None where it has none."""
    with explained(url), connect(url) as connection:
        try:
            row = connection.execute("SELECT version_num FROM schema_version").fetchone()
        except psycopg.errors.UndefinedTable:
            return None
        return None if row is None else str(row[0])


def check_version(url: str) -> None:
    """`StoreError` unless the database has a store of this version."""
    version = version_of(url)
    if version is None:
        raise StoreError(f"{target_of(url)} holds no store yet: `ringfence store init` makes it")
    _check_not_newer(url, version)
    if version != newest():
        raise StoreError(
            f"{target_of(url)} has version {version} of the store, {newest()} is needed: "
            "`ringfence store migrate`"
        )


def newest() -> str:
    """The version that `upgrade` leads to."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def drop(url: str) -> None:
    """Remove the schema with everything in it; the reader role stays, other databases may use it."""
    with explained(url), connect(url) as connection:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(SCHEMA)))


def _check_not_newer(url: str, version: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if version is not None and version not in known:
        raise StoreError(
            f"{target_of(url)} has version {version} of the store, which this Ringfence does not know: use "
            "the newer one that made it"
        )


def _grant(connection: psycopg.Connection[Any]) -> list[str]:
    """Let the reader role read; a remark where it is missing and this role may not make it."""
    role, schema = sql.Identifier(READER), sql.Identifier(SCHEMA)
    remarks = []
    exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [READER]).fetchone()
    try:
        if not exists:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(role))
    except psycopg.errors.InsufficientPrivilege:
        remarks.append(
            f"This role may not create {READER}: have an administrator run CREATE ROLE {READER} NOLOGIN, "
            "then `ringfence store migrate` again"
        )
        return remarks
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role))
    connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(schema, role))
    connection.execute(
        sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT SELECT ON TABLES TO {}").format(schema, role)
    )
    return remarks


def _make_view(cursor: psycopg.Cursor[Any], name: str, statement: str) -> None:
    view = sql.Identifier(name)
    cursor.execute(sql.SQL("CREATE OR REPLACE VIEW {} AS {}").format(view, sql.SQL(statement)))


def _bound(url: str) -> Connection:
    def connected() -> psycopg.Connection[Any]:
        connection = connect(url)
        connection.autocommit = False
        return connection

    engine = create_engine("postgresql+psycopg://", creator=connected, poolclass=NullPool)
    return engine.connect()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "ringfence.adapters.relational:migrations")
    return config
