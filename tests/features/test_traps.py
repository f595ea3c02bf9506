"""Mistakes that streaming engines are known to make, one test each, on the engine itself."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from ringfence.errors import SpecError
from ringfence.features.durations import DAY_MS
from ringfence.features.engine import Engine
from ringfence.features.spec import FeatureSpec, Where, entity
from ringfence.testing.oracle import differences, measure
from ringfence.testing.streams import log_of

card = entity("card")
MINUTE = 60_000
NOON = 1_709_294_400_000  # 2024-03-01 12:00 UTC


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


def labelled(name: str, fraud: bool):
    return {"kind": 1, "transaction_id": name, "label": fraud, "event_time_ms": NOON}


def values(feature, *rows, **options):
    """One feature over a few rows, as a list."""
    return Engine(FeatureSpec.of(feature, **options)).measure(log_of(rows))[0].tolist()


def test_a_condition_keeps_currencies_apart():
    """Without one, 5,000 yen are added to euros as they stand."""
    rows = [paid(0), paid(1, amount_minor=5000, currency="JPY"), paid(2)]
    assert values(card.sum("amount", "1d", where=Where("eur", "currency", "=", "EUR")), *rows) == [10, 10, 20]
    assert values(card.sum("amount", "1d"), *rows) == [10, 5010, 5020]


def test_a_distinct_count_with_a_condition_sees_no_occurrence_that_does_not_meet_it():
    """Device a pays a large amount, then a small one, and the large one leaves; a late one speaks for it.

    minute   0 large   5 small   8 large (late)   11     21
             (--- 10 ---------------------]       a: 5 is small, so 8 alone speaks for it
    """
    large = Where("large", "amount", ">=", 100)
    rows = [
        paid(0, device_id="a", amount_minor=10_000),
        paid(5, device_id="a"),
        paid(11, device_id="b"),
        paid(8, device_id="a", amount_minor=10_000),
        paid(12, device_id="b"),
        paid(21, device_id="b", amount_minor=10_000),
    ]
    features = [card.distinct("device", "10m", where=large), card.distinct("device", "10m")]
    spec = FeatureSpec.of(*features)
    log = log_of(rows)
    found = Engine(spec).measure(log)
    assert found[0].tolist() == [1, 1, 0, 1, 1, 1]
    assert not differences(spec, found, measure(log, spec))


def test_more_values_to_keep_apart_than_hashes_can_are_refused():
    many = [card.distinct(f"attributes.a{number}", "1d") for number in range(129)]
    assert len(Engine(FeatureSpec.of(*many[:128])).measure(log_of([paid(0)]))) == 128
    with pytest.raises(SpecError, match="129 combinations of entity, field and condition"):
        Engine(FeatureSpec.of(*many))


def test_an_absurd_payment_leaves_no_trace_when_its_window_has_passed():
    """9.99e12 enters and leaves an hour; sum, mean and deviation are those of the small payments again.

    minute   0 1 2 3 ...  30            ...              91 ...
             small ones   9.99e12  small ones   (-- 1h --]  small ones only
    """
    cents = [1001 + 37 * (i % 11) for i in range(150)]
    cents[30] = 999_000_000_000_000
    rows = [paid(i, amount_minor=amount) for i, amount in enumerate(cents)]
    spec = FeatureSpec.of(card.sum("amount", "1h"), card.mean("amount", "1h"), card.std("amount", "1h"))
    total, mean, std = Engine(spec).measure(log_of(rows))
    assert std[30] > 1e12
    for now in range(90, 150):
        window = [c / 100 for c in cents[now - 59 : now + 1]]
        assert total[now] == round(sum(window), 2)
        assert mean[now] == pytest.approx(statistics.mean(window), rel=1e-15)
        assert std[now] == pytest.approx(statistics.stdev(window), rel=1e-13)


def test_equal_amounts_have_a_deviation_of_zero_never_of_a_little_or_of_nan():
    rows = [paid(i, amount_minor=33) for i in range(50)]
    assert values(card.std("amount", "10m"), *rows)[1:] == [0.0] * 49


def test_a_zscore_among_large_close_amounts_keeps_its_digits():
    """Around 1e13 a cent is a double's last digit: the difference from the mean must be taken in integers."""
    cents = [0, 1, 3, 7]
    rows = [paid(i, amount_minor=999_000_000_000_000 + more) for i, more in enumerate(cents)]
    want = (7 - statistics.mean(cents[:3])) / statistics.stdev(cents[:3])
    assert values(card.zscore("amount", "1h"), *rows)[3] == pytest.approx(want, rel=1e-12)


def test_a_late_event_is_not_added_to_a_window_it_no_longer_belongs_to():
    """Log order 0, 20, 5.

    minute   0    5              20
             |----|--------------|
                        (-- 10 --]      5 comes after 20, but is in no window of 20 or later
    """
    assert values(card.count("10m"), paid(0), paid(20), paid(5), paid(21)) == [1, 1, 2, 2]
    assert values(card.max("amount", "10m"), paid(0), paid(20), paid(5, amount_minor=9900), paid(21)) == [
        10,
        10,
        99,
        10,
    ]


def test_a_late_event_is_counted_in_the_windows_it_still_belongs_to():
    """Log order 0, 20, 15, 24, 26: 15 is in (14, 24], and out of (16, 26]."""
    rows = [paid(0), paid(20), paid(15, amount_minor=9900), paid(24), paid(26)]
    assert values(card.count("10m"), *rows) == [1, 1, 1, 3, 3]
    assert values(card.max("amount", "10m"), *rows) == [10, 10, 99, 99, 10]


def test_a_late_event_exactly_one_window_old_is_in_no_later_window():
    """Log order 20, 10, 20 again: (10, 20] excludes 10, which came in between."""
    rows = [paid(20), paid(10, amount_minor=9900), paid(20, "again")]
    assert values(card.count("10m"), *rows) == [1, 1, 2]
    assert values(card.sum("amount", "10m"), *rows) == [10, 99, 20]
    assert values(card.max("amount", "10m"), *rows) == [10, 99, 10]
    assert values(card.count("10m", delay="10m"), *rows) == [0, 0, 1]


def test_a_late_event_does_not_see_the_future_that_came_before_it():
    """20 is in the log when 15 comes, but not in (5, 15]."""
    assert values(card.sum("amount", "10m"), paid(6), paid(20, amount_minor=50_00), paid(15)) == [10, 50, 20]
    assert values(card.seconds_since_last(), paid(6), paid(20), paid(15))[2] == 9 * 60


def test_tied_events_never_see_those_after_them():
    """Three payments in one millisecond: 1, 2, 3; and without the current one: 0, 1, 2."""
    tied = [paid(5, name) for name in "abc"]
    assert values(card.count("1m"), *tied) == [1, 2, 3]
    assert values(card.count("1m", exclude_current=True), *tied) == [0, 1, 2]
    assert values(card.seconds_since_last(), *tied)[1:] == [0, 0]


def test_the_left_edge_of_a_window_is_outside_to_the_millisecond():
    ms = 1 / MINUTE
    assert values(card.count("10m"), paid(0), paid(10 - ms)) == [1, 2]
    assert values(card.count("10m"), paid(0), paid(10)) == [1, 1]


def test_a_delayed_window_has_the_same_edges():
    """minute   0         10        20
    |---------|---------|
    (-- 10 ---]          |     at 20, 10 minutes delayed: 0 is out, 10 is in
    """
    ms = 1 / MINUTE
    assert values(card.count("10m", delay="10m"), paid(0), paid(10), paid(20))[2] == 1
    assert values(card.count("10m", delay="10m"), paid(0), paid(10), paid(20 - ms))[2] == 1
    assert values(card.count("10m", delay="10m"), paid(0), paid(9), paid(20 - ms))[2] == 2


def test_a_late_event_on_the_edges_of_a_delayed_window_is_in_at_the_right_and_out_at_the_left():
    """At 30, window and delay of 10: (10, 20]. 20 and 10 come late, after 30."""
    delayed = card.count("10m", delay="10m")
    assert values(delayed, paid(30), paid(20), paid(30, "again")) == [0, 0, 1]
    assert values(delayed, paid(30), paid(10), paid(30, "again")) == [0, 0, 0]
    frauds, fraud = card.label_count("10m", delay="10m"), labelled("late", True)
    assert values(frauds, fraud, paid(30), paid(20, "late"), paid(30, "again")) == [0, 0, 1]
    assert values(frauds, fraud, paid(30), paid(10, "late"), paid(30, "again")) == [0, 0, 0]


def test_a_label_that_arrives_before_its_transaction_counts_from_the_transaction_on():
    rows = [labelled("b", True), paid(0, "a"), paid(1, "b"), paid(2, "c")]
    assert values(card.label_count("1h"), *rows) == [0, 1, 1]


def test_the_latest_label_of_a_transaction_decides():
    rows = [paid(0, "a"), labelled("a", True), labelled("a", True), paid(1), labelled("a", False), paid(2)]
    assert values(card.label_count("1h"), *rows) == [0, 1, 0]


def test_a_label_of_a_transaction_that_is_unknown_changes_nothing():
    assert values(card.label_rate("1h"), paid(0), labelled("who", True), paid(1)) == [0, 0]


def test_a_label_of_an_event_inside_a_delayed_window_counts_at_once():
    """The label comes late, when its payment is already seven days old."""
    rows = [paid(0, "a"), paid(8 * 1440, "b"), labelled("a", True), paid(8 * 1440 + 1, "c")]
    rate = card.label_rate("7d", delay="7d", default=0)
    assert values(rate, *rows) == [0, 0, 1]


def test_a_forgotten_key_starts_again_as_if_it_were_new():
    """Half a million minutes later nothing of the first visit is left."""
    quiet = 400 * DAY_MS / MINUTE
    others = [paid(i * 1440, f"other {i}", card_id=f"x{i}") for i in range(1, 400)]
    rows = [paid(0, device_id="d"), *others, paid(quiet, device_id="d")]
    assert values(card.is_new("device"), *rows)[-1] == 1
    assert values(card.seconds_since_first(), *rows)[-1] == 0
    assert math.isnan(values(card.seconds_since_last(), *rows)[-1])


def test_a_previous_place_is_the_latest_in_time_not_in_the_log():
    """Berlin at 0, Paris at 60, Rome late for minute 30: from Berlin; the next one is from Paris."""
    rows = [
        paid(0, lat=52.52, lon=13.405),
        paid(60, lat=48.8566, lon=2.3522),
        paid(30, lat=41.9, lon=12.5),
        paid(61, lat=48.8566, lon=2.3522),
    ]
    km = values(card.distance_km(), *rows)
    assert km[1] == pytest.approx(877.46, abs=0.01)
    assert km[2] == pytest.approx(1182.6, abs=0.5)
    assert km[3] == 0


def test_of_tied_places_the_later_in_the_log_is_the_previous_one():
    rows = [paid(0, "a", lat=0.0, lon=0.0), paid(0, "b", lat=0.0, lon=90.0), paid(1, lat=0.0, lon=90.0)]
    assert values(card.distance_km(), *rows)[2] == 0


def test_looking_back_ends_at_the_horizon_to_the_millisecond():
    ms = 1 / MINUTE
    first = paid(0, device_id="d", lat=0.0, lon=0.0)
    for feature, inside, outside in (
        (card.is_new("device"), 0, 1),
        (card.distance_km(default=-1), 0, -1),
        (card.seconds_since_last(default=-1), 3599.999, -1),
        (card.seconds_since_first(), 3599.999, 0),
    ):
        assert values(feature, first, {**first, **paid(60 - ms)}, horizon="1h")[1] == inside
        assert values(feature, first, {**first, **paid(60)}, horizon="1h")[1] == outside


def test_a_hot_key_gives_what_the_definition_gives():
    """Four thousand payments by one card, every 40th an hour late, in windows from a minute to a week."""
    rng = np.random.default_rng(5)
    minutes = np.cumsum(rng.exponential(0.5, 4000)) - np.where(rng.random(4000) < 0.025, 60, 0)
    rows = [
        paid(minute, f"t{i}", amount_minor=int(a))
        for i, (minute, a) in enumerate(zip(minutes, rng.integers(1, 10**6, 4000), strict=True))
    ]
    small = Where("small", "amount", "<", 500)
    made = [
        f
        for w in ("1m", "1h", "7d")
        for f in (card.count(w), card.std("amount", w), card.min("amount", w), card.share(small, w))
    ]
    spec = FeatureSpec.of(*made)
    log = log_of(rows)
    assert not differences(spec, Engine(spec).measure(log), measure(log, spec))
