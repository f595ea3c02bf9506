"""Labels enter the stream when it reaches the time at which they became known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.events.schedule import Schedule

times = st.integers(0, 12)


def batch(kind: Kind, rows: list[tuple[int, str]]) -> EventBatch:
    """Events of one kind from (time, id)."""
    return EventBatch(
        pa.RecordBatch.from_pydict(
            {
                "kind": pa.array([int(kind)] * len(rows), pa.uint8()),
                "event_id" if kind is Kind.LABEL else "transaction_id": pa.array(
                    [row[1] for row in rows], pa.string()
                ),
                "event_time_ms": pa.array([row[0] for row in rows], pa.int64()),
            }
        )
    )


def story(released: EventBatch) -> list[str]:
    """Ids in order, whatever the kind."""
    ids = zip(
        released.column("event_id").to_pylist(), released.column("transaction_id").to_pylist(), strict=True
    )
    return [label or transaction for label, transaction in ids]


def naive(transactions: list[tuple[int, str]], labels: list[tuple[int, str]]) -> list[str]:
    """One event at a time: the definition."""
    waiting, now, out = sorted(labels), -1, []
    for time, name in transactions:
        now = max(now, time)
        while waiting and waiting[0][0] <= now:
            out.append(waiting.pop(0)[1])
        out.append(name)
    return out + [name for _, name in waiting]


@given(st.lists(times, max_size=30), st.lists(times, max_size=20), st.sets(st.integers(1, 29)))
def test_the_interleaving_is_the_naive_one_wherever_the_stream_is_cut(stream, known, cuts):
    transactions = [(time, f"t{i}") for i, time in enumerate(stream)]
    labels = [(time, f"l{i:02}") for i, time in enumerate(known)]
    schedule = Schedule()
    schedule.add(batch(Kind.LABEL, labels))
    out: list[str] = []
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    for start, stop in pairwise(edges):
        out += story(schedule.release(batch(Kind.TRANSACTION, transactions[start:stop])))
    rest = schedule.drain()
    out += story(rest) if rest else []
    assert out == naive(transactions, labels)
    assert len(schedule) == 0


def test_a_label_due_at_a_transactions_own_time_comes_before_it():
    schedule = Schedule()
    schedule.add(batch(Kind.LABEL, [(5, "label")]))
    assert story(schedule.release(batch(Kind.TRANSACTION, [(4, "a"), (5, "b"), (6, "c")]))) == [
        "a",
        "label",
        "b",
        "c",
    ]


def test_a_late_transaction_does_not_turn_time_back():
    """The stream has seen 9, so a label of 7 is due before the transaction of 3."""
    schedule = Schedule()
    schedule.release(batch(Kind.TRANSACTION, [(9, "a")]))
    schedule.add(batch(Kind.LABEL, [(7, "label")]))
    assert story(schedule.release(batch(Kind.TRANSACTION, [(3, "b")]))) == ["label", "b"]


def test_profiles_do_not_advance_stream_time():
    schedule = Schedule()
    schedule.add(batch(Kind.LABEL, [(5, "label")]))
    released = schedule.release(batch(Kind.PROFILE, [(100, "p")]))
    assert story(released) == ["p"]
    assert len(schedule) == 1


def test_a_batch_without_due_labels_passes_as_it_is():
    schedule = Schedule()
    schedule.add(batch(Kind.LABEL, [(50, "label")]))
    stream = batch(Kind.TRANSACTION, [(1, "a"), (2, "b")])
    assert schedule.release(stream) is stream
    assert np.array_equal(stream.event_time_ms, [1, 2])


DAY_MS = 86_400_000


@given(st.integers(1, 7), st.integers(10, 400), st.booleans())
def test_a_transaction_dated_far_ahead_releases_no_label_early(place, ahead, alone):
    """Wherever it stands in the stream, and whether it comes with others or by itself."""
    stream = [(DAY_MS * day, f"t{day}") for day in range(1, 8)]
    labels = [(DAY_MS * (day + 3), f"l{day}") for day in range(1, 8)]
    strange = (DAY_MS * (8 + ahead), "far")
    cuts = (
        [stream[:place], [strange], stream[place:]]
        if alone
        else [[*stream[:place], strange, *stream[place:]]]
    )
    schedule = Schedule()
    schedule.add(batch(Kind.LABEL, labels))
    told = [name for part in cuts if part for name in story(schedule.release(batch(Kind.TRANSACTION, part)))]
    assert [name for name in told if name != "far"] == naive(stream, labels)[: len(told) - 1]
    assert told[place + sum(name.startswith("l") for name in told[: told.index("far")])] == "far"


def test_labels_of_a_stream_that_went_on_after_a_quiet_month_wait_for_its_second_transaction():
    schedule = Schedule()
    schedule.add(batch(Kind.LABEL, [(DAY_MS * 2, "l")]))
    stream = [(DAY_MS, "a"), (DAY_MS * 31, "b"), (DAY_MS * 31 + 1, "c")]
    assert story(schedule.release(batch(Kind.TRANSACTION, stream))) == ["a", "b", "l", "c"]
