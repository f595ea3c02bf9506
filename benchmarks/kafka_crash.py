"""kill -9 while a topic is read, round after round: python -m benchmarks.kafka_crash [--rounds 100].

A child process reads a topic into a log and is killed at a seeded moment; the next one goes on. Payments are
sent while it runs, and none has been sent twice, so the log must hold each once: what was lost is missing,
what was doubled would be a duplicate. A broker is fetched and started unless `--brokers` names one.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.kafka_stream import brokers, fill, opened
from benchmarks.spine import SystemClock
from ringfence.adapters.snapshots import Snapshots
from ringfence.adapters.sqlite.store import Store
from ringfence.decisions.decision import DecisionBatch
from ringfence.features.catalog import CATALOG
from ringfence.pipeline import Pipeline
from ringfence.ports import DECISIONS
from ringfence.runner import Runner, RunTotals
from ringfence.scoring.rulesets.books import default_book

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 20  # of a commit: a kill should meet many
LONGEST_SECONDS = 0.5


def take(
    folder: Path, address: str, begun: Callable[[], object] = lambda: None, until: int | None = None
) -> RunTotals:
    """Decide what the topic holds, as a process of its own does; `begun` is called before any message.

    With `until` what comes into it as well, until so many payments are decided.
    """
    decided = 0

    def told(_arrival: object, totals: RunTotals) -> None:
        nonlocal decided
        decided = totals.transactions

    with Store.open(folder) as store:
        pipeline = Pipeline(CATALOG, default_book(), store.meta.hash_seed)
        runner = Runner(store, pipeline, SystemClock(), Snapshots(store.snapshots))
        runner.recover()
        with opened(store, address) as source:
            begun()
            batches = source.batches(
                ROWS, until_end=until is None, is_over=lambda: until is not None and decided >= until
            )
            totals = runner.run(batches, told)
        runner.close()
        return totals


def killed(folder: Path, address: str, seconds: float) -> None:
    """Begin to take, and be killed after so many seconds."""
    heard, said = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            take(folder, address, lambda: os.write(said, b"!"))
        except BaseException:  # noqa: BLE001 (of a child, whose end is told below)
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(said)
    os.read(heard, 1)
    os.close(heard)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("FAIL: a round ended with an error of its own")


def decided(folder: Path) -> list[str]:
    """Ids of all decisions."""
    with Store.open(folder, read_only=True) as store:
        tables = [DecisionBatch.decode(one.payload).table for one in store.log.read(DECISIONS)]
    return [name for table in tables for name in table.column("transaction_id").to_pylist()]


def main() -> None:
    """PASS, or FAIL with what is lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--brokers")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    address = fill(brokers(options.brokers), f"crash-{time.time_ns()}", options.events, 3)
    with tempfile.TemporaryDirectory() as folder:
        warm, data = Path(folder) / "warm", Path(folder) / "data"
        killed(warm, address, 5.0)  # compiled before the first round
        met = set()
        for _ in range(options.rounds):
            killed(data, address, chance.uniform(0.0, LONGEST_SECONDS))
            met.add(len(decided(data)) if data.exists() else 0)
        totals = take(data, address)
        found = decided(data)
    lost, doubled = options.events - len(set(found)), len(found) - len(set(found)) + totals.duplicates
    print(
        f"{'FAIL' if lost or doubled else 'PASS'}: {options.rounds} kills at {len(met)} different places, "
        f"{options.events:,} payments, {lost} lost, {doubled} doubled"
    )
    sys.exit(bool(lost or doubled))


if __name__ == "__main__":
    main()
