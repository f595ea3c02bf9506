"""Patterns against decisions: all in columns, and one by one on parsed JSON, which must agree.

python -m benchmarks.bus --events 40000 --subscriptions 100
"""

from __future__ import annotations

import argparse
import json
import random
import time

import numpy as np
import pyarrow as pa

from ringfence.bus.catalog import DECISION_MADE
from ringfence.bus.pattern import matches, parse
from ringfence.bus.table import EventTable

ONE_BY_ONE = 500  # events: enough to time what is slower


def made(count: int, chance: np.random.Generator) -> EventTable:
    """Decisions as the bus has them, without most of their features."""
    outcomes = np.array(["approve", "challenge", "review", "decline"])
    texts = {
        ("data", "outcome"): outcomes[chance.choice(4, count, p=[0.95, 0.02, 0.02, 0.01])],
        ("data", "transaction", "card_id"): np.char.add(
            "tok_", chance.integers(0, 20_000, count).astype(str)
        ),
        ("data", "transaction", "merchant_id"): np.char.add(
            "shop-", chance.integers(0, 900, count).astype(str)
        ),
        ("data", "transaction", "country"): np.array(["DE", "FR", "CH", "BR"])[chance.integers(0, 4, count)],
        ("subject",): np.char.add("tx-", np.arange(count).astype(str)),
    }
    columns = {path: pa.array(values) for path, values in texts.items()}
    columns["data", "score"] = pa.array(chance.random(count) * 100)
    columns["data", "transaction", "amount"] = pa.array(np.round(chance.lognormal(3, 1, count), 2))
    columns["data", "reasons"] = pa.array(
        [["CARD_TESTING"] if one % 90 == 0 else [] for one in range(count)], pa.list_(pa.string())
    )
    return EventTable(count, {("type",): DECISION_MADE, ("specversion",): "1.0"}, columns)


def wishes(count: int, chance: random.Random) -> list[str]:
    """Patterns as people write them, each a little different."""
    kinds = (
        lambda n: {"outcome": ["decline"], "transaction": {"merchant_id": [f"shop-{n}"]}},
        lambda n: {"score": [{"numeric": [">=", 60 + n % 40]}], "outcome": [{"anything-but": "approve"}]},
        lambda n: {"transaction": {"amount": [{"numeric": [">", 50 + n]}], "country": ["BR", "CH"]}},
        lambda n: {"reasons": ["CARD_TESTING"], "transaction": {"card_id": [{"prefix": f"tok_{n % 10}"}]}},
        lambda n: {"transaction": {"merchant_id": [{"wildcard": f"*-{n % 10}*"}]}, "outcome": ["review"]},
    )
    return [
        json.dumps(
            {
                "type": [{"prefix": "com.ringfence.decision"}],
                "data": kinds[n % len(kinds)](chance.randrange(900)),
            }
        )
        for n in range(count)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--subscriptions", type=int, default=100)
    parser.add_argument("--portion", type=int, default=8192)
    asked = parser.parse_args()
    chance = np.random.default_rng(1)
    patterns = [parse(text) for text in wishes(asked.subscriptions, random.Random(1))]
    portions = [
        made(min(asked.portion, asked.events - at), chance) for at in range(0, asked.events, asked.portion)
    ]
    begin = time.perf_counter()
    found = [[table.matching(pattern) for pattern in patterns] for table in portions]
    columns = asked.events / (time.perf_counter() - begin)
    few = min(ONE_BY_ONE, len(portions[0]))
    events = [json.loads(json.dumps(event)) for event in portions[0].events(list(range(few)))]
    begin = time.perf_counter()
    alone = [[matches(pattern, event) for event in events] for pattern in patterns]
    one_by_one = few / (time.perf_counter() - begin)
    agree = all(mask[:few].tolist() == told for mask, told in zip(found[0], alone, strict=True))
    print(f"{asked.subscriptions} subscriptions, {asked.events:,} events, {asked.portion:,} at a time")
    print(f"in columns: {columns:,.0f} events/s")
    print(f"each pattern on parsed JSON: {one_by_one:,.0f} events/s, ratio {columns / one_by_one:.1f}")
    print(f"values agree: {agree}")
    if not agree:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
