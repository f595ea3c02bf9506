"""Loads a log into PostgreSQL: python -m benchmarks.relational [--events N].

Payments, decisions, fired rules, dimensions, rollups and position, against a COPY of the same facts (all
columns of payments and decisions) into one table with the same primary key and a unique id; both on the same
server and cores. On a busy machine compare the figures per CPU-second, of client and server together.
The server comes from the test tools and is taken down afterwards; --to names one that is there.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import psutil
import psycopg
import pyarrow.parquet as pq
from tests.postgres import database

from benchmarks import spine
from benchmarks.report import interleaved, machine, show, versions
from ringfence.adapters.files.reading import read
from ringfence.adapters.relational import RelationalStore, migrate, rows, schema
from ringfence.adapters.relational.copying import copy_into
from ringfence.adapters.sqlite.store import Store
from ringfence.events.mapping import load_mapping
from ringfence.events.model import Kind
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.features.catalog import CATALOG
from ringfence.follow import catch_up
from ringfence.pipeline import Pipeline
from ringfence.ports import DECISIONS, EVENTS
from ringfence.runner import Runner
from ringfence.scoring.rulesets.books import default_book

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.ports import EventLog

_PAYMENT = tuple(column.name for column in schema.transactions.columns)
_DECISION = tuple(column.name for column in schema.decisions.columns if column.name not in _PAYMENT)
_PLAIN = """
DROP TABLE IF EXISTS plain;
CREATE TABLE plain AS SELECT {payment}, {decision}
  FROM ringfence.transactions t, ringfence.decisions d WHERE false;
ALTER TABLE plain ADD PRIMARY KEY (transaction_id, event_time), ADD UNIQUE (transaction_id);
""".format(
    payment=", ".join(f't."{name}"' for name in _PAYMENT),
    decision=", ".join(f"d.{name}" for name in _DECISION),
)


_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE client_port IS NOT NULL AND pid <> pg_backend_pid()"

_LOOKS = 100  # where others work in the database, it is not waited for


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


def _metered(run: Callable[[], None], taken: list[float], url: str) -> Callable[[], None]:
    """Notes the CPU-seconds of this process, and of all of the server's where that runs here."""

    def metered() -> None:
        before = time.process_time() + _server_seconds(url)
        run()
        taken.append(time.process_time() + _server_seconds(url) - before)

    return metered


def _server_seconds(url: str) -> float:
    """Once the servers of earlier connections have ended: only then does their parent know what they took."""
    with psycopg.connect(url) as connection:
        for _ in range(_LOOKS):
            if connection.execute(_OTHERS).fetchone() == (0,):
                break
            time.sleep(0.02)
        folder = connection.execute("SHOW data_directory").fetchone()
    try:
        lines = Path(str(folder[0] if folder else ""), "postmaster.pid").read_text().splitlines()
        parent = psutil.Process(int(lines[0]))
    except (OSError, psutil.Error):
        return 0.0
    ended = parent.cpu_times()
    running = []
    for child in parent.children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended since
            running.append(child.cpu_times())
    return sum(
        (one.user + one.system for one in running),
        ended.user + ended.system + ended.children_user + ended.children_system,
    )


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
    cpu: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, decided(Path(folder), options.events) as store:
        contestants = {
            "one table by COPY": load_plain(url, store.log),
            "relational store": load_store(url, store),
        }
        found = interleaved(
            options.rounds,
            {name: _metered(run, cpu.setdefault(name, []), url) for name, run in contestants.items()},
            options.events,
        )
    plain = found["one table by COPY"].rate
    each = {name: options.events / median(taken) for name, taken in cpu.items()}
    show(
        f"{options.events:,} payments with their decisions",
        ["into", "payments/s", "spread", "ratio", "per CPU-second", "ratio"],
        [
            [
                name,
                f"{sample.rate:,.0f}",
                sample.spread,
                f"{sample.rate / plain:.2f}",
                f"{each[name]:,.0f}",
                f"{each[name] / each['one table by COPY']:.2f}",
            ]
            for name, sample in found.items()
        ],
    )


if __name__ == "__main__":
    main()
