"""How long training takes and how much memory: 1.2 million payments, features included.

    python -m benchmarks.training                       # invented payments
    RINGFENCE_DATA=FOLDER python -m benchmarks.training # the folder holds handbook_raw.parquet

The target is 3 minutes and 4 GB on two cores, with 60 features or more, search for parameters included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.report import machine, show, versions
from ringfence.testing.handbook import invented_payments


@dataclass
class Training:
    """What a training took and what it answered."""

    seconds: float
    peak_bytes: int
    answer: dict


def trained(source: str, folder: str, *options: str) -> Training:
    """`ringfence train` in a process of its own."""
    program = str(Path(sys.executable).with_name("ringfence"))
    command = [program, "train", source, "--out", f"{folder}/model", "--json"]
    begin = time.perf_counter()
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if done.returncode:
        sys.exit(done.stderr)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return Training(seconds, peak, json.loads(done.stdout))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=os.environ.get("RINGFENCE_DATA"))
    parser.add_argument("--payments", type=int, default=1_200_000)
    parser.add_argument("--search-seconds", type=float, default=45)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "payments.parquet"
        pq.write_table(first_payments(options.folder, options.payments), source)
        seconds = str(options.search_seconds)
        found = trained(str(source), folder, "--mapping", "handbook", "--search-seconds", seconds)
    print(f"{machine()}; {versions('lightgbm', 'numba')}")
    row = (
        f"{options.payments:,}",
        str(found.answer["inputs"]),
        f"{found.seconds:.0f}",
        f"{found.peak_bytes / 1e9:.2f}",
        f"{found.answer['metrics']['model']['average_precision']['value']:.3f}",
    )
    show("Training", ("payments", "inputs", "seconds", "peak GB", "average precision"), [row])
    return 0


def first_payments(folder: str | None, size: int) -> pa.Table:
    """Of the handbook's set where it is, else invented ones with its columns."""
    if folder is not None:
        table = pq.read_table(f"{folder}/handbook_raw.parquet").sort_by("TRANSACTION_ID")
        return table.slice(0, size)
    made = invented_payments(7, size, days=120)
    return pa.table(
        {
            "TRANSACTION_ID": np.arange(size),
            "TX_DATETIME": pa.array(made.time_ms, pa.timestamp("ms")),
            "CUSTOMER_ID": made.customer,
            "TERMINAL_ID": made.terminal,
            "TX_AMOUNT": made.cents / 100,
            "TX_FRAUD": made.fraud.astype(np.int64),
        }
    )


if __name__ == "__main__":
    sys.exit(main())
