"""How fast the business views answer: python -m benchmarks.store_views [--events 2000000] [--to URL].

A store of so many payments in PostgreSQL, asked every view of `ringfence.adapters.questions`, over and over.
Views of single payments are asked of one card, one account or one payment, as people do.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from random import Random

import numpy as np
import psycopg
from tests.postgres import database

from benchmarks.relational import decided
from benchmarks.report import machine, show, versions
from ringfence.adapters.questions import VIEWS
from ringfence.adapters.relational import RelationalStore, migrate
from ringfence.follow import catch_up

OF_ONE = {
    "decided_payments": ("transaction_id", "transactions"),
    "card_history": ("card_id", "cards"),
    "account_windows": ("account_id", "accounts"),
    "payment_lives": ("transaction_id", "transactions"),
}
"""By view, the column that it is asked by, and where its values are."""


def question(connection: psycopg.Connection, name: str, chance: Random) -> str:
    """A statement that somebody asks of a view."""
    if name not in OF_ONE:
        return f"SELECT * FROM {name}"
    column, table = OF_ONE[name]
    rows = connection.execute(f"SELECT {column} FROM {table} TABLESAMPLE SYSTEM (1) LIMIT 200").fetchall()
    rows = rows or connection.execute(f"SELECT {column} FROM {table} LIMIT 200").fetchall()
    return f"SELECT * FROM {name} WHERE {column} = '{chance.choice(rows)[0]}'"


def milliseconds(connection: psycopg.Connection, name: str, rounds: int, chance: Random) -> list[float]:
    """How long answers took, with all their rows."""
    taken = []
    for _ in range(rounds):
        asked = question(connection, name, chance)
        begin = time.perf_counter()
        connection.execute(asked).fetchall()
        taken.append(1000 * (time.perf_counter() - begin))
    return taken


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--to", help="address of a database with a store that is loaded")
    options = parser.parse_args()
    print(machine(), versions("psycopg"), sep="\n")
    url = options.to or database()
    if options.to is None:
        migrate.upgrade(url)
        with tempfile.TemporaryDirectory() as folder, decided(Path(folder), options.events) as store:
            target = RelationalStore(store.log, url, store.meta.store_id)
            begin = time.perf_counter()
            catch_up(store.log, target, all_of_it=True)
            print(f"loaded at {options.events / (time.perf_counter() - begin):,.0f} payments/s")
            target.close()
    rows = []
    with psycopg.connect(
        url, autocommit=True, options="-c search_path=ringfence -c TimeZone=UTC"
    ) as connection:
        connection.execute("ANALYZE")
        for name in VIEWS:
            taken = milliseconds(connection, name, options.rounds, Random(name))
            p50, p95 = np.quantile(taken, (0.5, 0.95))
            rows.append([name, f"{p50:.1f}", f"{p95:.1f}"])
    show(f"views over {options.events:,} payments", ["view", "p50 ms", "p95 ms"], rows)


if __name__ == "__main__":
    main()
