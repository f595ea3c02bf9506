"""The engine against the oracle: every value of every kind of feature, however the log is batched."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringfence.features import memory, moving, state
from ringfence.features.engine import Engine
from ringfence.features.spec import NIGHT, FeatureSpec, Where, entity
from ringfence.testing.oracle import differences, measure
from ringfence.testing.strategies import scenarios
from ringfence.testing.streams import seeded_stream, split

# The same examples in every run of the suite; ORACLE_EXAMPLES=2000 goes hunting for new ones.
EXAMPLES = int(os.environ.get("ORACLE_EXAMPLES", "40"))
thorough = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
SMALLEST_RING = 8  # so that a log of a hundred events makes everything grow
euros = Where("euros", "currency", "=", "EUR")
large = Where("large", "amount", ">=", 50)


def engine_values(log, spec, cuts=(), restore=frozenset(), seed=0):
    """What the engine says of the log in batches; before those in `restore` it goes through a snapshot."""
    engine = Engine(spec, seed, ring=SMALLEST_RING)
    found = []
    for number, batch in enumerate(split(log, cuts)):
        if number in restore:
            saved = {name: array.copy() for name, array in engine.arrays().items()}
            engine = Engine.from_arrays(spec, seed, saved)
        found.append(engine.measure(batch))
    return np.concatenate(found, axis=1)


def cuts_of(log):
    return st.lists(st.integers(0, len(log)), max_size=6)


@thorough
@given(st.data(), scenarios())
def test_every_value_of_every_feature_is_the_oracles(data, scenario):
    spec, log = scenario
    cuts = data.draw(cuts_of(log), label="cuts")
    assert not differences(spec, engine_values(log, spec, cuts), measure(log, spec))


@settings(thorough, max_examples=max(5, EXAMPLES // 3))
@given(st.data(), scenarios())
def test_a_snapshot_and_restore_changes_no_bit(data, scenario):
    spec, log = scenario
    cuts = data.draw(cuts_of(log), label="cuts")
    restored = data.draw(st.sets(st.integers(1, 6), min_size=1, max_size=3), label="restored before")
    whole = engine_values(log, spec, cuts)
    np.testing.assert_array_equal(engine_values(log, spec, cuts, restored), whole)


@settings(thorough, max_examples=max(5, EXAMPLES // 3))
@given(scenarios(longest=40))
def test_one_event_at_a_time_gives_the_same_bits_as_one_batch(scenario):
    spec, log = scenario
    one_by_one = engine_values(log, spec, range(1, len(log)))
    np.testing.assert_array_equal(one_by_one, engine_values(log, spec))


def everything(of, window, delay):
    """One feature of each kind."""
    return [
        of.count(window),
        of.count(window, where=large),
        of.count(window, where=NIGHT, exclude_current=True),
        of.count(window, delay=delay),
        of.sum("amount", window),
        of.sum("amount", window, delay=delay),
        of.mean("attributes.score", window, delay=delay),
        of.std("amount", window, delay=delay),
        of.count(window, where=large, delay=delay),
        of.share(euros, window, delay=delay),
        of.mean("amount", window, where=large, delay=delay),
        of.sum("attributes.score", window, where=euros),
        of.mean("amount", window, exclude_current=True),
        of.std("attributes.score", window),
        of.std("amount", window, where=large),
        of.min("amount", window),
        of.max("attributes.score", window, exclude_current=True),
        of.distinct("device", window),
        of.distinct("attributes.segment", window, exclude_current=True),
        of.distinct("device", window, where=large),
        of.distinct("device", window, where=euros, exclude_current=True),
        of.ratio("amount", window),
        of.ratio("amount", window, delay=delay),
        of.zscore("amount", window, delay=delay),
        of.zscore("amount", window),
        of.share(euros, window),
        of.label_count(window),
        of.label_rate(window, delay=delay),
        of.hour_share(window),
    ]


card, merchant = entity("card"), entity("merchant")
EVERYTHING = (
    *everything(card, "1h", "10m"),
    *everything(card, "3d", "1d"),
    *everything(merchant, "12h", "6h"),
    *everything(card * merchant, "7d", "2d"),
    card.seconds_since_last(),
    card.seconds_since_first(),
    card.is_new("device"),
    card.is_new("country"),
    card.previous("amount"),
    card.is_same("device", back=2),
    card.distance_km(),
    card.speed_kmh(),
    merchant.seconds_since_last(),
    merchant.is_new("card"),
)


@pytest.mark.parametrize(("seed", "size", "lateness"), [(1, 20_000, "1d"), (2, 8_000, "1h")])
def test_a_long_disorderly_stream_is_measured_exactly(seed, size, lateness):
    """Keys with thousands of events, 5 % late; with an hour allowed, most of those are too late."""
    log = seeded_stream(seed, min(size, 200 * EXAMPLES))
    spec = FeatureSpec.of(*EVERYTHING, allowed_lateness=lateness, horizon="5d", zone="Europe/Berlin")
    cuts = np.random.default_rng(seed).integers(0, len(log), 30).tolist()
    assert not differences(spec, engine_values(log, spec, cuts, {3, 17}, seed=99), measure(log, spec))


class FromTheBeginning(np.ndarray):
    """An array that refuses to count from its end."""

    def _checked(self, index):
        for part in index if isinstance(index, tuple) else (index,):
            assert not isinstance(part, (int, np.integer)) or part >= 0, index
        return index

    def __getitem__(self, index):
        return super().__getitem__(self._checked(index))

    def __setitem__(self, index, value):
        super().__setitem__(self._checked(index), value)


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") != "1", reason="compiled code has no such arrays")
def test_no_kernel_counts_from_the_end_of_an_array(monkeypatch):
    """Compiled, an index of -1 is the word before the array."""
    plain = memory.zeros

    def checked(shape, dtype, **how):
        return plain(shape, dtype, **how).view(FromTheBeginning)

    for module in (state, moving, memory):
        monkeypatch.setattr(module, "zeros", checked)
    log = seeded_stream(3, 1_500, cards=40)
    spec = FeatureSpec.of(*EVERYTHING, allowed_lateness="1d", horizon="5d")
    assert not differences(spec, engine_values(log, spec, (400, 401, 900), {2}), measure(log, spec))


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="this is the run without the compiler")
def test_the_engine_gives_the_same_values_in_plain_python():
    """This file once more without the compiler, on fewer and smaller examples."""
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1", "ORACLE_EXAMPLES": "8"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", __file__]
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout[-3000:]
