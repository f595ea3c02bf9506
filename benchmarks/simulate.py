"""How fast the world is made and written, format by format.

python -m benchmarks.simulate                      # 20,000 people
python -m benchmarks.simulate --customers 100000
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.report import machine, resident_bytes, show, versions
from ringfence.cli.setup.sinks import open_file
from ringfence.simulate import SCHEMA, World
from ringfence.simulate.lines import json_lines

DAYS = {"": 30, "history.parquet": 30, "history.csv": 10, "history.ndjson": 5, "history.ndjson.zst": 5}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=20_000)
    customers = parser.parse_args().customers
    json_lines(next(World(1, 20).days(1)).events)
    rows = []
    for name, days in DAYS.items():
        events, seconds, processor, size = timed(name, customers, days)
        rows.append(
            (
                name or "(made, not written)",
                f"{events:,}",
                f"{events / seconds:,.0f}",
                f"{events / processor:,.0f}",
                f"{size / events:.0f}" if size else "",
            )
        )
    print(machine(), versions("numpy", "pyarrow"), sep="\n")
    columns = ["to", "events", "events/s", "events/s of processor time", "bytes/event"]
    show(f"A world of {customers:,} people", columns, rows)
    print(f"resident at its peak: {resident_bytes('VmHWM') / 2**20:,.0f} MiB")


def timed(name: str, customers: int, days: int) -> tuple[int, float, float, int]:
    """Events, seconds, seconds of processor time, bytes written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        begin, used, events = time.perf_counter(), time.process_time(), 0
        world = World(1, customers)
        if not name:
            events = sum(len(made.rows) for made in world.days(days))
        else:
            with open_file(str(path), SCHEMA) as write:
                for made in world.days(days):
                    write(made.events)
                    events += len(made.rows)
        seconds, processor = time.perf_counter() - begin, time.process_time() - used
        return events, seconds, processor, path.stat().st_size if name else 0


if __name__ == "__main__":
    main()
