"""Writes a sample: payments of a small seeded world as NDJSON, with labels of fraud when they become known.

python scripts/sample.py payments.ndjson --days 30
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from ringfence.simulate import World


def write_sample(path: Path, days: int, seed: int = 1, customers: int = 2000) -> int:
    """How many events were written."""
    events = 0
    encode = msgspec.json.Encoder().encode_lines
    with path.open("wb") as file:
        for day in World(seed, customers).days(days):
            file.write(encode(day))
            events += len(day)
    return events


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    events = write_sample(given.path, given.days, given.seed, given.customers)
    print(f"{events:,} events written to {given.path}")


if __name__ == "__main__":
    main()
