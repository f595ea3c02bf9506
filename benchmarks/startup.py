"""From the command to its first decision, warm and with an empty compile cache: python -m benchmarks.startup.

Times the whole of `ringfence run` on a file of one payment, in a new data folder: an upper bound. Python's
bytecode is there throughout, as it is once anything has been run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.report import machine, show, versions

PAYMENT = (
    '{"transaction_id":"t1","event_time":"2026-01-01T00:00:00Z","amount":12.5,"currency":"EUR",'
    '"card_id":"c1","customer_id":"u1","merchant_id":"m1","device_id":"d1"}\n'
)


def run_once(cache: Path, bytecode: Path) -> float:
    """Seconds of one command with this compile cache and folder of bytecode."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "payment.ndjson").write_text(PAYMENT)
        command = [str(Path(sys.executable).with_name("ringfence")), "run", str(folder / "payment.ndjson")]
        start = time.perf_counter()
        done = subprocess.run(
            [*command, "--mapping", "canonical", "--data", str(folder / "data")],
            env=environment | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPYCACHEPREFIX": str(bytecode)},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stderr[-500:]}")
    return seconds


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(machine(), versions("numpy", "numba"), sep="\n")
    cold, warm = [], []
    with tempfile.TemporaryDirectory() as bytecode:
        for round_ in range(options.rounds + 1):
            with tempfile.TemporaryDirectory() as cache:
                times = [run_once(Path(cache), Path(bytecode)) for _ in range(2)]
            if round_:  # the first one writes the bytecode
                cold.append(times[0])
                warm.append(times[1])
    rows = [
        [n, *(f"{x:.2f}" for x in (median(v), min(v), max(v)))] for n, v in (("cold", cold), ("warm", warm))
    ]
    title = f"ringfence run on one payment, {options.rounds} rounds (s)"
    show(title, ["compile cache", "median", "least", "greatest"], rows)


if __name__ == "__main__":
    main()
