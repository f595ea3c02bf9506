"""A key as of some time: what an event that says nothing else would see, itself not counted."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.features.test_oracle_engine import SMALLEST_RING, thorough

from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.features.engine import Engine
from ringfence.features.spec import WINDOWED, FeatureSpec, entity
from ringfence.testing.oracle import differences, measure
from ringfence.testing.strategies import scenarios
from ringfence.testing.streams import log_of

DAY_MS = 86_400_000
NOW_MS = 1_700_000_000_000
DECODER = JsonDecoder(Tokenizer(bytes(32)))


def events(*records):
    found, bad = DECODER.decode_lines(
        [b'{"transaction_id":"%d","event_time":%d,"amount":%d,"card_id":"%s"}' % one for one in records],
        NOW_MS + 100 * DAY_MS,
        "test",
    )
    assert not bad
    return found


def test_windows_move_on_to_the_present_and_what_has_left_them_is_not_counted():
    """
    event    -26 h        -1 h     now
    1 d            (──────────────────]
    7 d   (───────────────────────────]
    """
    card = entity("card")
    spec = FeatureSpec.of(
        card.count("1d"), card.sum("amount", "7d"), card.max("amount", "1d"), card.seconds_since_last()
    )
    engine = Engine(spec)
    engine.measure(events((1, NOW_MS - 26 * 3_600_000, 70, b"c1"), (2, NOW_MS - 3_600_000, 5, b"c1")))
    before = {name: array.copy() for name, array in engine.arrays().items() if name != "counters"}
    told = engine.observe("card", "c1", NOW_MS)
    assert told == {
        "card.count_1d": 1.0,
        "card.sum_amount_7d": 75.0,
        "card.max_amount_1d": 5.0,
        "card.seconds_since_last": 3600.0,
    }
    assert engine.observe("card", "c1", NOW_MS + 8 * DAY_MS)["card.sum_amount_7d"] == 0.0
    assert engine.observe("card", "c1", NOW_MS) == told
    for name, array in before.items():
        np.testing.assert_array_equal(engine.arrays()[name], array)


def test_a_key_that_nobody_has_seen_and_an_entity_that_nobody_measures():
    engine = Engine(FeatureSpec.of(entity("card").count("1d"), entity("card").mean("amount", "1d")))
    told = engine.observe("card", "nobody", NOW_MS)
    assert told["card.count_1d"] == 0
    assert np.isnan(told["card.mean_amount_1d"])
    assert engine.observe("device", "d1", NOW_MS) == {}


def without_itself(feature):
    """The same of earlier events only; what is of the past anyway stays as it is."""
    return replace(feature, exclude_current=True) if feature.kind in WINDOWED else feature


@thorough
@given(st.data(), scenarios(longest=60))
def test_what_is_seen_of_a_key_is_what_the_oracle_says_of_an_event_without_content(data, scenario):
    spec, log = scenario
    engine = Engine(spec, ring=SMALLEST_RING)
    engine.measure(log)
    latest = engine.clock.now_ms or NOW_MS
    steps = [0, 1, 60_000, DAY_MS, *(f.window_ms for f in spec.features), -spec.allowed_lateness_ms]
    time_ms = latest + data.draw(st.sampled_from(steps), label="step")
    of = data.draw(st.sampled_from(spec.entities), label="entity")
    identity = data.draw(st.sampled_from(("c0", "c1", "m0", "u1", "nobody")), label="key")
    told = engine.observe(of.name, identity, time_ms)
    if len(of.keys) > 1:
        assert not told
        return
    probe = log_of([{"transaction_id": "probe", "event_time_ms": time_ms, of.keys[0]: identity}])
    past = tuple(dict.fromkeys(map(without_itself, spec.features_of(of.name))))
    known = FeatureSpec((of,), past, spec.allowed_lateness_ms, spec.horizon_ms, spec.zone, spec.decimals)
    expected = measure(EventBatch.concat([log, probe]), known)[:, -1:]
    for feature in spec.features_of(of.name):
        place = past.index(without_itself(feature))
        one = FeatureSpec((of,), (past[place],), zone=spec.zone)
        assert not differences(one, np.array([[told[feature.name]]]), expected[place : place + 1])
