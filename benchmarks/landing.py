"""Lands a log as files of a lake: python -m benchmarks.landing [--events N] [--to s3://BUCKET/PREFIX].

Payments and their decisions, each as one record; into a folder unless an address is given.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.relational import decided
from benchmarks.report import interleaved, machine, show, versions
from benchmarks.spine import SystemClock
from ringfence.adapters.landing import LandingFollower, open_place
from ringfence.follow import catch_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.adapters.landing.shapes import Format
    from ringfence.adapters.sqlite.store import Store

FORMATS: tuple[Format, ...] = ("parquet", "ndjson", "csv")


def landing(store: Store, address: str, fmt: Format) -> Callable[[], None]:
    """Empties a zone and lands the whole log in it."""

    def run() -> None:
        clock = SystemClock()
        target = LandingFollower(store.log, open_place(address), store.meta.store_id, clock.now_ms, fmt=fmt)
        target.reset()
        catch_up(store.log, target, all_of_it=True)
        target.close()

    return run


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--to")
    options = parser.parse_args()
    print(machine(), versions("pyarrow", "obstore"), sep="\n")
    with tempfile.TemporaryDirectory() as folder, decided(Path(folder), options.events) as store:
        found = interleaved(
            options.rounds,
            {fmt: landing(store, f"{options.to or folder}/{fmt}", fmt) for fmt in FORMATS},
            2 * options.events,
        )
    show(
        f"{options.events:,} payments with their decisions",
        ["as", "records/s", "spread"],
        [[name, f"{sample.rate:,.0f}", sample.spread] for name, sample in found.items()],
    )


if __name__ == "__main__":
    main()
