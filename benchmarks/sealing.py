"""What the audit chain costs, as a share of throughput: python -m benchmarks.sealing [--events N].

Payments are decided as `ringfence run` does it, and then sealed by the follower `audit`: spans of events and
decisions hashed, put into the chain, and signed at a checkpoint. Processor time of both is compared, because
sealing runs in another process: on a machine with all cores busy its share is what deciding loses.
Single payments (a step each) are the dearest case: each has two batches of its own to hash.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median

import pyarrow.parquet as pq

from benchmarks.report import machine, show, versions
from benchmarks.spine import SystemClock, payments
from ringfence.adapters.audit.checkpoints import Checkpoints
from ringfence.adapters.audit.sealing import SealFollower
from ringfence.adapters.audit.trail import SqliteTrail
from ringfence.adapters.files.reading import read
from ringfence.adapters.snapshots import Snapshots
from ringfence.adapters.sqlite.store import Store
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.features.catalog import CATALOG
from ringfence.follow import catch_up
from ringfence.pipeline import Pipeline
from ringfence.runner import Runner
from ringfence.scoring.rulesets.books import default_book

BAR = 2.0
"""Per cent of throughput that the chain may cost."""


def cpu() -> float:
    """Processor seconds of this process, all threads."""
    return time.process_time()


def once(source: str, events: int, step_rows: int) -> tuple[float, float]:
    """Processor seconds for deciding, and for sealing what was decided, in steps of so many payments."""
    with tempfile.TemporaryDirectory() as scratch, Store.open(Path(scratch) / "data") as store:
        clock = SystemClock()
        runner = Runner(
            store, Pipeline(CATALOG, default_book(), store.meta.hash_seed), clock, Snapshots(store.snapshots)
        )
        runner.recover()
        rows = read(
            [source],
            load_mapping("canonical"),
            Tokenizer(store.meta.token_key),
            clock.now_ms(),
            batch_rows=step_rows,
        )
        begin = cpu()
        totals = runner.run(rows)
        decided = cpu() - begin
        assert totals.transactions == events
        checkpoints = Checkpoints(1000, clock.now_ms, None, None)
        with closing(SealFollower(lambda: SqliteTrail(store.folder), checkpoints.due)) as follower:
            begin = cpu()
            catch_up(store.log, follower, all_of_it=True)
            sealed = cpu() - begin
    return decided, sealed


def main() -> None:
    """The table, and whether the bar holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(machine(), versions("pyarrow"), sep="\n")
    rows, worst = [], 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for step_rows, events in (
            (8192, options.events),
            (64, options.events // 4),
            (1, options.events // 40),
        ):
            path = Path(scratch) / f"payments-{step_rows}.parquet"
            pq.write_table(payments(events), path)
            once(str(path), events, step_rows)  # compiles
            runs = [once(str(path), events, step_rows) for _ in range(options.rounds)]
            decided, sealed = (1e6 * median(run[at] for run in runs) / events for at in (0, 1))
            share = 100 * sealed / decided
            worst = max(worst, share)
            rows.append([f"{step_rows:,}", f"{decided:.2f}", f"{sealed:.3f}", f"{share:.2f} %"])
    show(
        "Processor time per payment",
        ["payments in a step", "deciding, µs", "sealing, µs", "share"],
        rows,
    )
    print(f"{'PASS' if worst < BAR else 'FAIL'}: at most {worst:.2f} % of throughput, the bar is {BAR:g} %")


if __name__ == "__main__":
    main()
