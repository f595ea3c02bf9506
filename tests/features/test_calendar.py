"""Windows that begin with the day, week or month, where the clock stands that they go by."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest

from ringfence.errors import SpecError
from ringfence.features.calendar import LONGEST_MS, Calendar, begun, next_start
from ringfence.features.catalog import CATALOG
from ringfence.features.engine import Engine
from ringfence.features.spec import FeatureSpec, Where, entity
from ringfence.testing.oracle import differences, measure
from ringfence.testing.streams import log_of

card = entity("card")
HOUR_MS = 3_600_000
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def ms(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1000


def paid(name: str, at: str, zone: str = "UTC", **fields):
    payment = {"transaction_id": name, "card_id": "c", "amount_minor": 1000, "currency": "EUR"}
    return {**payment, "event_time_ms": ms(at, zone), **fields}


def values(feature, *rows, **options):
    """What the engine says of one feature, which is what the oracle says."""
    spec = FeatureSpec.of(feature, **options)
    log = log_of(rows)
    found = Engine(spec, ring=8).measure(log)
    assert not differences(spec, found, measure(log, spec))
    return found[0].tolist()


def test_today_begins_at_midnight_to_the_millisecond():
    """The last millisecond of yesterday is out, midnight itself is in."""
    last = paid("a", "2024-05-01T23:59:59")
    last["event_time_ms"] += 999
    rows = [last, paid("b", "2024-05-02T00:00:00"), paid("c", "2024-05-02T12:00:00")]
    assert values(card.count("today"), *rows) == [1, 1, 2]
    assert values(card.count("today", exclude_current=True), *rows) == [0, 0, 1]


def test_a_zone_says_when_midnight_is():
    """23:30 in Berlin is the day before in UTC as well; 00:30 is not."""
    rows = [paid("a", "2024-05-01T23:30:00", BERLIN), paid("b", "2024-05-02T00:30:00", BERLIN)]
    assert values(card.count("today"), *rows) == [1, 2]
    assert values(card.count("today"), *rows, zone=BERLIN) == [1, 1]
    assert values(card.count(Calendar("day", BERLIN)), *rows, zone=NEW_YORK) == [1, 1]


def test_weeks_begin_on_monday_and_months_on_the_first():
    rows = [paid(f"t{day}", f"2024-05-{day:02}T12:00:00") for day in (1, 5, 6, 12, 31)]
    rows.append(paid("june", "2024-06-01T00:00:00"))
    assert values(card.count("this_week"), *rows) == [1, 2, 1, 2, 1, 2]
    assert values(card.sum("amount", "this month"), *rows) == [10, 20, 30, 40, 50, 10]
    assert card.count("this month").feature.name == "card.count_this_month"


def test_days_have_23_or_25_hours_where_the_clocks_change():
    """Berlin, 27 October 2024: an event every half hour from midnight on, fifty of one day."""
    start = ms("2024-10-27T00:00:00", BERLIN)
    rows = [paid(f"t{n}", "2024-10-27T00:00:00", event_time_ms=start + n * HOUR_MS // 2) for n in range(51)]
    assert values(card.count(Calendar("day", BERLIN)), *rows) == [*range(1, 51), 1]
    start = ms("2024-03-31T00:00:00", BERLIN)
    rows = [paid(f"t{n}", "2024-03-31T00:00:00", event_time_ms=start + n * HOUR_MS // 2) for n in range(47)]
    assert values(card.count(Calendar("day", BERLIN)), *rows) == [*range(1, 47), 1]


def test_an_event_that_names_its_own_zone_is_measured_by_it():
    """One card in Berlin, New York and Berlin again: each sees the day where it is.

    UTC     20:00 B    22:30 B         23:00 N          (1 May)
            today      today (2 May)   today since 04:00 UTC: all three
    """
    of_payment = Calendar("day", "UTC", "attributes.time_zone")
    rows = [
        paid("a", "2024-05-01T20:00:00", **{"attributes.time_zone": BERLIN}),
        paid("b", "2024-05-01T22:30:00", **{"attributes.time_zone": BERLIN}),
        paid("c", "2024-05-01T23:00:00", **{"attributes.time_zone": NEW_YORK}),
        paid("d", "2024-05-01T23:10:00", **{"attributes.time_zone": BERLIN}),
        paid("e", "2024-05-01T23:20:00", **{"attributes.time_zone": "no zone"}),
    ]
    assert values(card.count(of_payment), *rows) == [1, 1, 3, 3, 5]
    devices = [row | {"device_id": name} for row, name in zip(rows, "xxyxz", strict=True)]
    assert values(card.distinct("device", of_payment), *devices) == [1, 1, 2, 2, 3]
    assert values(card.max("amount", of_payment), *rows) == [10] * 5


def test_a_late_event_counts_in_its_own_day_and_in_no_other():
    rows = [
        paid("a", "2024-05-01T10:00:00"),
        paid("b", "2024-05-02T09:00:00"),
        paid("late", "2024-05-01T23:00:00"),
        paid("c", "2024-05-02T10:00:00"),
        paid("late again", "2024-05-02T00:00:00"),
        paid("d", "2024-05-02T11:00:00"),
    ]
    assert values(card.count("today"), *rows) == [1, 1, 2, 2, 1, 4]


def test_a_short_window_beside_a_day_that_has_just_begun_keeps_its_events():
    """Forgetting walks through the windows by their length, and a day has none of its own."""
    features = [card.count("today"), card.count("2h"), card.count("1m"), card.sum("amount", "this_month")]
    spec = FeatureSpec.of(*features, allowed_lateness="0s")
    times = ["2024-05-01T23:00:00", "2024-05-02T00:10:00", "2024-06-30T23:58:00", "2024-06-30T23:59:00"]
    times += ["2024-08-20T00:00:30", "2024-08-20T00:01:00", "2024-08-20T00:02:00"]  # the clock follows two
    log = log_of([paid(at, at) for at in times])
    engine = Engine(spec, ring=8)
    found = [engine.measure(log.slice(row, row + 1)) for row in range(len(log))]
    assert not differences(spec, np.concatenate(found, axis=1), measure(log, spec))
    assert engine.size["events"] < len(log)


@pytest.mark.parametrize(
    ("zone", "at", "began"),
    [
        ("America/Sao_Paulo", "2018-11-04T12:00:00", "2018-11-04T03:00:00+00:00"),  # no midnight: 01:00
        ("America/Havana", "2024-11-03T12:00:00", "2024-11-03T04:00:00+00:00"),  # two midnights: the first
        ("Pacific/Apia", "2011-12-31T12:00:00", "2011-12-30T10:00:00+00:00"),  # the 30th was left out
        ("America/St_Johns", "2010-11-07T12:00:00", "2010-11-07T02:30:00+00:00"),  # back at 00:01
        ("Asia/Kathmandu", "2100-01-01T00:00:00", "2099-12-31T18:15:00+00:00"),
    ],
)
def test_a_day_begins_with_the_first_instant_of_its_date(zone, at, began):
    start = int(begun(np.array([ms(at, zone)]), "day", zone)[0])
    assert datetime.fromtimestamp(start / 1000, UTC).isoformat() == began


def test_no_period_of_any_zone_is_longer_than_the_engine_remembers():
    """A day is as much longer than 24 hours as clocks are put back. Nothing is dated before 2000."""
    days = [datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=5 * n) for n in range(28 * 73)]
    for zone in map(ZoneInfo, sorted(available_timezones())):
        offsets = [day.astimezone(zone).utcoffset() for day in days]
        put_back = max(before - after for before, after in pairwise(offsets))
        assert put_back <= timedelta(milliseconds=LONGEST_MS["day"] - 24 * HOUR_MS), zone


def test_the_next_day_begins_where_this_one_ends():
    at = ms("2024-10-27T00:00:00", BERLIN)
    starts = [at]
    while len(starts) < 4:
        starts.append(next_start(starts[-1], "day", BERLIN))
    assert [(b - a) // HOUR_MS for a, b in pairwise(starts)] == [25, 24, 24]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: card.count("today", delay="1d"), "takes no delay"),
        (lambda: card.count("yesterday"), "or for a window today, this_week or this_month"),
        (lambda: Calendar("year"), "no calendar window 'year'"),
        (lambda: Calendar("day", "Berlin"), "is no time zone"),
        (lambda: Calendar("day", "UTC", "time_zone"), "give attributes.<name>"),
        (lambda: card.label_rate("this_month", delay="7d"), "takes no delay"),
    ],
)
def test_what_cannot_be_measured_is_refused_when_it_is_declared(make, said):
    with pytest.raises(SpecError, match=said):
        make()


def test_specifications_of_before_keep_their_digest_and_new_ones_come_back():
    assert "calendar" not in CATALOG.to_json()
    assert CATALOG.digest == "c2502415ec868a3c"
    where = Where("large", "amount", ">=", 50)
    spec = FeatureSpec.of(
        card.count(Calendar("month", BERLIN, "attributes.zone"), where=where), card.count("1h")
    )
    assert FeatureSpec.from_json(spec.to_json()) == spec
    assert [("calendar" in one) for one in json.loads(spec.to_json())["features"]] == [True, False]
