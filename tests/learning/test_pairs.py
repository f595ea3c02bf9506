"""Pairs of fields that name whoever pays are tried whatever they are called."""

import numpy as np
import pyarrow as pa
import pytest

from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.features.durations import DAY_MS
from ringfence.learning.choosing.earlier_rates import SeenPayments, gained, known_before, rated, share_known
from ringfence.learning.choosing.key_choice import proposed
from ringfence.learning.choosing.pair_choice import WORTH

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


@pytest.mark.parametrize("delay_ms", [DELAY_MS, 1, 0])
def test_what_is_known_of_a_value_is_counted_as_of_each_payment(delay_ms):
    rng = np.random.default_rng(3)
    time_ms = np.sort(rng.integers(0, 150, 400)) * DAY_MS  # with ties
    codes, fraud = rng.integers(-2, 3, 400), rng.random(400) < 0.2
    seen = SeenPayments(time_ms, fraud, {}, frozenset(), delay_ms)
    known = known_before(seen, codes)
    assert len(seen.judged) == 240
    assert seen.weight.sum() == 240
    for place, row in enumerate(seen.judged):
        before = (codes == codes[row]) & (time_ms <= time_ms[row] - delay_ms) & (time_ms < time_ms[row])
        lately = [before & (time_ms > time_ms[row] - delay_ms - days * DAY_MS) for days in (60, 14)]
        expected = [(rows.sum(), fraud[rows].sum()) for rows in (before, *lately)]
        assert [(count[place], told[place]) for count, told in (known.ever, *known.lately)] == expected


def test_values_that_say_nothing_are_not_worth_a_rate_by_luck():
    """Each has a dozen rates, and the best of them counts: of 60 values, several were worth 2 nats."""
    rng = np.random.default_rng(1)
    time_ms = np.sort(rng.integers(0, 100 * DAY_MS, 20_000))
    seen = SeenPayments(time_ms, rng.random(len(time_ms)) < 0.02, {}, frozenset(), DELAY_MS)
    prior = share_known(seen)
    kinds = rng.choice([3, 10, 50, 300, 2000], 60)
    codes = [rng.integers(1, most, len(time_ms)) for most in kinds]
    lucky = [gained(seen, rated(seen, known_before(seen, one), prior), prior) for one in codes]
    assert max(lucky) > 2
    assert max(lucky) < WORTH


def test_a_risk_that_lasts_for_weeks_only_is_worth_a_rate():
    """Each value is risky for 30 of 180 days; over all of the past, all values are alike."""
    rng = np.random.default_rng(4)
    time_ms = np.sort(rng.integers(0, 180 * DAY_MS, 30_000))
    codes = rng.integers(1, 30, len(time_ms))
    risky = (time_ms // (30 * DAY_MS)) % 6 == codes % 6
    seen = SeenPayments(time_ms, rng.random(len(time_ms)) < 0.02 + 0.2 * risky, {}, frozenset(), DELAY_MS)
    prior = share_known(seen)
    assert gained(seen, rated(seen, known_before(seen, codes), prior), prior) > 50
    noise = known_before(seen, rng.integers(1, 30, len(time_ms)))
    assert gained(seen, rated(seen, noise, prior), prior) < 2
