"""How large a sharded deployment has to be, by what its stages cost here: python -m benchmarks.scale.

Measured: processor time of each stage, bytes that it keeps and writes, how fast a shard comes back; for JSON
records, the shipped features and the shipped rules. Worked out: cores, state and checkpoints for some rates.
Simulated: shards with heavy keys that fill up, and one that is lost and catches up.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.report import machine, show, versions
from benchmarks.sharded import Timed
from ringfence.adapters.framed_records import FramedDecoding
from ringfence.adapters.stream_records import StreamDecoding
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.events.values.times import format_ms
from ringfence.features.catalog import CATALOG
from ringfence.scoring.rulesets.books import default_book
from ringfence.scoring.rulesets.rules import fit
from ringfence.sharded import STAGES, ShardedPlan, frame
from ringfence.sharded.plan import MOST_SHARDS

RATES = (1_000, 30_000, 1_000_000)
LOADED = 0.5
"""Share of a core that is planned with: the rest is for peaks, and for catching up."""
MEMORY = 32e9
"""Bytes of a worker that its engines may take; they take about what the rows do."""
PART = 250
"""Payments in a batch for each shard: batches grow with the shards."""
DAYS = (36.0, 2.0)
"""The longest window: as shipped, and with none longer than a day."""
SKEWED = 0.25
"""Of a payment's work, what goes by heavy keys: two of eight entities, merchant and terminal."""
DAY_S = 86_400
START_MS = 1_767_225_600_000
HOTTEST = 0.04
"""The heaviest key's share of all payments: that of the reference work's first merchant."""


class Written(dict[bytes, bytes]):
    """A state that counts what is written to it."""

    bytes_put = 0

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.bytes_put += len(key) + len(value)
        super().__setitem__(key, value)


@dataclass
class Costs:
    """What was measured, per payment: processor microseconds and bytes put by stage, bytes kept by entity."""

    spent: dict[str, float]
    put: dict[str, float]
    kept: dict[str, float]
    ids: float
    back_per_s: float
    elements: float  # per payment, at the batch that was measured
    batch: int


def records(count: int, rows: int) -> list[bytes]:
    """Payments of ten days as frames of one partition."""
    chance = random.Random(5)
    frames = []
    for begin in range(0, count, rows):
        values = []
        for number in range(begin, min(begin + rows, count)):
            card = chance.randrange(max(50, count // 20))
            values.append(
                json.dumps(
                    {
                        "transaction_id": f"payment-{number}",
                        "event_time": format_ms(START_MS + number * 10 * DAY_S * 1000 // count),
                        "amount": f"{chance.lognormvariate(3, 1.2):.2f}",
                        "currency": "EUR",
                        "card_id": f"card-{card}",
                        "customer_id": f"customer-{card // 2}",
                        "account_id": f"account-{card // 2}",
                        "merchant_id": f"merchant-{int(300 * chance.random() ** 3)}",
                        "terminal_id": f"terminal-{int(900 * chance.random() ** 2)}",
                        "device_id": f"device-{card % 700}",
                        "ip": f"10.0.{card % 200}.{chance.randrange(3)}",
                        "email": f"user{card // 2}@mail.example",
                        "country": chance.choice(("DE", "FR", "IT")),
                        "lat": round(chance.gauss(48, 2), 4),
                        "lon": round(chance.gauss(8, 4), 4),
                    }
                ).encode()
            )
        times = [
            START_MS + number * 10 * DAY_S * 1000 // count for number in range(begin, begin + len(values))
        ]
        frames.append(frame(0, range(begin, begin + len(values)), times, values))
    return frames


def measured(count: int, rows: int, shards: int = 8) -> Costs:
    """One partition through all stages."""
    rules, _ = fit(default_book(), CATALOG)
    decode = FramedDecoding(StreamDecoding(load_mapping("canonical"), Tokenizer(bytes(32)), {}))
    plan = ShardedPlan(CATALOG, rules, ["payments/0"], decode, 7, shards=shards)
    host = Timed(plan)
    for stage in STAGES:
        for key in range(plan.keys(stage)):
            host.states[stage, key] = Written()
    arrived = 0
    for data in records(count, rows):
        host.send(host.stage("door", 0).take(data), "door", 0)
        arrived += 1 + host.run()
    puts = {name: sum(s.bytes_put for (of, _), s in host.states.items() if of == name) for name in STAGES}
    kept = {
        one.spec.entities[0].name: one.compiled.input_columns * 8.0 + 12 + 16 * one.compiled.needs_places
        for one in plan.measured
    }
    ids = sum(len(v) for (name, _), state in host.states.items() if name == "ids" for v in state.values())
    begin = time.process_time()
    for shard in range(shards):
        host.lose("shard", shard)
        host.stage("shard", shard)
    back = count / (time.process_time() - begin)
    spent = {name: 1e6 * taken / count for name, taken in host.spent.items()}
    put = {name: size / count for name, size in puts.items()}
    return Costs(spent, put, kept, ids / count, back, arrived / count, rows)


def retention_days() -> dict[str, float]:
    """Of the shipped features, by entity."""
    return {one.name: CATALOG.retention_ms(one.name) / 86_400_000 for one in CATALOG.entities}


def sized(costs: Costs, rate: int, element_us: float, most_days: float) -> list[str]:
    """A deployment for a rate, with no window longer than so many days: what it takes."""
    busy = rate * sum(costs.spent.values()) / 1e6
    days = {name: min(kept, most_days) for name, kept in retention_days().items()}
    rows = rate * DAY_S * sum(costs.kept[name] * days[name] for name in costs.kept)
    shards = 8
    while True:  # as many as to spread the rows, two for each worker
        elements = (costs.elements * costs.batch + 2 * (shards - 8)) / (PART * shards)
        host = rate * elements * element_us / 1e6
        workers = max(np.ceil((busy + host) / LOADED), np.ceil(rows / MEMORY))
        if shards >= min(2 * workers, MOST_SHARDS):
            break
        shards *= 2
    again = DAY_S * rate * sum(days.values()) / len(days)  # payments' worth of rows
    return [
        f"{rate:,}",
        f"{most_days:.0f}",
        f"{busy:,.2f} + {host:,.2f}",
        f"{rate * costs.spent['order'] / 1e6:.3f}",
        _size(rows),
        _size(rate * DAY_S * min(30.0, most_days) * costs.ids),
        f"{_size(rate * sum(costs.put.values()))}/s",
        f"{workers:,.0f}",
        f"{shards:,}",
        _span(again / shards / costs.back_per_s),
    ]


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} PB"


def _span(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 600
        else f"{seconds / 60:,.0f} min"
        if seconds < 36_000
        else (f"{seconds / 3600:,.0f} h")
    )


def simulated(shards: int, load: float, hottest: float, outage_s: float, seed: int) -> list[str]:
    """Shards that share payments by their keys, in steps of 10 ms; one of them is away for a while.

    `load` is the mean utilisation of a shard's core. The longest waits before, and when all is as before.
    """
    rng = np.random.default_rng(seed)
    weights = np.arange(1, 20_001) ** -0.8
    weights *= (1 - hottest) / weights[1:].sum()
    weights[0] = hottest
    heavy = np.bincount(rng.integers(0, shards, len(weights)), weights, shards)
    share = SKEWED * heavy + (1 - SKEWED) / shards
    step, warm = 0.01, 2_000
    busy = share * shards * load  # work that arrives, in seconds of a core per second
    queue, waits, lost = np.zeros(shards), [], int(np.argmin(np.abs(share - np.median(share))))
    back = np.nan
    for tick in range(200_000):
        arriving = rng.poisson(busy * step * 500) / 500
        away = warm <= tick < warm + outage_s / step
        done = np.full(shards, step)
        if away:
            done[lost] = 0.0
        queue = np.maximum(queue + arriving - done, 0.0)
        if 200 < tick < warm:
            waits.append(float(queue.max()))
        if tick >= warm + outage_s / step and queue[lost] < 0.02:
            back = (tick - warm) * step - outage_s
            break
    usual = f"{1000 * np.percentile(waits, 99):,.0f} ms" if busy.max() < 1 else "grows"
    caught = "never" if np.isnan(back) else f"{back:,.0f} s"
    return [
        f"{shards}",
        f"{load:.2f}",
        f"{hottest:.0%}",
        f"{busy.max():.2f}",
        usual,
        f"{outage_s:.0f} s",
        caught,
    ]


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payments", type=int, default=60_000)
    parser.add_argument("--batch", type=int, default=2_000)
    parser.add_argument("--element-us", type=float, default=100.0, help="a host's own cost of one element")
    options = parser.parse_args()
    print(f"{machine()}\n{versions('numba', 'numpy', 'pyarrow')}")
    measured(2 * options.batch, options.batch)  # compiles
    costs = measured(options.payments, options.batch)
    days = retention_days()
    show(
        f"By stage, batches of {options.batch:,}",
        ["stage", "µs a payment", "bytes written a payment"],
        [[name, f"{costs.spent[name]:.2f}", f"{costs.put[name]:,.0f}"] for name in STAGES]
        + [["all", f"{sum(costs.spent.values()):.2f}", f"{sum(costs.put.values()):,.0f}"]],
    )
    show(
        "State by entity",
        ["entity", "bytes a payment", "days"],
        [[name, f"{size:,.0f}", f"{days[name]:.0f}"] for name, size in costs.kept.items()]
        + [["ids", f"{costs.ids:,.0f}", "30"]],
    )
    print(f"payments a core-second: {1e6 / sum(costs.spent.values()):,.0f}")
    print(f"payments a core-second that a lost shard measures again: {costs.back_per_s:,.0f}")
    print(f"elements a payment: {costs.elements:.4f}, each {options.element_us:.0f} µs of the host")
    show(
        f"Sizes, cores busy for {LOADED:.0%}, {MEMORY / 1e9:.0f} GB of a worker for engines",
        [
            "payments/s",
            "days",
            "cores + host",
            "order",
            "rows",
            "ids",
            "written",
            "workers",
            "shards",
            "back in",
        ],
        [sized(costs, rate, options.element_us, days) for days in DAYS for rate in RATES],
    )
    runs = [(8, 0.5, 0.04, 30.0), (8, 0.5, 0.10, 30.0), (64, 0.5, 0.0, 30.0), (64, 0.5, HOTTEST, 30.0)]
    runs += [(64, 0.2, HOTTEST, 30.0), (64, 0.5, 0.0, 120.0), (64, 0.8, 0.0, 30.0)]
    show(
        "Simulated",
        [
            "shards",
            "mean load",
            "heaviest key",
            "busiest shard",
            "p99 wait",
            "one is away",
            "caught up after",
        ],
        [simulated(*run, seed=3) for run in runs],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
