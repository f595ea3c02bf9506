"""The join of transactions and flags against its definition, in any order of arrival and batching."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.events.model import Kind
from ringfence.scoring.reference import Reference, segments

accounts = st.sampled_from(["a", "b", None])
pays = st.fixed_dictionaries({"account_id": accounts, "event_time_ms": st.integers(0, 9)})
ends = st.one_of(st.none(), st.integers(1, 12))
flags = st.fixed_dictionaries(
    {
        "kind": st.just(Kind.FLAG),
        "entity_type": st.sampled_from(["account", "merchant"]),
        "entity_id": accounts,
        "effective_at_ms": st.integers(0, 9),
        "expires_at_ms": ends,
    }
)


def covers(flag, payment):
    end = flag["expires_at_ms"]
    return (
        flag["entity_type"] == "account"
        and flag["entity_id"] is not None
        and flag["entity_id"] == payment["account_id"]
        and flag["effective_at_ms"] <= payment["event_time_ms"]
        and (end is None or payment["event_time_ms"] < end)
    )


def by_definition(log):
    """(payments judged as flagged, pairs emitted later), by comparing every payment with every flag.

    The same flag said again (same account and start) replaces its end, so logs here never do that.
    """
    judged, emitted = [], []
    for at, payment in enumerate(log):
        if "kind" in payment:
            continue
        covering = [place for place, flag in enumerate(log) if "kind" in flag and covers(flag, payment)]
        if covering and covering[0] < at:
            judged.append(at)
        elif covering:
            emitted.append((covering[0], at))
    return judged, sorted(emitted)


def without_repeats(log):
    seen, kept = set(), []
    for row in log:
        key = (row.get("entity_type"), row.get("entity_id"), row.get("effective_at_ms"))
        if "kind" not in row or key not in seen:
            kept.append(row)
        seen.add(key)
    return kept


@pytest.fixture(scope="module")
def join(events):
    def run(log, cuts, restore_at):
        reference, judged, emitted = Reference(3), [], []
        edges = sorted({0, len(log), *(cut for cut in cuts if cut < len(log))})
        for number, (begin, end) in enumerate(pairwise(edges)):
            batch = events(*log[begin:end])
            for start, stop, is_control in segments(batch):
                part, base = batch.slice(start, stop), begin + start
                if is_control:
                    found = reference.apply(part, base).to_pylist()
                    emitted += [(row["flag_offset"], row["transaction_offset"]) for row in found]
                    continue
                since = reference.flags.since("account", part.hashes("account_id", 3), part.event_time_ms)
                judged += [base + i for i, start_ms in enumerate(since.tolist()) if start_ms >= 0]
                reference.remember(part, base)
            if number == restore_at:
                reference = Reference.from_arrays(reference.to_arrays(), 3)
        return judged, emitted

    return run


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_payment_meets_its_flags_once_before_or_after(join, data):
    log = without_repeats(data.draw(st.lists(st.one_of(pays, flags), max_size=30)))
    cuts, restore_at = data.draw(st.lists(st.integers(1, 30), max_size=6)), data.draw(st.integers(0, 5))
    assert join(log, cuts, restore_at) == by_definition(log)
