"""A small invented history in which fraud can be learned: stolen cards spend much more than before."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.features.spec import FeatureSpec, entity
from ringfence.learning.data.dataset import dataset
from ringfence.learning.data.history import Passed, collect

DAY_MS = 86_400_000
START_MS = 1_704_067_200_000  # 2024-01-01
CARD, MERCHANT = entity("card"), entity("merchant")
SPEC = FeatureSpec.of(
    CARD.count("1d"),
    CARD.mean("amount", "30d", exclude_current=True),
    CARD.ratio("amount", "30d"),
    MERCHANT.label_rate("30d", delay="3d"),
)


@dataclass
class World:
    """Payments in order of time and whether each is fraud."""

    time_ms: np.ndarray
    card: np.ndarray
    merchant: np.ndarray
    cents: np.ndarray
    channel: np.ndarray
    fraud: np.ndarray


def world(size=6000, days=60, seed=3):
    rng = np.random.default_rng(seed)
    time_ms = START_MS + np.sort(rng.integers(0, days * DAY_MS, size))
    card, merchant = rng.integers(0, 200, size), rng.integers(0, 30, size)
    usual = rng.uniform(500, 5000, 200)[card]
    fraud = rng.random(size) < np.where(merchant == 7, 0.2, 0.02)
    cents = (usual * rng.uniform(0.5, 1.5, size) * np.where(fraud, rng.uniform(1.5, 6, size), 1)).astype(
        np.int64
    )
    channel = np.where(rng.random(size) < 0.3, "online", "shop")
    return World(time_ms, card, merchant, cents, channel, fraud)


def history(made, delay_ms=3 * DAY_MS):
    """The log: every fraud is reported after three days."""
    frauds = np.flatnonzero(made.fraud)
    times = np.concatenate([made.time_ms, made.time_ms[frauds] + delay_ms])
    rows = np.concatenate([np.arange(len(made.time_ms)), frauds])
    is_label = np.arange(len(times)) >= len(made.time_ms)
    order = np.argsort(times, kind="stable")
    rows, is_label, times = rows[order], is_label[order], times[order]

    def of(values):
        return pa.array([None if label else value for value, label in zip(values, is_label, strict=True)])

    table = {
        "kind": pa.array(np.where(is_label, Kind.LABEL, Kind.TRANSACTION).astype(np.uint8)),
        "event_time_ms": times,
        "transaction_id": [f"t{row}" for row in rows],
        "card_id": of([f"c{value}" for value in made.card[rows]]),
        "merchant_id": of([f"m{value}" for value in made.merchant[rows]]),
        "channel": of(made.channel[rows].tolist()),
        "amount_minor": of(made.cents[rows].tolist()),
        "label": pa.array([True if label else None for label in is_label], pa.bool_()),
    }
    return EventBatch(pa.RecordBatch.from_pydict(table))


def in_batches(log, size=500):
    return [Passed(log.slice(at, min(at + size, len(log)))) for at in range(0, len(log), size)]


@pytest.fixture(scope="session")
def made():
    return world()


@pytest.fixture(scope="session")
def data(made):
    return dataset(collect(in_batches(history(made)), SPEC))
