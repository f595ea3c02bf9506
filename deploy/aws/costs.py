"""What an installation costs a month: units times prices, of which each reader puts in their own.

python deploy/aws/costs.py                                   the table of docs/operations/aws.md
python deploy/aws/costs.py --prices mine.csv --rate 20 200   your prices, your payments a second

A row of `costs.csv` is one item: (fixed + per million x millions of payments a month) x price. The units come
from the stacks and from what a payment is in bytes; the prices are estimates: put your own in.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("costs.csv")
SECONDS = 2_628_000  # of a month: 730 hours
RATES = {"small": (1.0, 50.0), "large": (500.0, 5000.0)}  # payments a second that each profile is for
_CHANGES = 50.0  # a rate from which on the large profile is meant
_NUMBERS = ("price_usd", "fixed_small", "fixed_large", "per_million_small", "per_million_large")


class Item(NamedTuple):
    """One price, and how many units of it either profile takes."""

    part: str
    item: str
    price: float
    fixed: dict[str, float]
    per_million: dict[str, float]

    def units(self, profile: str, rate: float) -> float:
        """Of a month in which so many payments come each second."""
        return self.fixed[profile] + self.per_million[profile] * rate * SECONDS / 1e6

    def dollars(self, profile: str, rate: float) -> float:
        """Units times price."""
        return self.units(profile, rate) * self.price


def items(path: Path = FILE) -> list[Item]:
    """All rows; exits with a message where one cannot be right."""
    found = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            try:
                part, item = row["part"], row["item"]
                numbers = {name: float(row[name]) for name in _NUMBERS}
            except (KeyError, TypeError, ValueError):
                sys.exit(
                    f"{path}, line {number}: wanted are the columns part, item, and {', '.join(_NUMBERS)}, "
                    "the latter numbers with a decimal point"
                )
            if any(not 0 <= value < float("inf") for value in numbers.values()):
                sys.exit(f"{path}, line {number}: a price or a number of units is below zero, or none")
            told = [
                {profile: numbers[f"{kind}_{profile}"] for profile in RATES}
                for kind in ("fixed", "per_million")
            ]
            found.append(Item(part, item, numbers["price_usd"], *told))
    return found


def rounded(dollars: float) -> str:
    """Two digits, since no estimate has more; nothing below half a dollar."""
    if dollars < 0.5:
        return "–"
    digits = 1 - len(str(int(dollars)))
    return f"{max(round(dollars, min(digits + 1, 0)), 1):,.0f}"


def table(found: list[Item], rates: dict[str, tuple[float, ...]]) -> str:
    """Dollars a month by part and by payments a second, as Markdown."""
    columns = [(profile, rate) for profile, some in rates.items() for rate in some]
    lines = ["| |" + "".join(f" {profile}, {rate:,g}/s |" for profile, rate in columns)]
    lines.append("|---|" + "---|" * len(columns))
    parts = list(dict.fromkeys(one.part for one in found))
    for part in parts:
        sums = [sum(one.dollars(*column) for one in found if one.part == part) for column in columns]
        lines.append(f"| {part} |" + "".join(f" {rounded(one)} |" for one in sums))
    sums = [sum(one.dollars(*column) for one in found) for column in columns]
    lines.append("| together, about |" + "".join(f" {rounded(one)} |" for one in sums))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--prices", type=Path, default=FILE, help="a copy of costs.csv with your prices")
    parser.add_argument(
        "--rate", type=float, nargs="+", help="payments a second, instead of 1, 50, 500, 5000"
    )
    asked = parser.parse_args()
    rates = RATES
    if asked.rate:
        if not all(0 < rate <= 1e6 for rate in asked.rate):
            parser.error("a rate is a number of payments a second, above 0 and up to 1,000,000")
        rates = {
            "small": tuple(rate for rate in asked.rate if rate <= _CHANGES),
            "large": tuple(rate for rate in asked.rate if rate > _CHANGES),
        }
    try:
        sys.stdout.write(table(items(asked.prices), rates))
    except OSError as error:
        parser.error(f"{asked.prices} cannot be read: {error.strerror}")


if __name__ == "__main__":
    main()
