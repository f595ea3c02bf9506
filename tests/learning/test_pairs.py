"""Pairs of fields that name whoever pays are tried whatever they are called."""

import numpy as np
import pyarrow as pa
import pytest

from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.features.durations import DAY_MS
from ringfence.learning.key_choice import proposed

SIZE, CLIENTS, DELAY_MS = 16_000, 1600, 5 * DAY_MS


@pytest.fixture(scope="module")
def pairs():
    """60 days: 40 clients share a card's code, a client has one region, and fraud goes on once it began.

    `zone` is the region in other numbers. Counters are harder to guess than both and say nothing; scores say
    something by themselves and nothing of who pays.
    """
    rng = np.random.default_rng(5)
    time_ms = np.sort(rng.integers(0, 60 * DAY_MS, SIZE)) + 1_700_000_000_000
    client = rng.integers(0, CLIENTS, SIZE)
    region = rng.integers(0, 40, CLIENTS)[client]
    turns = np.where(rng.random(CLIENTS) < 0.06, rng.uniform(0, 50, CLIENTS), 99)[client]
    bad = time_ms - time_ms[0] >= turns * DAY_MS
    fraud = np.flatnonzero(bad)
    times = np.concatenate([time_ms, time_ms[fraud] + DELAY_MS])
    order = np.argsort(times, kind="stable")
    row = np.concatenate([np.arange(SIZE), fraud])[order]
    label = (np.arange(len(times)) >= SIZE)[order]

    def of(values):
        return pa.array(values[row], mask=label)

    table = {
        "kind": np.where(label, Kind.LABEL, Kind.TRANSACTION).astype(np.uint8),
        "event_time_ms": times[order],
        "transaction_id": np.char.add("t", row.astype(str)),
        "card_id": of(np.char.add("c", (client % 40).astype(str))),
        "attributes.region": of(region.astype(float)),
        "attributes.zone": of(1000.0 - 7 * region),
        **{f"attributes.n{n}": of(rng.integers(0, 400, SIZE).astype(float)) for n in range(8)},
        **{f"attributes.s{n}": of(rng.integers(0, 80, SIZE) + 15.0 * bad) for n in range(3)},
        "label": pa.array(label, mask=~label),
    }
    return proposed([EventBatch(pa.RecordBatch.from_pydict(table))], DELAY_MS).pairs


def test_a_field_in_which_payments_of_a_payer_agree_is_tried_beside_the_payer(pairs):
    assert set(pairs[0]) in ({"card_id", "attributes.region"}, {"card_id", "attributes.zone"})
