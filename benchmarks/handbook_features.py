"""The Fraud Detection Handbook's features over its whole set: timing, and equality of every value.

    python benchmarks/handbook_features.py FOLDER      # the folder that holds handbook_raw.parquet

The twelve windowed features come from `examples/handbook/features.py` through the engine, the expected ones
from the handbook's definitions in sorted arrays (`ringfence.testing.handbook`).
"""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

from ringfence.events.batch import EventBatch
from ringfence.features.engine import Engine
from ringfence.testing.handbook import handbook_features, log_of_payments, read_payments

BATCH = 16_384
ROUNDS = 5
EXAMPLE = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "handbook" / "features.py"))


def main(folder: str) -> int:
    payments = read_payments(f"{folder}/handbook_raw.parquet")
    log = log_of_payments(payments)
    Engine(EXAMPLE["spec"]).measure(
        log.slice(0, 1000)
    )  # compiled, or loaded from the cache, before the clock starts
    seconds = []
    for _ in range(ROUNDS):
        # A fresh EventBatch has computed none of its columns yet: hashing ids is part of the work.
        batches = [log.slice(at, min(at + BATCH, len(log))) for at in range(0, len(log), BATCH)]
        engine = Engine(EXAMPLE["spec"])
        start = time.perf_counter()
        got = np.concatenate([engine.measure(EventBatch(batch.table)) for batch in batches], axis=1)
        seconds.append(time.perf_counter() - start)
    rate = len(payments.time_ms) / median(seconds)
    print(f"{len(payments.time_ms):,} payments, {payments.fraud.sum():,} labels, batches of {BATCH:,}")
    print(f"{rate:,.0f} payments/s with {len(got)} features, median of {ROUNDS}: {median(seconds):.2f} s")
    return compare(got, handbook_features(payments))


def compare(got: np.ndarray, want: dict[str, np.ndarray]) -> int:
    """Prints a line per feature; 1 if any value differs in any bit."""
    different = 0
    for name, ours, values in zip(EXAMPLE["spec"].names, EXAMPLE["HANDBOOK_NAMES"], got, strict=True):
        theirs = want[ours]
        wrong = int((values != theirs).sum())
        print(f"{ours:36} {name:34} {wrong} of {len(values):,} differ")
        different += wrong
    print("All values are equal in every bit." if not different else f"{different} values differ.")
    return int(different > 0)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/handbook_features.py FOLDER")
    sys.exit(main(sys.argv[1]))
