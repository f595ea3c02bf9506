"""Stores with payments and decisions in them, and the lake over such a store."""

import json

import numpy as np
import pyarrow as pa

from ringfence.decisions.decision import DECISION_FIELDS, DecisionBatch
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.learning.watching.model_news import ModelNews
from ringfence.ports import LogBatch

NOW_MS = 1_750_000_000_000
OUTCOMES = pa.array(["approve", "challenge", "review", "decline"])


def events(base, count, **columns):
    """Transactions t<offset> of card c<offset % 3>, one a second; the last event of the batch is a label."""
    offsets = range(base, base + count)
    label = [i == base + count - 1 for i in offsets]
    table = pa.RecordBatch.from_pydict(
        {
            "kind": pa.array([int(one) for one in label], pa.uint8()),
            "event_time_ms": [i * 1000 for i in offsets],
            "transaction_id": [f"t{i - one}" for i, one in zip(offsets, label, strict=True)],
            "card_id": pa.array(
                [None if one else f"c{i % 3}" for i, one in zip(offsets, label, strict=True)]
            ),
            "amount_minor": pa.array(
                [None if one else i * 100 + 5 for i, one in zip(offsets, label, strict=True)]
            ),
            "currency": pa.array([None if one else "EUR" for one in label]).dictionary_encode(),
            "label": [True if one else None for one in label],
            **{name: pa.array(values) for name, values in columns.items()},
        }
    )
    return LogBatch(
        "events", base, count, base * 1000, (base + count) * 1000, codec.encode(EventBatch(table))
    )


def decisions(base, count, features=("card.count_1h",), digest="f1", after_ms=7):
    """A decision on every event but the last of the batch; every fourth is declined by rule `fast`."""
    offsets = np.arange(base, base + count - 1)
    n = len(offsets)
    values = [
        offsets,
        [f"t{i}" for i in offsets],
        offsets * 1000,
        offsets * 1000 + after_ms,
        pa.DictionaryArray.from_arrays(pa.array(np.where(offsets % 4 == 0, 3, 0).astype(np.int8)), OUTCOMES),
        np.full(n, 10.0),
        pa.nulls(n, pa.float64()),
        pa.nulls(n, DECISION_FIELDS[7].type),
        [[] for _ in offsets],
        [[] for _ in offsets],
        [[] for _ in offsets],
        [False for _ in offsets],
        [["velocity"] if i % 4 == 0 else [] for i in offsets],
        [["fast"] if i % 4 == 0 else [] for i in offsets],
        [[] for _ in offsets],
        [["card_testing"] if i % 4 == 0 else [] for i in offsets],
        [[40.0] if i % 4 == 0 else [] for i in offsets],
        [[] for _ in offsets],
        np.full(n, 100),
        *(offsets * 1.5 + k for k in range(len(features))),
    ]
    fields = [*DECISION_FIELDS, *(pa.field(name, pa.float64()) for name in features)]
    versions = {"features": digest, "rules": "r1"}
    schema = pa.schema(
        fields,
        {
            **versions,
            "feature_names": json.dumps(features),
            "versions": json.dumps(versions),
            "challengers": "[]",
        },
    )
    arrays = [
        value if isinstance(value, pa.Array) else pa.array(value, field.type)
        for value, field in zip(values, fields, strict=True)
    ]
    batch = DecisionBatch(pa.RecordBatch.from_arrays(arrays, schema=schema))
    first = base // count * n  # after batches of the same length
    return LogBatch("decisions", first, n, base * 1000, (base + count) * 1000, batch.encode())


def fill(store, first=0, batches=10):
    for base in range(first * 10, (first + batches) * 10, 10):
        store.commit([events(base, 10), decisions(base, 10)])


def one(lake, text):
    return lake.sql(text).to_pylist()[0]


def news(day):
    return ModelNews("weakened", "m", "rules", day * 86_400_000, "auc", 0.2, 0.3, -0.2, -0.1, 900, 40)
