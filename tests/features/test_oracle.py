"""The oracle itself, against windows drawn by hand and against a second definition in plain Python."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings

from ringfence.events.clock import StreamClock
from ringfence.features.durations import DAY_MS
from ringfence.features.spec import NIGHT, FeatureSpec, Where, entity
from ringfence.testing.oracle import measure
from ringfence.testing.strategies import scenarios
from ringfence.testing.streams import log_of, seeded_stream

card, merchant = entity("card"), entity("merchant")
MINUTE = 60_000
NOON = int(datetime(2024, 3, 1, 12, tzinfo=UTC).timestamp()) * 1000
NULL = pytest.approx(math.nan, nan_ok=True)


def paid(minute: float, name: str = "", /, **fields):
    """A payment of 10.00 by one card, so many minutes after noon."""
    at = NOON + round(minute * MINUTE)
    payment = {
        "transaction_id": name or f"at {minute}",
        "card_id": "c",
        "amount_minor": 1000,
        "currency": "EUR",
    }
    return {**payment, "event_time_ms": at, **fields}


def labelled(name: str, fraud: bool, minute: float = 0):
    return {"kind": 1, "transaction_id": name, "label": fraud, "event_time_ms": NOON + round(minute * MINUTE)}


def values(feature, *rows, **options):
    """One feature over a few rows, as a list."""
    return measure(log_of(rows), FeatureSpec.of(feature, **options))[0].tolist()


def test_a_window_is_open_on_the_left_and_closed_on_the_right():
    """An event exactly one window old has left.

    minute   0         9   10
             |---------|----|
             (---- 10 minutes]      at 10: 0 is out, 9 and 10 are in
    """
    assert values(card.count("10m"), paid(0), paid(9), paid(10)) == [1, 2, 2]


def test_tied_events_see_those_before_them_in_the_log_only():
    """minute   5 5 5: one time, three positions."""
    assert values(card.count("10m"), paid(5, "a"), paid(5, "b"), paid(5, "c")) == [1, 2, 3]
    before = card.count("10m", exclude_current=True)
    assert values(before, paid(5, "a"), paid(5, "b"), paid(5, "c")) == [0, 1, 2]


def test_a_late_event_is_counted_in_the_windows_it_belongs_to():
    """Log order 0, 20, 5 (late), 12, 21.

    minute   0    5       12      20 21
             |----|-------|-------|--|
                  (--- 10 ---]            at 12 (late too): 5 and 12
                              (--- 10 --] at 21: 12, 20 and 21; 5 is out
    """
    assert values(card.count("10m"), paid(0), paid(20), paid(5), paid(12), paid(21)) == [1, 1, 2, 2, 3]


def test_a_delayed_window_ends_its_delay_before_now():
    """minute   0     10        20
    |-----|---------|
    (- 10 -](- 10 -]      at 20: from 0 (out) to 10 (in)
    """
    assert values(card.count("10m", delay="10m"), paid(0), paid(10), paid(20)) == [0, 1, 1]


def test_an_event_without_a_key_has_null_features_or_their_default():
    rows = [paid(0), paid(1, card_id=None), paid(2)]
    assert values(card.count("1h"), *rows) == [1, NULL, 2]
    assert values(card.mean("amount", "1h", default=-1), *rows) == [10, -1, 10]


def test_a_combination_needs_all_of_its_keys():
    pair = card * merchant
    rows = [
        paid(0, merchant_id="m"),
        paid(1, merchant_id=None),
        paid(2, merchant_id="m"),
        paid(3, merchant_id="n"),
    ]
    assert values(pair.count("1h"), *rows) == [1, NULL, 2, 1]


def test_moments_of_money_skip_null_amounts_and_know_currencies():
    """10.00 EUR, 40 JPY, nothing, 1.000 KWD."""
    rows = [
        paid(0),
        paid(1, amount_minor=40, currency="JPY"),
        paid(2, amount_minor=None),
        paid(3, amount_minor=1000, currency="KWD"),
    ]
    assert values(card.sum("amount", "1h"), *rows) == [10, 50, 50, 51]
    assert values(card.mean("amount", "1h"), *rows) == [10, 25, 25, 17]
    assert values(card.min("amount", "1h"), *rows) == [10, 10, 10, 1]
    assert values(card.max("amount", "1h"), *rows) == [10, 40, 40, 40]
    assert values(card.std("amount", "1h"), *rows) == [
        NULL,
        *(pytest.approx(s) for s in (450**0.5, 450**0.5, 417**0.5)),
    ]
    assert values(card.ratio("amount", "1h"), *rows) == [NULL, 4, NULL, 0.04]
    assert values(card.zscore("amount", "1h"), *rows)[3] == pytest.approx((1 - 25) / 450**0.5)


def test_attributes_are_rounded_half_to_even_and_absurd_ones_are_null():
    scores = [0.125, 0.135, 1e17, math.inf, None]
    rows = [paid(i, **{"attributes.score": score}) for i, score in enumerate(scores)]
    hundredths = {"attributes.score": 2}
    assert values(card.sum("attributes.score", "1h"), *rows, decimals=hundredths) == [
        0.12,
        0.26,
        0.26,
        0.26,
        0.26,
    ]


def test_a_share_is_of_the_events_that_meet_a_condition():
    online = Where("online", "channel", "in", ("web", "app"))
    rows = [paid(0, channel="web"), paid(1, channel="pos"), paid(2, channel=None), paid(3, channel="app")]
    assert values(card.share(online, "1h"), *rows) == [1, 1 / 2, 1 / 3, 2 / 4]
    assert values(card.share(online, "1h", exclude_current=True), *rows) == [NULL, 1, 1 / 2, 1 / 3]


def test_night_and_habit_are_told_by_the_clock_of_the_zone():
    """23:30 UTC is 00:30 in Berlin."""
    late_evening = paid(11.5 * 60)
    assert values(card.count("1d", where=NIGHT), late_evening) == [0]
    assert values(card.count("1d", where=NIGHT), late_evening, zone="Europe/Berlin") == [1]


def test_the_hour_before_midnight_is_next_to_the_hour_after():
    """Hours 22, 23, 0: to 0, only 23 is near."""
    rows = [paid(10 * 60), paid(11 * 60), paid(12 * 60)]
    assert values(card.hour_share("1d"), *rows) == [NULL, 1, 1 / 2]


def test_distinct_counts_and_new_values_skip_null():
    rows = [
        paid(0, device_id="a"),
        paid(1),
        paid(2, device_id="b"),
        paid(3, device_id="a"),
        paid(14, device_id="a"),
    ]
    assert values(card.distinct("device", "10m"), *rows) == [1, 1, 2, 2, 1]
    assert values(card.is_new("device"), *rows) == [1, NULL, 1, 0, 0]
    assert values(card.is_new("device"), *rows, horizon="5m") == [1, NULL, 1, 0, 1]


def test_distinct_counts_only_values_of_events_that_meet_the_condition():
    """A device of small payments alone is not among those of large ones, until it pays a large amount.

    minute   0 a small   1 a large   2 b small   3 b large      12 c small
                                                 (---- 10 minutes -------]   b alone is left
    """
    large = Where("large", "amount", ">=", 100)
    rows = [
        paid(0, device_id="a"),
        paid(1, device_id="a", amount_minor=10_000),
        paid(2, device_id="b"),
        paid(3, device_id="b", amount_minor=20_000),
        paid(12, device_id="c"),
    ]
    feature = card.distinct("device", "10m", where=large)
    assert feature.feature.name == "card.distinct_device_large_10m"
    assert values(feature, *rows) == [0, 1, 1, 2, 1]
    assert values(card.distinct("device", "10m", where=large, exclude_current=True), *rows) == [0, 0, 1, 1, 1]


def test_times_since_the_last_and_the_first_event():
    rows = [paid(0), paid(2), paid(1), paid(2, "again")]
    assert values(card.seconds_since_last(), *rows) == [NULL, 120, 60, 0]
    assert values(card.seconds_since_first(), *rows) == [0, 120, 60, 120]


def test_distance_and_speed_are_from_the_latest_earlier_place():
    """A quarter of the equator in an hour, across the antimeridian; a payment without a place in between."""
    rows = [
        paid(0, lat=0.0, lon=135.0),
        paid(30),
        paid(60, lat=0.0, lon=-135.0),
        paid(60, "tied", lat=0.0, lon=-135.0),
    ]
    quarter = math.pi / 2 * 6371.0088
    assert values(card.distance_km(), *rows) == [NULL, NULL, pytest.approx(quarter), 0]
    assert values(card.speed_kmh(), *rows) == [NULL, NULL, pytest.approx(quarter), 0]


def test_a_label_counts_from_its_place_in_the_log():
    rows = [paid(0, "a"), paid(1, "b"), labelled("a", True), paid(2, "c"), labelled("a", False), paid(3, "d")]
    assert values(card.label_count("1h"), *rows) == [0, 0, 1, 0]
    assert values(card.label_rate("1h"), *rows) == [0, 0, 1 / 3, 0]


def test_a_label_may_arrive_before_its_transaction():
    rows = [labelled("b", True), labelled("unknown", True), paid(0, "a"), paid(1, "b"), paid(2, "c")]
    assert values(card.label_count("1h"), *rows) == [0, 1, 1]


def test_a_delayed_label_rate_is_null_where_its_window_is_empty():
    """minute   0    5         15
            a    b         c
    (-- 10 --]-- delay 10 -|      at 15: a, a fraud, and b
    """
    rows = [paid(0, "a"), labelled("a", True), paid(5, "b"), paid(15, "c")]
    assert values(card.label_rate("10m", delay="10m"), *rows) == [NULL, NULL, 1 / 2]


def test_a_too_late_event_sees_no_state_older_than_the_retention():
    """Window 10 minutes, lateness 5, so 15 are kept.

    minute   0   4   5               20
             |---|---|---------------|
                     (----- 15 ------]      at 20, what is kept
             (---(4)]                       4 comes now: its window is empty but for itself
             (-------(6)]                   6 comes next: 5 is out, and 4 is not kept
    """
    rows = [paid(0), paid(5), paid(20), paid(4), paid(6)]
    assert values(card.count("10m"), *rows, allowed_lateness="5m") == [1, 2, 1, 1, 1]
    assert values(card.count("10m"), *rows, allowed_lateness="20m") == [1, 2, 1, 2, 4]


def test_a_transaction_id_that_comes_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        measure(log_of([paid(0, "a"), paid(1, "a")]), FeatureSpec.of(card.count("1h")))


def test_an_empty_log_has_no_values():
    assert measure(log_of([]), FeatureSpec.of(card.count("1h"))).shape == (1, 0)


def slowly(log, spec):
    """Counts, sums and label counts once more, in loops: (n_features, n_transactions)."""
    rows = [row | {"position": i} for i, row in enumerate(log.table.to_pylist())]
    payments = [row for row in rows if row["kind"] == 0]
    # A single payment far ahead of the others moves no clock (tests/events/test_clock.py).
    clock = StreamClock().advance_by(np.array([p["event_time_ms"] for p in payments], np.int64))
    out = []
    for feature in spec.features:
        keys = next(e.keys for e in spec.entities if e.name == feature.entity)
        column = []
        for p, now in zip(payments, clock.tolist(), strict=True):
            oldest = now - spec.retention_ms(feature.entity)
            column.append(
                _one(feature, p, keys, rows, oldest) if all(p.get(k) is not None for k in keys) else math.nan
            )
        out.append(column)
    return np.array(out, float)


def _one(feature, p, keys, rows, oldest):
    right = p["event_time_ms"] - feature.delay_ms
    total = 0
    for e in rows[: p["position"] + 1]:
        at = e["event_time_ms"]
        same = e["kind"] == 0 and all(e.get(k) == p[k] for k in keys)
        if same and right - feature.window_ms < at <= right and (at > oldest or e is p):
            verdicts = [
                r["label"]
                for r in rows[: p["position"]]
                if r["kind"] == 1 and r["transaction_id"] == e["transaction_id"]
            ]
            total += bool(verdicts and verdicts[-1]) if feature.kind == "label_count" else 1
    return total


def test_a_single_payment_far_ahead_forgets_nothing():
    spec = FeatureSpec.of((card * merchant).count("7d"), allowed_lateness="1h")
    same = {"card_id": "c", "merchant_id": "m"}
    rows = [{"transaction_id": str(n), "event_time_ms": 0} | same for n in range(6)]
    rows += [{"transaction_id": "ahead", "event_time_ms": 8 * DAY_MS, "card_id": "x", "merchant_id": "y"}]
    rows += [{"transaction_id": "late", "event_time_ms": DAY_MS} | same]
    log = log_of(rows)
    assert measure(log, spec)[0].tolist() == slowly(log, spec)[0].tolist() == [1, 2, 3, 4, 5, 6, 1, 7]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(scenarios(most_features=1, longest=25))
def test_counts_agree_with_a_definition_in_loops(scenario):
    """Another reading of the same sentence, in another language."""
    windows = [
        card.count("1h"),
        card.count("10m", delay="1m"),
        card.label_count("1d"),
        (card * merchant).count("7d"),
    ]
    spec = FeatureSpec.of(*windows, allowed_lateness="1h")
    np.testing.assert_array_equal(measure(scenario.log, spec), slowly(scenario.log, spec))


def test_a_seeded_stream_is_the_same_again_and_full_of_trouble():
    log = seeded_stream(7, 3000)
    assert log.table.equals(seeded_stream(7, 3000).table)
    time_ms = log.event_time_ms[log.is_transaction]
    behind = np.maximum.accumulate(time_ms) - time_ms
    assert (behind > 0).mean() > 0.02
    assert (behind > DAY_MS).any()
    assert (np.diff(np.sort(time_ms)) == 0).any()
    assert not log.is_transaction.all()
