"""A small spine for tests: a seeded disorderly stream, a store in a folder, a runner on it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from ringfence.adapters.snapshots import Snapshots
from ringfence.adapters.sqlite import Store
from ringfence.decisions.decision import DecisionBatch
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.events.model import EVENT_SCHEMA, Kind
from ringfence.features.catalog import CATALOG
from ringfence.pipeline import Pipeline
from ringfence.ports import DECISIONS, EVENTS
from ringfence.runner import Runner
from ringfence.saving import Snapshotting
from ringfence.scoring.rulesets.books import default_book
from ringfence.scoring.rulesets.rules import fit

START_MS = 1_700_000_000_000
RULES, _ = fit(default_book(), CATALOG)
ANSWER_COLUMNS = ("decided_at_ms", "latency_us")  # differ between runs, as the wall clock does


class Tick:
    """A clock that moves by a millisecond at each look."""

    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        self.ms += 1
        return self.ms


class Rows(NamedTuple):
    """What a reader hands to a runner."""

    events: EventBatch
    labels: EventBatch | None = None
    bad: tuple = ()
    positions: tuple = ()


def batch(rows: list[dict]) -> EventBatch:
    """Events from canonical fields; kind is transaction unless said."""
    names = {name for row in rows for name in row} | {"kind", "event_time_ms"}
    schema = pa.schema([field for field in EVENT_SCHEMA if field.name in names])
    filled = [{"kind": Kind.TRANSACTION} | row for row in rows]
    return EventBatch(pa.RecordBatch.from_pylist(filled, schema=schema))


def payments(count: int, seed: int = 0) -> list[dict]:
    """Payments of 40 cards at 15 merchants, a minute apart, 5 % of them late, with flags in between."""
    chance = random.Random(seed)
    rows: list[dict] = []
    for number in range(count):
        time_ms = START_MS + number * 60_000
        if chance.random() < 0.05:
            time_ms -= chance.randrange(3 * 86_400_000)
        card = f"card-{chance.randrange(40)}"
        rows.append(
            {
                "transaction_id": f"tx-{number}",
                "event_time_ms": time_ms,
                "card_id": card,
                "account_id": f"account-{card}",
                "customer_id": f"customer-{card}",
                "merchant_id": f"merchant-{chance.randrange(15)}",
                "device_id": f"device-{chance.randrange(60)}",
                "amount_minor": chance.choice([99, 250, 1999, 45_000, 9_000_000]),
                "currency": "EUR",
                "country": chance.choice(["DE", "FR", "BR"]),
                "lat": chance.uniform(-60, 60),
                "lon": chance.uniform(-170, 170),
            }
        )
        if chance.random() < 0.02:
            rows.append(
                {
                    "kind": Kind.FLAG,
                    "event_id": f"flag-{number}",
                    "event_time_ms": time_ms,
                    "entity_type": "account",
                    "entity_id": f"account-card-{chance.randrange(40)}",
                    "effective_at_ms": time_ms - 3_600_000,
                }
            )
    return rows


def labels(rows: list[dict], delay_ms: int, seed: int = 0) -> EventBatch:
    """A tenth of the payments turns out to be fraud."""
    chance = random.Random(seed)
    chosen = [row for row in rows if "transaction_id" in row and chance.random() < 0.1]
    return batch(
        [
            {
                "kind": Kind.LABEL,
                "event_id": f"label-{row['transaction_id']}",
                "transaction_id": row["transaction_id"],
                "event_time_ms": row["event_time_ms"] + delay_ms,
                "label": True,
            }
            for row in chosen
        ]
    )


def source(count: int, rows: int, seed: int = 0, delay_ms: int = 86_400_000) -> list[Rows]:
    """The stream in batches of `rows`, each with its labels."""
    every = payments(count, seed)
    parts = [every[start : start + rows] for start in range(0, len(every), rows)]
    return [Rows(batch(part), labels(part, delay_ms, seed + number)) for number, part in enumerate(parts)]


def runner(store: Store, *, every_events: int = 1_000_000) -> Runner:
    """A recovered runner over the shipped catalog and rules."""
    pipeline = Pipeline(CATALOG, RULES, store.meta.hash_seed)
    snapshotting = Snapshotting(every_events=every_events)
    made = Runner(store, pipeline, Tick(), Snapshots(store.snapshots), snapshotting)
    made.recover()
    return made


def open_store(folder: Path) -> Store:
    return Store.open(folder)


def logged(store: Store) -> list[dict]:
    """All events of the log without the columns that say when they were received."""
    batches = [codec.decode(item.payload) for item in store.log.read(EVENTS)]
    return [
        {name: value for name, value in row.items() if value is not None}
        for part in batches
        for row in part.table.to_pylist()
    ]


def decided(store: Store) -> pa.Table:
    """All decisions, without what the wall clock says."""
    batches = [DecisionBatch.decode(item.payload).table for item in store.log.read(DECISIONS)]
    return pa.Table.from_batches(batches).combine_chunks().drop_columns(list(ANSWER_COLUMNS))
