"""Ways in which a label hides in a column, each refused or named, and strong columns that are innocent."""

import numpy as np
import pytest

from ringfence.learning.choosing.input_choice import choose_inputs
from ringfence.learning.data.dataset import Dataset
from ringfence.learning.data.history import NEVER
from ringfence.learning.data.splits import part

DAY_MS = 86_400_000
SIZE = 8000
_RNG = np.random.default_rng(11)
FRAUD = _RNG.random(SIZE) < 0.04
NOISE = _RNG.normal(size=SIZE)
NAN = np.full(SIZE, np.nan)


def words(*of_fraud, good=4):
    """Indicators of a text field: some words that only frauds have, and others."""
    drawn = _RNG.integers(0, len(of_fraud), SIZE)
    other = _RNG.integers(0, good, SIZE)
    made = {f"word={word}": (FRAUD & (drawn == n)).astype(float) for n, word in enumerate(of_fraud)}
    return made | {f"word=g{n}": (~FRAUD & (other == n)).astype(float) for n in range(good)}


LEAKS = {
    "a copy": {"a": FRAUD.astype(float)},
    "the contrary": {"a": 1.0 - FRAUD},
    "a code between others": {"a": np.where(FRAUD, 20.0, _RNG.choice([10.0, 30.0], SIZE))},
    "a band in a measure": {"a": np.where(FRAUD, _RNG.uniform(4, 5, SIZE), NOISE * 1.5)},
    "two bands": {"a": np.where(FRAUD, _RNG.choice([-7.0, 7.0], SIZE), NOISE)},
    "known for frauds alone": {"a": np.where(FRAUD, NOISE, np.nan)},
    "unknown for frauds alone": {"a": np.where(FRAUD, np.nan, NOISE)},
    "a date of the report": {"a": np.where(FRAUD, 1.7e9 + NOISE * 1e5, 0.0)},
    "several words": words("card stolen", "taken over", "phished"),
    "an amount paid back": {"a": np.where(FRAUD, np.abs(NOISE) * 50 + 1, 0.0)},
    "a copy with mistakes": {"a": (FRAUD ^ (_RNG.random(SIZE) < 0.0003)).astype(float)},
    "a score made afterwards": {"a": FRAUD * 4.3 + NOISE},
}
INNOCENT = {
    "a good score": {"a": FRAUD * 2.4 + NOISE},
    "a strong score": {"a": FRAUD * 3.0 + NOISE},
    "a rare sign that never errs": {"a": (FRAUD & (NOISE > 1.0)).astype(float)},
    "a sign of most frauds": {"a": (FRAUD & (NOISE < 1.0) | (_RNG.random(SIZE) < 0.02)).astype(float)},
    "a large amount": {"a": np.exp(NOISE + 2.0 * FRAUD)},
    "a middle that is risky": {"a": np.where(FRAUD, NOISE * 0.3, NOISE * 3)},
    "mostly missing for frauds": {"a": np.where(FRAUD & (_RNG.random(SIZE) < 0.9), np.nan, NOISE)},
    "a different value for each": {"a": np.arange(SIZE, dtype=float)},
    "a code with many values": {"a": _RNG.integers(0, 2000, SIZE).astype(float)},
    "a risky product": {"word=w": (FRAUD & (NOISE < 0.8) | (_RNG.random(SIZE) < 0.05)).astype(float)},
    "an hour": {"a": np.where(FRAUD, _RNG.integers(0, 5, SIZE), _RNG.integers(0, 24, SIZE)).astype(float)},
    "a rate known before": {"a": np.clip(0.04 + 0.5 * FRAUD * _RNG.random(SIZE) + 0.02 * NOISE, 0, 1)},
}


def chosen(columns, made_of=None):
    made = {"amount": np.exp(NOISE), **columns}
    times = 1_700_000_000_000 + np.arange(SIZE) * 60_000
    inputs = np.stack([one.astype(np.float32) for one in made.values()])
    nobody, never = np.zeros(SIZE, np.int64), np.full(SIZE, NEVER)
    data = Dataset(
        tuple(made), inputs, times, nobody, np.where(FRAUD, times + 1, NEVER), never, made_of=made_of or {}
    )
    found = choose_inputs(data, part(data, 0, int(times[-1]) + 1, int(times[-1]) + 2))
    return found, {name.partition("=")[0] for name in columns}


@pytest.mark.parametrize("columns", LEAKS.values(), ids=LEAKS)
def test_a_label_in_disguise_is_refused_or_named(columns):
    found, names = chosen(columns)
    said = [note for note in found.notes if "tells fraud from good" in note]
    assert said
    assert all(name in said[0] for name in names)


@pytest.mark.parametrize("columns", INNOCENT.values(), ids=INNOCENT)
def test_a_strong_column_that_is_innocent_is_kept_without_a_word(columns):
    found, _ = chosen(columns)
    assert set(columns) <= set(found.names)
    assert not [note for note in found.notes if "tells fraud" in note]


def test_the_label_itself_is_no_input():
    found, _ = chosen({"a": FRAUD.astype(float), "b": NOISE})
    assert found.names == ("amount", "b")


@pytest.mark.parametrize("told", ["wholly", "nearly"])
def test_what_is_made_of_the_label_in_disguise_goes_with_it(told):
    """A field that is CB exactly where there was fraud, and the rate of fraud among those who share it."""
    field, rate = "attributes.settle", "by_settle.label_rate_60d_delay_7d"
    value = FRAUD ^ (_RNG.random(SIZE) < (0.004 if told == "nearly" else 0.0)) & ~FRAUD
    settle = {f"{field}=CB": value.astype(float), f"{field}=OK": (~value).astype(float)}
    columns = settle | {rate: FRAUD * 4.0 + NOISE, "card.count_1h": NOISE + FRAUD}
    found, _ = chosen(columns, {rate: frozenset({field, "card_id"}), "card.count_1h": frozenset({"card_id"})})
    assert rate not in found.names
    assert "card.count_1h" in found.names
    assert (f"{field}=CB" in found.names) == (told == "nearly")
    assert any("made of a field that tells" in note and rate in note for note in found.notes)
    worthless = [note for note in found.notes if "these figures are worth nothing" in note]
    assert [field in note for note in worthless] == ([True] if told == "nearly" else [])
    assert not any(rate in note for note in worthless)  # it is left out


def test_what_sounds_like_known_afterwards_is_named():
    found, _ = chosen({"attributes.refund_amount": NOISE})
    assert any("attributes.refund_amount" in note and "after the payment" in note for note in found.notes)
