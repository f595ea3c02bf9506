"""Loads a log into PostgreSQL: python -m benchmarks.relational [--events N].

Payments, decisions, fired rules, dimensions, rollups and position, against a COPY of the same payments
and decisions into one table with the same primary key and a unique id; both on the same server and cores.
The server comes from the test tools and is taken down afterwards; --to names one that is there.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pyarrow.parquet as pq
from tests.postgres import database

from benchmarks import spine
from benchmarks.report import interleaved, machine, show, versions
from ringfence.adapters.files.reading import read
from ringfence.adapters.relational import RelationalStore, migrate, rows
from ringfence.adapters.relational.copying import copy_into
from ringfence.adapters.sqlite.store import Store
from ringfence.events.mapping import load_mapping
from ringfence.events.model import Kind
from ringfence.events.tokens import Tokenizer
from ringfence.features.catalog import CATALOG
from ringfence.follow import catch_up
from ringfence.pipeline import Pipeline
from ringfence.ports import DECISIONS, EVENTS
from ringfence.runner import Runner
from ringfence.scoring.books import default_book

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.ports import EventLog

_PLAIN = """
DROP TABLE IF EXISTS plain;
CREATE TABLE plain (
  "offset" BIGINT, transaction_id TEXT UNIQUE, event_time TIMESTAMPTZ, card_id TEXT, customer_id TEXT,
  account_id TEXT, merchant_id TEXT, device_id TEXT, terminal_id TEXT, ip TEXT, email TEXT,
  amount NUMERIC(22, 3), currency TEXT, merchant_category TEXT, country TEXT, lat FLOAT8, lon FLOAT8,
  outcome TEXT, score FLOAT8,
  reasons TEXT[], rules TEXT[], features_digest TEXT, rules_digest TEXT,
  PRIMARY KEY (transaction_id, event_time)
);
"""
_PAYMENT = (
    *("offset", "transaction_id", "event_time", "card_id", "customer_id", "account_id", "merchant_id"),
    *("device_id", "terminal_id", "ip", "email", "amount", "currency", "merchant_category", "country"),
    *("lat", "lon"),
)
_DECISION = ("outcome", "score", "reasons", "rules", "features_digest", "rules_digest")


def decided(folder: Path, events: int) -> Store:
    """A store with so many generated payments and their decisions."""
    source = folder / "payments.parquet"
    pq.write_table(spine.payments(events), source, row_group_size=131_072)
    store = Store.open(folder / "data")
    clock = spine.SystemClock()
    runner = Runner(store, Pipeline(CATALOG, default_book(), store.meta.hash_seed), clock)
    runner.recover()
    runner.run(
        read([str(source)], load_mapping("canonical"), Tokenizer(store.meta.token_key), clock.now_ms())
    )
    return store


def load_store(url: str, store: Store) -> Callable[[], None]:
    """Loads an empty relational store, given the address of its database."""

    def load() -> None:
        target = RelationalStore(store.log, url, store.meta.store_id)
        target.reset()
        catch_up(store.log, target, all_of_it=True)
        target.close()

    return load


def load_plain(url: str, log: EventLog) -> Callable[[], None]:
    """Loads one table, a batch a transaction."""

    def load() -> None:
        with psycopg.connect(url, options="-c TimeZone=UTC -c synchronous_commit=off") as connection:
            connection.execute(_PLAIN)
            decisions = log.read(DECISIONS)
            for batch in log.read(EVENTS):
                payments = rows.of_kind(rows.event_rows([batch]), Kind.TRANSACTION).select(_PAYMENT)
                verdicts = rows.decisions_of([next(decisions)]).select(_DECISION)
                facts = payments
                for name in _DECISION:
                    facts = facts.append_column(name, verdicts[name])
                with connection.cursor() as cursor:
                    copy_into(cursor, "plain", facts)
                connection.commit()

    return load


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--to", help="address of a database that may be emptied")
    options = parser.parse_args()
    url = options.to or database()
    print(machine(), versions("psycopg", "sqlalchemy", "pyarrow", "duckdb"), sep="\n")
    migrate.upgrade(url)
    with tempfile.TemporaryDirectory() as folder, decided(Path(folder), options.events) as store:
        found = interleaved(
            options.rounds,
            {"one table by COPY": load_plain(url, store.log), "relational store": load_store(url, store)},
            options.events,
        )
    plain = found["one table by COPY"].rate
    show(
        f"{options.events:,} payments with their decisions",
        ["into", "payments/s", "spread", "ratio"],
        [
            [name, f"{sample.rate:,.0f}", sample.spread, f"{sample.rate / plain:.2f}"]
            for name, sample in found.items()
        ],
    )


if __name__ == "__main__":
    main()
