"""Times of a zone, told by its name, by each row, or by the order of the rows."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InputError
from ringfence.events.values.moments import MomentReader
from ringfence.events.values.vocabulary import FieldSource
from ringfence.events.values.zones import ClockOrder, to_utc, zone_of

NOW = 1_785_000_000_000  # 2026-07-25


def read(texts, *, zones=None, names=None, size=None, reader=None, **options):
    source = FieldSource("when", **options)
    reader = reader or MomentReader(NOW, names or {})
    size = size or len(texts)
    out = []
    for at in range(0, len(texts), size):
        part = None if zones is None else pa.array(zones[at : at + size])
        found = reader.read("event_time", source, pa.array(texts[at : at + size]), part)
        out += [
            found.said.get(row, "bad")
            if bad
            else datetime.fromtimestamp(ms / 1000, UTC).strftime("%m-%d %H:%M")
            for row, (ms, bad) in enumerate(zip(found.ms.tolist(), found.bad, strict=True))
        ]
    return out


@pytest.mark.parametrize(
    ("zone", "names"),
    [
        ("Europe/Berlin", ("CET", "CEST")),
        ("America/New_York", ("EST", "EDT")),
        ("America/Los_Angeles", ("PST", "PDT")),
        ("America/Denver", ("MST", "MDT")),
        ("Australia/Sydney", ("AEST", "AEDT")),
        ("Pacific/Auckland", ("NZST", "NZDT")),
        ("Europe/Athens", ("EET", "EEST")),
        ("Europe/Moscow", ("MSK",)),
        ("Asia/Tokyo", ("JST",)),
    ],
)
def test_abbreviations_are_those_of_the_time_zone_database(zone, names):
    for month in (1, 7):
        moment = datetime(2025, month, 10, tzinfo=ZoneInfo(zone))
        assert moment.tzname() in names
        assert 60 * zone_of(moment.tzname()) == moment.utcoffset().total_seconds()


@pytest.mark.parametrize("word", ["CST", "IST", "BST"])
def test_a_name_of_several_zones_needs_the_mapping_to_say_which(word):
    with pytest.raises(InputError, match="zone_names"):
        zone_of(word)


def test_a_name_of_several_zones_is_clear_where_the_mapping_names_its_zone():
    assert zone_of("CST", "America/Chicago") == -360
    assert zone_of("CST", "Asia/Shanghai") == 480
    assert zone_of("IST", "Asia/Kolkata") == 330
    texts = ["2025-01-10 12:00 IST", "2025-01-10 12:00 XYZT", "2025-01-10 12:00 +0200"]
    found = read(texts, names={"IST": "+05:30"})
    assert found[0] == "01-10 06:30"
    assert "XYZT" in found[1]


def test_each_row_has_a_zone_of_its_own_and_one_without_has_the_mappings():
    zones = ["PDT", "Asia/Tokyo", "+02:00", None, "UTC"]
    assert read(["2025-07-01 12:00"] * 5, zones=zones, zone="Europe/Berlin", zone_column="z") == [
        "07-01 19:00",
        "07-01 03:00",
        "07-01 10:00",
        "07-01 10:00",
        "07-01 12:00",
    ]


HOURS = ["01:30", "02:10", "02:50", "02:05", "02:40", "03:10"]
TOLD = ["10-25 23:30", "10-26 00:10", "10-26 00:50", "10-26 01:05", "10-26 01:40", "10-26 02:10"]


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_the_order_of_rows_tells_the_repeated_hour(size):
    """
    02:10  02:50 | the clocks go back | 02:05  02:40
    """
    texts = [f"2025-10-26 {hour}" for hour in HOURS]
    options = {"zone": "Europe/Zurich", "repeated_hour": "order", "size": size}
    assert read(texts, **options) == TOLD
    assert read(texts[::-1], **options) == TOLD[::-1]


def test_without_a_word_on_it_a_repeated_hour_is_the_earlier_one():
    texts = ["2025-10-26 02:10"]
    assert read(texts, zone="Europe/Zurich") == ["10-26 00:10"]
    assert read(texts, zone="Europe/Zurich", repeated_hour="later") == ["10-26 01:10"]


@given(
    st.lists(st.integers(0, 48 * 3600), min_size=1, max_size=60, unique=True),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    st.booleans(),
)
def test_moments_in_order_come_back_from_their_local_times(seconds, zone, backwards):
    """Oracle: zoneinfo. Enough rows stand in both hours for the order to tell them apart."""
    start = {"Europe/Berlin": (2025, 10, 25), "America/New_York": (2025, 11, 1)}.get(zone, (2025, 4, 4))
    base = int(datetime(*start, tzinfo=UTC).timestamp())
    dense = sorted({*seconds, *range(0, 48 * 3600, 600)}, reverse=backwards)
    moments = [base + second for second in dense]
    local = [
        datetime.fromtimestamp(moment, ZoneInfo(zone)).replace(tzinfo=UTC).timestamp() for moment in moments
    ]
    told, moved = to_utc(np.array(local, np.int64) * 1000, zone, "order", ClockOrder())
    assert (told // 1000).tolist() == moments
    assert moved is None


@pytest.mark.parametrize(
    ("text", "now", "wanted"),
    [
        ("1231235959", "2026-01-01T00:10", "2025-12-31"),
        ("0101000000", "2026-01-01T00:10", "2026-01-01"),
        ("0102000000", "2026-01-01T12:00", "2026-01-02"),  # clocks differ by no more than a day
        ("0104000000", "2026-01-01T12:00", "2025-01-04"),
        ("0229120000", "2026-03-01T12:00", "2024-02-29"),
    ],
)
def test_a_time_without_a_year_is_the_last_one_before_it_was_received(text, now, wanted):
    received = int(datetime.fromisoformat(f"{now}+00:00").timestamp() * 1000)
    source = FieldSource("when", format="%m%d%H%M%S", year="received")
    found = MomentReader(received, {}).read("event_time", source, pa.array([text]))
    assert datetime.fromtimestamp(found.ms[0] / 1000, UTC).date().isoformat() == wanted
