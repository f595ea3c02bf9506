"""What followers cost a decision: python -m benchmarks.followed [--rate 500] [--seconds 10] [--rounds 3].

The same server, by turns without and with PostgreSQL and a landing zone that follow it, is asked at a steady
rate. PostgreSQL runs on the same cores. Latency counts from when a request was meant to be sent.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from tests.postgres import database

from benchmarks.api_load import drive, free_port, server
from benchmarks.report import machine, show, versions
from benchmarks.serving import RINGFENCE
from ringfence.adapters.relational import migrate


def p50_and_p99(rate: float, seconds: float, name: str, settings: dict[str, str]) -> tuple[float, float]:
    """Milliseconds of decisions by a server of its own, with these settings."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        os.environ.update(settings | {"RINGFENCE_SERVE_ACCESS_LOG": "false"})
        try:
            with server(RINGFENCE, "serve", "--data", f"{folder}/data", "--port", str(port), port=port):
                drive(port, f"{name}-warm", rate, 2)
                found = drive(port, name, rate, seconds)
        finally:
            for setting in settings:
                del os.environ[setting]
    return float(np.quantile(found.accepted_ms, 0.5)), float(np.quantile(found.accepted_ms, 0.99))


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(machine(), versions("psycopg", "pyarrow"), sep="\n")
    taken: dict[str, list[tuple[float, float]]] = {"without": [], "with both": []}
    for number in range(options.rounds):
        for name, found in taken.items():
            with tempfile.TemporaryDirectory() as zone:
                settings = {}
                if name == "with both":
                    url = database()
                    migrate.upgrade(url)
                    settings = {
                        "RINGFENCE_STORE_URL": url,
                        "RINGFENCE_LANDING_URL": str(Path(zone) / "zone"),
                        "RINGFENCE_LANDING_FILE_SECONDS": "2",
                    }
                name_of_run = f"{name.replace(' ', '-')}-{number}"
                found.append(p50_and_p99(options.rate, options.seconds, name_of_run, settings))
    middle = {name: [median(values) for values in zip(*found, strict=True)] for name, found in taken.items()}
    show(
        f"{options.rate:,.0f} decisions a second",
        ["PostgreSQL and landing zone", "p50 ms", "p99 ms", "ratio of p99"],
        [
            [name, f"{p50:.1f}", f"{p99:.1f}", f"{p99 / middle['without'][1]:.2f}"]
            for name, (p50, p99) in middle.items()
        ],
    )


if __name__ == "__main__":
    main()
