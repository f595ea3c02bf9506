"""Random streams of payments that share things, and graphs over them."""

from __future__ import annotations

import random

from tests.spine import batch

from ringfence.events.model import Kind
from ringfence.features.links import Graph, Points, pays, uses

HOUR_MS = 3_600_000
START_MS = 1_700_000_000_000
GRAPHS = {
    "shared": Graph.of(
        uses("customer", "device", ttl="9h", cap=3, open_to_all=["d0"]),
        uses("customer", "email", ttl="20h", cap=2),
        uses("card", "phone", ttl="5h", cap=4),
        windows=("2h", "6h"),
        fraud_memory="15h",
    ),
    "transfers": Graph.of(
        uses("account", "device", ttl="12h", cap=3),
        pays("account", "counterparty", ttl="10h", cap=2),
        windows=("1h", "8h"),
        fraud_memory="12h",
    ),
    "scored": Graph.of(
        pays("account", "counterparty", ttl="10h"),
        windows=("1h", "8h"),
        kinds=["pair", "fan", "motif", "layering"],
        scorecard=[
            Points("graph.fan_out_1h", 2, 30),
            Points("graph.pair_is_new", 0.5, -10),
            Points("graph.cycle_length", 2, 7),
        ],
    ),
    "joined": Graph.of(  # nothing of it walks lists of neighbours
        uses("customer", "device", ttl="9h", cap=3, open_to_all=["d0"]),
        uses("customer", "email", ttl="20h", cap=2),
        pays("customer", "merchant", ttl="6h"),
        kinds=["component", "shared", "degree"],
        windows=[],
    ),
    "shops": Graph.of(
        pays("card", "merchant", ttl="6h"),
        uses("card", "device", ttl="6h", cap=5),
        uses("account", "card", ttl="8h", cap=5),
        windows=("3h",),
    ),
}


CROWD = Graph.of(  # 14 accounts that all come to know each other, more than `layout.FEW`
    uses("account", "device", ttl="12h", cap=3),
    pays("account", "counterparty", ttl="30h"),
    windows=("1h", "8h"),
)


def crowd(seed, count=600):
    """Payments among few accounts over few devices, nearly a third of them late; then a day without any."""
    chance = random.Random(seed)
    now, rows = START_MS, []
    for number in range(count):
        now += chance.choice([0, 1, 60_000, 600_000]) + (30 * HOUR_MS if number == count - 100 else 0)
        late = chance.randrange(29 * HOUR_MS) if chance.random() < 0.3 else 0
        rows.append(
            {
                "transaction_id": f"t{number}",
                "event_time_ms": now - late,
                "amount_minor": 100,
                "account_id": f"a{chance.randrange(14)}",
                "counterparty_id": f"a{chance.randrange(14)}",
                "device_id": f"d{chance.randrange(14)}",
            }
        )
    return batch(rows)


def stream(seed, count=130, start_day=0):
    """A payment every few minutes, some late, some without an id, with labels before and after them."""
    chance = random.Random(seed)
    now, rows = START_MS + start_day * 24 * HOUR_MS, []
    for number in range(count):
        now += chance.choice([0, 1, 60_000, 600_000, 1_800_000])
        if chance.random() < 0.01:
            now += 30 * HOUR_MS
        late = chance.randrange(14 * HOUR_MS) if chance.random() < 0.2 else 0
        row = {"transaction_id": f"t{number}", "event_time_ms": now - late}
        row["amount_minor"] = chance.choice([0, 100, 2500, 99_999])
        few = 6 if number % 40 < 20 else 25
        for field, letter, most in (
            ("customer_id", "c", few),
            ("card_id", "k", few),
            ("account_id", "a", few),
            ("counterparty_id", "a", few),
            ("merchant_id", "m", 4),
            ("device_id", "d", 8),
            ("email", "e", 12),
            ("phone", "p", 9),
        ):
            if chance.random() < 0.9:
                row[field] = f"{letter}{chance.randrange(most)}"
        rows.append(row)
        if chance.random() < 0.15:
            named = min(count - 1, max(0, number + chance.randrange(-20, 4)))
            rows.append(
                {
                    "kind": Kind.LABEL,
                    "event_id": f"l{number}",
                    "transaction_id": f"t{named}",
                    "event_time_ms": now,
                    "label": chance.random() < 0.7,
                }
            )
    return batch(rows)
