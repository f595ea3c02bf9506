"""Hostile callers for a moment each: what they hear is in order, and all others are served."""

import pytest

from benchmarks import fuzz_connections, hostile

pytestmark = pytest.mark.slow


def test_whatever_some_send_the_payments_of_others_are_decided_and_pages_are_read(tmp_path):
    """`python -m benchmarks.hostile` prints figures and bars; here only what became of everything counts."""
    kinds = ["bad"]
    controls = {}
    figures, statuses = hostile.measure(tmp_path, kinds, 0.2, controls)
    assert list(controls) == kinds
    assert list(figures) == ["quiet", *kinds]
    assert hostile.strange(statuses) == set()
    assert all(found.paid_ms and not found.undecided and not found.unread for found in figures.values())
    told = list(hostile.report(figures, statuses, controls))
    assert sum("senders to nobody" in line for line in told) == 1
    assert [line.split()[0] for line in told if line[0] != " "][1:-2] == list(figures)


def test_peers_that_hold_connections_keep_nobody_from_paying(tmp_path):
    """`python -m benchmarks.fuzz_connections` has the same figures and bars."""
    figures = fuzz_connections.run(tmp_path, ["slow uploads"], 0.2)
    assert list(figures) == ["quiet", "slow uploads"]
    assert all(found.paid_ms and not found.undecided and not found.unread for found in figures.values())
    assert list(hostile.report(figures, {}))[-1].split()[0] in ("PASS:", "FAIL:")
