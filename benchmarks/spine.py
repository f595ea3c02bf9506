"""From a file of payments to durable decisions, stage by stage: python -m benchmarks.spine [--events N].

Without --source, generated payments with all fields of the shipped catalog, as Parquet and as NDJSON. Stages
run on three threads (read; admit to decide; encode and commit): together they take more than the time that
passed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import workload
from benchmarks.report import Sample, machine, show, versions
from ringfence.adapters.files.reading import read
from ringfence.adapters.snapshots import Snapshots
from ringfence.adapters.sqlite.store import Store
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.features.catalog import CATALOG
from ringfence.pipeline import Pipeline
from ringfence.runner import Runner
from ringfence.scoring.rulesets.books import default_book

if TYPE_CHECKING:
    from collections.abc import Callable

CATEGORIES = ("grocery", "fuel", "travel", "games", "health")
COUNTRIES = ("DE", "FR", "AT", "CH", "US")


class SystemClock:
    """Wall-clock time."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000


def payments(events: int) -> pa.Table:
    """Generated payments in canonical columns; card numbers in the clear, as they come."""
    work = workload.r2(events)
    rng = np.random.default_rng(workload.SEED + 3)
    customer = work.ids["customer"]

    def numbered(prefix: str, ids: np.ndarray) -> pa.Array:
        return pa.array(np.char.add(prefix, ids.astype("U9")))

    return pa.table(
        {
            "transaction_id": numbered("t", np.arange(events)),
            "event_time": pa.array(work.time_ms).cast(pa.timestamp("ms", tz="UTC")),
            "amount": pa.array(work.amount_minor / 100),
            "currency": pa.array(["EUR"]).take(pa.array(np.zeros(events, np.int64))),
            "card_number": pa.array(4_000_000_000_000_000 + work.ids["card"] * 7919).cast(pa.string()),
            "customer_id": numbered("c", customer),
            "account_id": numbered("a", customer),
            "merchant_id": numbered("m", work.ids["merchant"]),
            "terminal_id": numbered("p", work.ids["merchant"] * 2 + rng.integers(0, 2, events)),
            "device_id": numbered("d", work.ids["device"]),
            "ip": numbered("10.", work.ids["ip"]),
            "email": numbered("e", customer),
            "merchant_category": pa.array(CATEGORIES).take(pa.array(work.ids["merchant"] % len(CATEGORIES))),
            "country": pa.array(COUNTRIES).take(pa.array(customer % len(COUNTRIES))),
            "lat": pa.array(work.lat),
            "lon": pa.array(work.lon),
        }
    )


def write_ndjson(table: pa.Table, path: Path) -> None:
    """The same rows, one JSON object a line, times in ISO 8601."""
    times = np.char.add(table["event_time"].to_numpy().astype("U23"), "Z")
    text = table.set_column(1, "event_time", pa.array(times))
    with path.open("w") as file:
        for start in range(0, len(table), 10_000):
            for row in text.slice(start, 10_000).to_pylist():
                fields = (f'"{k}":{v!r}' if isinstance(v, float) else f'"{k}":"{v}"' for k, v in row.items())
                file.write("{" + ",".join(fields) + "}\n")


def run_once(source: str, mapping: str) -> tuple[int, float, dict[str, float]]:
    """A new store; transactions decided, seconds, and seconds per stage."""
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "data") as store:
        pipeline = Pipeline(CATALOG, default_book(), store.meta.hash_seed, stopwatch=time.perf_counter)
        clock = SystemClock()
        runner = Runner(store, pipeline, clock, Snapshots(store.snapshots))
        runner.recover()
        tokenizer = Tokenizer(store.meta.token_key)
        start = time.perf_counter()
        totals = runner.run(read([source], load_mapping(mapping), tokenizer, clock.now_ms()))
        if totals.bad:
            sys.exit(f"{totals.bad} records of {source} were refused: nothing to measure")
        return totals.transactions, time.perf_counter() - start, dict(runner.seconds)


def measured(name: str, run: Callable[[], tuple[int, float, dict[str, float]]], rounds: int) -> None:
    """Prints one source's rate and where its time goes."""
    run()  # compiles and fills the page cache
    runs = [run() for _ in range(rounds)]
    transactions = runs[0][0]
    sample = Sample(transactions, tuple(seconds for _, seconds, _ in runs))
    title = f"{name}: {transactions:,} transactions, {sample.rate:,.0f}/s ({sample.spread}), {rounds} rounds"
    rows = []
    for stage in runs[0][2]:
        seconds = median(stages[stage] for *_, stages in runs)
        rows.append([stage, f"{seconds:.2f}", f"{1e6 * seconds / max(transactions, 1):.2f}"])
    show(title, ["stage", "s", "µs per transaction"], rows)


def main() -> None:
    """All tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--source", help="a file of your own instead of generated payments")
    parser.add_argument("--mapping", default="canonical")
    options = parser.parse_args()
    features = f"{len(CATALOG.features)} features, {len(default_book().rules)} rules"
    print(machine(), versions("numpy", "numba", "pyarrow"), features, sep="\n")
    if options.source:
        measured(options.source, lambda: run_once(options.source, options.mapping), options.rounds)
        return
    table = payments(options.events)
    with tempfile.TemporaryDirectory() as folder:
        parquet, ndjson = Path(folder) / "payments.parquet", Path(folder) / "payments.ndjson"
        pq.write_table(table, parquet, row_group_size=131_072)
        write_ndjson(table, ndjson)
        for path in (parquet, ndjson):
            measured(path.suffix, lambda path=path: run_once(str(path), "canonical"), options.rounds)


if __name__ == "__main__":
    main()
