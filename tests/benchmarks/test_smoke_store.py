"""The benchmarks of what follows the log run on tiny input."""

from __future__ import annotations

import pytest
from tests.benchmarks.test_smoke import run

pytestmark = pytest.mark.slow


def test_landing_prints_a_rate_for_each_format():
    printed = run("landing", "--events", "2000", "--rounds", "1")
    assert all(name in printed for name in ("parquet", "ndjson", "csv"))


def test_views_are_all_asked():
    printed = run("store_views", "--events", "2000", "--rounds", "1")
    assert all(name in printed for name in ("kpis", "card_history", "account_windows", "payment_lives"))


def test_a_follower_that_is_killed_again_and_again_loses_and_doubles_nothing():
    """A few rounds; `python -m benchmarks.store_faults` has a hundred."""
    printed = run("store_faults", "--rounds", "2", "--files", "20")
    assert "differences" in printed
