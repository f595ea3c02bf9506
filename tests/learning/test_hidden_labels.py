"""A label that a file hides in its rows rather than in one column, measured as a training measures it.

Each is named, or no input holds it: what nothing can learn from needs no word.
"""

import numpy as np
import pyarrow as pa
import pytest

from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.features.durations import DAY_MS
from ringfence.learning.appraise import appraise
from ringfence.learning.choosing.input_choice import choose_inputs
from ringfence.learning.choosing.key_choice import proposed
from ringfence.learning.choosing.wide_features import wide_spec
from ringfence.learning.data.dataset import dataset
from ringfence.learning.data.history import Passed, collect
from ringfence.learning.data.splits import train_and_test
from ringfence.learning.evaluate import compared, figures
from ringfence.learning.train import Plan, train

SIZE, DELAY_MS = 12_000, 5 * DAY_MS
_RNG = np.random.default_rng(8)
FRAUD = _RNG.random(SIZE) < 0.05
ROW = np.arange(SIZE)


def text(stem, numbers):
    return np.char.add(stem, numbers.astype(str))


def cents(of_fraud, of_good):
    return np.where(FRAUD, of_fraud, of_good)


def whole(scale=100):
    return _RNG.integers(1, 90, SIZE) * scale


NAMED = {
    "amounts of fraud are whole": ({"amount_minor": cents(whole(), whole() + _RNG.integers(1, 100, SIZE))}),
    "amounts of fraud end alike": (
        {"amount_minor": cents(whole() + 37, whole() + _RNG.integers(38, 100, SIZE))}
    ),
    "frauds come last in the file": {"x": np.argsort(np.argsort(FRAUD * SIZE + ROW)).astype(float)},
    "hashed": {"x": np.where(FRAUD, "9f2c51", "77ab04")},
    "hashed with one of three salts": {"x": text("h", 3 * FRAUD + _RNG.integers(0, 3, SIZE))},
    "the day of the report": {"x": np.where(FRAUD, 20_000.0 + ROW // 400 + 5, 0.0)},
    "one flag of a pair": {"x": (~FRAUD).astype(float), "y": FRAUD.astype(float)},
}
HELD_BY_NO_INPUT = {
    "in the name of a file": np.char.add(np.where(FRAUD, "fraud/scan", "good/scan"), ROW.astype(str)),
    "in how long a text is": np.char.add(np.where(FRAUD, "a note that is long ", "note "), ROW.astype(str)),
    "in the digits after the point": whole(1) + np.where(FRAUD, 0.02, 0.01),
    "in the last digit of a number": 10.0 * _RNG.permutation(SIZE) + FRAUD,
    "in a text of when it was reported": np.where(FRAUD, text("2024-05-01T10:", ROW), ""),
    "of the row before": np.roll(FRAUD, 1).astype(float),
}


@pytest.fixture(scope="module")
def spread():
    """When each payment is made, and by which of 300 cards."""
    return np.sort(_RNG.integers(0, 60 * DAY_MS, SIZE)) + 1_700_000_000_000, _RNG.integers(0, 300, SIZE)


def learned(spread, columns):
    """The data set of a wide training over these payments, and its part to learn from."""
    time_ms, card = spread
    fraud = np.flatnonzero(FRAUD)
    times = np.concatenate([time_ms, time_ms[fraud] + DELAY_MS])
    order = np.argsort(times, kind="stable")
    row, label = np.concatenate([ROW, fraud])[order], (np.arange(len(times)) >= SIZE)[order]

    def of(values):
        found = pa.array(values[row], mask=label)
        return found if pa.types.is_floating(found.type) else _without_empty(found)

    made = {"amount_minor": whole() + _RNG.integers(0, 100, SIZE), **columns}
    table = {
        "kind": np.where(label, Kind.LABEL, Kind.TRANSACTION).astype(np.uint8),
        "event_time_ms": times[order],
        "transaction_id": text("t", row),
        "card_id": of(text("c", card)),
        "amount_minor": pa.array(made.pop("amount_minor")[row], mask=label),
        **{f"attributes.{name}": of(values) for name, values in made.items()},
        "label": pa.array(label, mask=~label),
    }
    events = EventBatch(pa.RecordBatch.from_pydict(table))
    fields = {"card_id", "amount_minor", *(name for name in table if name.startswith("attributes."))}
    spec = wide_spec(fields, DELAY_MS, keys=proposed([events], DELAY_MS))
    data = dataset(collect([Passed(events)], spec))
    return data, train_and_test(data, None, data.maturity_ms)[0]


def _without_empty(texts):
    return pa.array([one or None for one in texts.to_pylist()], texts.type)


@pytest.mark.parametrize("columns", NAMED.values(), ids=NAMED)
def test_a_label_that_an_input_holds_is_named(spread, columns):
    data, part = learned(spread, columns)
    said = [note for note in choose_inputs(data, part).notes if "tells fraud from good" in note]
    names = {"amount_minor": "cents"}
    assert said
    assert all(names.get(name, name) in "\n".join(said) for name in columns)


def test_a_hash_with_many_salts_is_named_once_its_label_rate_has_told_the_label(spread):
    data, _ = learned(spread, {"x": text("h", 40 * FRAUD + _RNG.integers(0, 40, SIZE))})
    trained = train(data, Plan(quick=True))
    contestants = compared(data, trained)
    found = figures(data, trained.test, contestants, trained.plan.costs, rounds=5)
    said = [one for one in appraise(data, trained, contestants, found).warnings if "leak" in one]
    assert said
    assert "by_x." in said[0]


@pytest.mark.parametrize("column", HELD_BY_NO_INPUT.values(), ids=HELD_BY_NO_INPUT)
def test_a_label_that_no_input_holds_is_not_learned(spread, column):
    data, _ = learned(spread, {"x": column})
    trained = train(data, Plan(quick=True))
    frauds, good = (trained.probability[trained.test.fraud == kind] for kind in (True, False))
    assert abs(np.mean(frauds[:, None] > good) + np.mean(frauds[:, None] == good) / 2 - 0.5) < 0.15
