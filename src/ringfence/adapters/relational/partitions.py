"""Facts by month: a partition for each month that has payments."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import psycopg
    from sqlalchemy import Table

_FIRST: Final = date(2000, 1, 1)
_END: Final = date(2100, 1, 1)  # payments dated elsewhere share a partition, so that there are never too many


def add_partitions(cursor: psycopg.Cursor[Any], months: Iterable[date], tables: Sequence[Table]) -> None:
    """Make what these months need and is not there."""
    for month in months:
        if _FIRST <= month < _END:
            for table in tables:
                cursor.execute(
                    sql.SQL(
                        "CREATE TABLE IF NOT EXISTS {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})"
                    ).format(
                        sql.Identifier(f"{table.name}_{month:%Y_%m}"),
                        sql.Identifier(table.name),
                        sql.Literal(month.isoformat()),
                        sql.Literal(_next(month).isoformat()),
                    )
                )


def add_default_partitions(cursor: psycopg.Cursor[Any], tables: Sequence[Table]) -> None:
    """Where payments go whose month has no partition of its own."""
    for table in tables:
        cursor.execute(
            sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF {} DEFAULT").format(
                sql.Identifier(f"{table.name}_other"), sql.Identifier(table.name)
            )
        )


def _next(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)
