"""Times of every form become the same milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.events.values.times import NO_TIME, format_ms, to_ms

MOMENT = 1_709_288_100_123  # 2024-03-01 10:15:00.123 UTC
YEAR_1900 = datetime(1900, 1, 1)  # noqa: DTZ001  # Hypothesis wants its bounds without a zone
YEAR_2200 = datetime(2200, 1, 1)  # noqa: DTZ001  # likewise
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(YEAR_1900, YEAR_2200, timezones=zones))
def test_iso_texts_are_read_as_python_reads_them(moment):
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    ms, bad = to_ms(pa.array([moment.isoformat()]), "iso", None)
    assert (ms[0], bad[0]) == (since // timedelta(milliseconds=1), False)


@pytest.mark.parametrize(
    ("text", "form", "zone"),
    [
        ("2024-03-01T10:15:00.123Z", "iso", None),
        ("2024-03-01 11:15:00,123+0100", "iso", None),
        ("2024-03-01 11:15:00.123 +0100", "iso", None),
        ("2024-03-01T11:15:00.123", "iso", "Europe/Zurich"),
        ("2024-03-01T05:15:00.1239-05", "iso", None),
        ("Mar 01, 2024, 10:15:00.123", "%b %d, %Y, %H:%M:%S.%f", "UTC"),
        ("1709288100.123", "epoch_s", None),
        ("1709288100123", "epoch_ms", None),
    ],
)
def test_one_moment_in_every_form(text, form, zone):
    ms, bad = to_ms(pa.array([text, None]), form, zone)
    assert ms.tolist() == [MOMENT, NO_TIME]
    assert not bad.any()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2023-02-29",
        "2024-13-01",
        "2024-01-01T24:01Z",
        "2024-01-01T10:60Z",
        "2024-1-1",
        "2024-01-01T10",
        "2024-01-01T10:00  Z",
        "2024-01-01 +0100",
    ],
)
def test_what_is_no_time_is_said_so(text):
    assert to_ms(pa.array([text]), "iso", "UTC")[1].tolist() == [True]


def test_a_time_without_zone_needs_one_from_the_mapping():
    assert to_ms(pa.array(["2024-03-01T10:15:00"]), "iso", None)[1].tolist() == [True]


def test_clock_changes_are_resolved():
    """Zurich: 02:30 is skipped in March and becomes the change, comes twice in October and is the first."""
    ms, _ = to_ms(pa.array(["2024-03-31 02:30", "2024-10-27 02:30"]), "iso", "Europe/Zurich")
    assert [format_ms(one) for one in ms] == ["2024-03-31T01:00:00.000Z", "2024-10-27T00:30:00.000Z"]


def test_arrow_times_keep_their_meaning():
    stamps = pa.array([MOMENT * 1000, None], pa.timestamp("us", "Europe/Zurich"))
    assert to_ms(stamps, "iso", "UTC")[0].tolist() == [MOMENT, NO_TIME]
    assert to_ms(pa.array([19783], pa.date32()), "iso", "UTC")[0].tolist() == [19783 * 86_400_000]
    assert to_ms(pa.array([MOMENT]), "iso", "UTC")[0].tolist() == [MOMENT]


def test_whole_days_and_hours_are_counted_from_1970():
    assert to_ms(pa.array([19783, -1]), "epoch_d", None)[0].tolist() == [19783 * 86_400_000, -86_400_000]
    assert to_ms(pa.array(["25.5"]), "epoch_h", None)[0].tolist() == [91_800_000]
    assert to_ms(pa.array([10**18]), "epoch_d", None)[0][0] > 10**15


def test_endless_numbers_are_no_times_and_huge_ones_stay_huge():
    ms, bad = to_ms(pa.array([float("nan"), float("inf"), 1e300]), "epoch_s", None)
    assert bad.tolist() == [True, True, False]
    assert ms[2] > 10**15
