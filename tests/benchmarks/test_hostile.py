"""Hostile callers of every kind for a moment each: what they hear is in order, and all others are served."""

import pytest
from benchmarks.hostile_kinds import KINDS

from benchmarks import fuzz_connections, hostile

pytestmark = pytest.mark.slow

PATIENT = {"RINGFENCE_SERVE_DEADLINE_MS": "60000"}  # this machine may be busy


def in_order(figures, kinds, statuses):
    """Everybody else was served, and the table has a row for each kind."""
    assert list(figures) == ["quiet", *kinds]
    told = list(hostile.report(figures, statuses))
    for found in figures.values():
        assert found.paid_ms, told
        assert not found.undecided, told
        assert not found.unread, told
        assert max(found.memory_mb, default=0) < hostile.MEMORY_MB, told
    rows = [line for line in told[1:-2] if line[0] != " "]
    assert [row[:24].strip() for row in rows] == list(figures)


def test_whatever_some_send_the_payments_of_others_are_decided_and_pages_are_read(tmp_path):
    """`python -m benchmarks.hostile` prints times and bars; here only what became of everything counts."""
    kinds = [*KINDS, "peers"]
    figures, statuses = hostile.measure(tmp_path, kinds, 0.2, **PATIENT)
    assert hostile.strange(statuses) == set()
    in_order(figures, kinds, statuses)


def test_peers_that_hold_connections_keep_nobody_from_paying(tmp_path):
    """`python -m benchmarks.fuzz_connections` prints a row for each kind."""
    kinds = ["quiet", "slow uploads"]
    rows = fuzz_connections.run(tmp_path, kinds, 0.2, **PATIENT)
    assert [row[0] for row in rows] == kinds
    assert all(int(row[2].replace(",", "")) > 0 for row in rows)
