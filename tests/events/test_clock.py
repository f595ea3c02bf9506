"""The stream's clock follows the stream, and no single event far ahead of it."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.events.batch import EventBatch
from ringfence.events.clock import MOST_AHEAD_MS, STRIDE_MS, StreamClock

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NOON_MS = 1_746_100_800_000
times = st.lists(st.integers(-40, 400).map(lambda hours: NOON_MS + 6 * HOUR_MS * hours), max_size=30)


def payments(event_times, received=None):
    columns = {
        "kind": pa.array([0] * len(event_times), pa.uint8()),
        "event_time_ms": pa.array(event_times, pa.int64()),
    }
    if received is not None:
        columns["ingest_time_ms"] = pa.array(received, pa.int64())
    return EventBatch(pa.RecordBatch.from_pydict(columns))


def after(event_times, received=None):
    return StreamClock().advance(payments(event_times, received)).tolist()


@given(times=times, cuts=st.lists(st.integers(0, 30)))
def test_it_does_not_depend_on_how_the_stream_is_cut(times, cuts):
    clock, found = StreamClock(), []
    edges = sorted({0, len(times), *(cut for cut in cuts if cut < len(times))})
    for begin, end in pairwise(edges):
        clock = StreamClock.from_array(clock.to_array())  # as after a restart
        found += clock.advance(payments(times[begin:end])).tolist()
    assert found == after(times)


@given(
    steps=st.lists(st.integers(0, DAY_MS), min_size=2, max_size=30),
    at=st.integers(0, 29),
    ahead=st.integers(2, 900),
)
def test_one_event_dated_ahead_makes_no_other_late(steps, at, ahead):
    """In a stream whose steps are at most a day; the default allows a day of lateness."""
    straight = (NOON_MS + np.cumsum(steps)).tolist()
    at %= len(straight)
    found = after([*straight[:at], straight[at] + ahead * DAY_MS, *straight[at:]])
    if at == 0:
        found[0] = found[1]  # the first event is all there is, until the second comes
    others = [*found[:at], *found[at + 1 :]]
    assert all(time >= clock - DAY_MS for time, clock in zip(straight, others, strict=True))
    assert others == straight or at == 0


def test_after_a_quiet_week_the_second_event_moves_the_clock():
    week = NOON_MS + 7 * DAY_MS
    assert after([NOON_MS, NOON_MS, week, week + 5, week + 9]) == [
        NOON_MS,
        NOON_MS,
        NOON_MS,
        week + 5,
        week + 9,
    ]


@pytest.mark.parametrize("ahead_ms", [6 * HOUR_MS, 23 * HOUR_MS])
def test_a_sender_whose_clock_is_ahead_moves_the_clock_by_minutes(ahead_ms):
    """However many payments it sends: each counts as of its receipt."""
    received = [NOON_MS + 1000 * n for n in range(40)]
    dated = [time + ahead_ms * (n % 2) for n, time in enumerate(received)]
    assert max(after(dated, received)) <= received[-1] + MOST_AHEAD_MS
    assert max(after(dated)) == dated[-1]  # where nobody knows when they came


def test_the_stride_is_what_the_default_allows_to_be_late():
    assert STRIDE_MS == DAY_MS
