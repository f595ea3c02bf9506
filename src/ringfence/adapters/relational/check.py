"""Compares the relational store with the log that it is made from, day by day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from ringfence.adapters.questions import ROLLUPS
from ringfence.adapters.relational import rows
from ringfence.adapters.relational.problems import explained
from ringfence.adapters.relational.statements import SQL
from ringfence.adapters.relational.store import connect
from ringfence.decisions.decision import DecisionBatch
from ringfence.events.model import Kind
from ringfence.ports import DECISIONS, EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date
    from decimal import Decimal

    import psycopg

    from ringfence.ports import EventLog, LogBatch

_PORTION: Final = 16  # batches that are summed together
_DAYS: Final = """
SELECT event_time::DATE AS day, count(*) AS payments, coalesce(sum(amount), 0) AS amount FROM part GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class ComparedDay:
    """What one side holds of the payments of a day."""

    payments: int = 0
    amount: Decimal | int = 0
    decisions: int = 0


@dataclass(frozen=True, slots=True)
class ComparedStore:
    """What a check found.

    Attributes:
        days: how many days were compared.
        payments: how many payments the log has, up to where the store has come.
        differences: one sentence for each thing that differs, none for a sound store.
        behind: records of the log that the store has not taken in yet, by topic.
    """

    days: int
    payments: int
    differences: list[str]
    behind: dict[str, int]


def check(
    url: str, log: EventLog, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> ComparedStore:
    """Count and sum what the log has up to the store's position, and compare.

    `progress` hears of records read and to read. Do not load meanwhile. `StoreError` where the store cannot
    be asked.
    """
    with explained(url), connect(url) as connection, connection.cursor() as cursor:
        held = {topic: (first, end) for topic, first, end in cursor.execute(SQL["positions"]).fetchall()}
        first = _first_kept(log, held)
        theirs = {row[0]: ComparedDay(*row[1:]) for row in cursor.execute(SQL["days"], first).fetchall()}
        ours = _days_of(log, held, first, progress)
        differences = [*_different_days(ours, theirs), *_different_rollups(cursor)]
    behind = {topic: log.end_offset(topic) - held.get(topic, (0, 0))[1] for topic in (EVENTS, DECISIONS)}
    return ComparedStore(len(ours), sum(day.payments for day in ours.values()), differences, behind)


def _first_kept(log: EventLog, held: dict[str, tuple[int, int]]) -> dict[str, int]:
    """From which payment on log and store have payments, and decisions, alike: retention took earlier ones.

    `trim` forgets both batch by batch, so that of some payments only one of the two is left.
    """
    paid = max(held.get(EVENTS, (0, 0))[0], log.start_offset(EVENTS))
    oldest = next(iter(log.read(DECISIONS, log.start_offset(DECISIONS))), None)
    decided = (
        log.end_offset(EVENTS)
        if oldest is None
        else int(DecisionBatch.decode(oldest.payload).numbers("offset")[0])
    )
    return {"paid": paid, "decided": max(paid, decided)}


def _different_days(ours: dict[date, ComparedDay], theirs: dict[date, ComparedDay]) -> Iterator[str]:
    for day in sorted(ours.keys() | theirs.keys()):
        log, store = ours.get(day, ComparedDay()), theirs.get(day, ComparedDay())
        for name in ("payments", "amount", "decisions"):
            expected, found = getattr(log, name), getattr(store, name)
            if expected != found:
                yield f"{day}: the log has {expected:,} of {name}, the store {found:,}"


def _different_rollups(cursor: psycopg.Cursor[Any]) -> Iterator[str]:
    """Rollups against what the store's own facts say."""
    with cursor.connection.transaction():
        cursor.execute(SQL["payments_counted_anew"])
        for name, counted in ROLLUPS.items():
            anew, table = sql.SQL(counted), sql.Identifier(name)
            cursor.execute(
                sql.SQL(
                    "WITH anew AS ({1}) SELECT count(*) FROM "
                    "((TABLE anew EXCEPT TABLE {0}) UNION ALL (TABLE {0} EXCEPT TABLE anew)) AS differing"
                ).format(table, anew)
            )
            row = cursor.fetchone()
            if row is not None and row[0]:
                yield f"{name}: {row[0]:,} rows differ from what the payments in the store add up to"
        cursor.execute(SQL["forget_payments"])


def _days_of(
    log: EventLog,
    held: dict[str, tuple[int, int]],
    first: dict[str, int],
    progress: Callable[[int, int], None],
) -> dict[date, ComparedDay]:
    """What the log has of what the store should hold; what retention took meanwhile is missing here."""
    total = sum(end - first for first, end in held.values())
    days: dict[date, ComparedDay] = {}
    done, first_payment = 0, first["decided"]
    for topic in (EVENTS, DECISIONS):
        for batches in _portions(log, topic, *held.get(topic, (0, 0))):
            for day, count, amount in _counted(topic, batches, first_payment):
                known = days.get(day, ComparedDay())
                days[day] = (
                    ComparedDay(known.payments + count, known.amount + amount, known.decisions)
                    if topic == EVENTS
                    else ComparedDay(known.payments, known.amount, known.decisions + count)
                )
            done += sum(batch.count for batch in batches)
            progress(done, total)
    return days


def _counted(topic: str, batches: list[LogBatch], first_payment: int) -> list[tuple[date, int, Decimal]]:
    if topic == EVENTS:
        part = rows.of_kind(rows.event_rows(batches), Kind.TRANSACTION)
    else:
        part = rows.decisions_of(batches)
        part = part.filter(pc.greater_equal(part["offset"], first_payment)).select(["event_time"])
        part = part.append_column("amount", pa.nulls(len(part), pa.decimal128(22, 3)))
    connection = duckdb.connect(config={"threads": 1})
    connection.register("part", part)
    return connection.sql(_DAYS).fetchall()


def _portions(log: EventLog, topic: str, first: int, end: int) -> Iterator[list[LogBatch]]:
    held: list[LogBatch] = []
    for batch in log.read(topic, first, end):
        held.append(batch)
        if len(held) == _PORTION:
            yield held
            held = []
    if held:
        yield held
