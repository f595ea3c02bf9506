"""From a topic of Kafka to features, and to durable decisions: python -m benchmarks.kafka [--events N].

A broker is fetched and started unless `--brokers HOST:PORT` names one. *features* is the consumer, decoding
of JSON and the engine with the shipped catalog; *decisions* also rules, codec and commit, as `ringfence run`
does it; *files* is the latter from NDJSON in a file, in the same minutes. Ends with PASS or FAIL: a topic
gives at least 100,000 payments a second to features.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING

from benchmarks.kafka_stream import brokers, fill, opened
from benchmarks.report import Sample, machine, show, versions
from benchmarks.spine import SystemClock, payments, run_once, write_ndjson
from ringfence.adapters.snapshots import Snapshots
from ringfence.adapters.sqlite.store import Store
from ringfence.features.catalog import CATALOG
from ringfence.features.engine import Engine
from ringfence.pipeline import Pipeline
from ringfence.runner import Runner
from ringfence.scoring.rulesets.books import default_book

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.ports.sources import StreamBatch

LEAST = 100_000
"""Payments a second from a topic to features, the consumer included."""

ROWS = 8192
_AHEAD = 4  # batches that are read while the engine is at work


def features(address: str) -> tuple[int, float]:
    """Payments of a topic through the engine, none of them kept; how many, and seconds."""
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "data") as store:
        engine = Engine(CATALOG, store.meta.hash_seed)
        waiting: Queue[StreamBatch | None] = Queue(_AHEAD)

        def read() -> None:
            with opened(store, address) as source:
                for batch in source.batches(ROWS, until_end=True, is_over=lambda: False):
                    waiting.put(batch)
            waiting.put(None)

        start, count = time.perf_counter(), 0
        reader = Thread(target=read)
        reader.start()
        while (batch := waiting.get()) is not None:
            if batch.bad:
                sys.exit(f"{len(batch.bad)} records of the topic were refused: nothing to measure")
            if len(batch.events):
                engine.measure(batch.events)
                count += len(batch.events)
        seconds = time.perf_counter() - start
        reader.join()
        return count, seconds


def decisions(address: str) -> tuple[int, float]:
    """Payments of a topic to durable decisions in a new store; how many, and seconds."""
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "data") as store:
        pipeline = Pipeline(CATALOG, default_book(), store.meta.hash_seed)
        runner = Runner(store, pipeline, SystemClock(), Snapshots(store.snapshots))
        runner.recover()
        start = time.perf_counter()
        with opened(store, address) as source:
            totals = runner.run(source.batches(ROWS, until_end=True, is_over=lambda: False))
        seconds = time.perf_counter() - start
        runner.close()
        return totals.transactions, seconds


def from_file(path: Path) -> tuple[int, float]:
    """The same payments from NDJSON in a file."""
    count, seconds, _ = run_once(str(path), "canonical")
    return count, seconds


def main() -> None:
    """The table, and PASS or FAIL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--brokers")
    parser.add_argument("--least", type=int, default=LEAST)
    options = parser.parse_args()
    print(machine(), versions("confluent-kafka", "numpy", "numba", "pyarrow"), sep="\n")
    topic = f"benchmark-{time.time_ns()}"
    address = fill(brokers(options.brokers), topic, options.events, options.partitions)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "payments.ndjson"
        write_ndjson(payments(options.events), path)
        ways: dict[str, Callable[[], tuple[int, float]]] = {
            "topic to features": lambda: features(address),
            "topic to decisions": lambda: decisions(address),
            "file to decisions": lambda: from_file(path),
        }
        for way in ways.values():  # compiled, and in the page cache
            way()
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, way in ways.items():
                count, taken = way()
                if count != options.events:
                    sys.exit(f"FAIL: {name}: {count:,} of {options.events:,} payments")
                seconds[name].append(taken)
    found = {name: Sample(options.events, tuple(taken)) for name, taken in seconds.items()}
    rows = [[name, f"{sample.rate:,.0f}", sample.spread] for name, sample in found.items()]
    show(
        f"{options.events:,} payments, {options.partitions} partitions",
        ["from and to", "payments/s", "spread"],
        rows,
    )
    best = options.events / min(found["topic to features"].seconds)
    print(
        f"{'PASS' if best >= options.least else 'FAIL'}: {best:,.0f} payments/s from a topic to features, "
        f"{options.least:,} asked for"
    )
    sys.exit(best < options.least)


if __name__ == "__main__":
    main()
