"""The benchmarks of what follows the log run on tiny input."""

from __future__ import annotations

import re

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


def test_the_cost_of_sealing_is_printed_as_a_share_of_throughput():
    printed = run("sealing", "--events", "4000", "--rounds", "1")
    assert len(re.findall(r"\d+\.\d\d %", printed)) == 4
    assert "of throughput, the bar is 2 %" in printed


def test_a_region_that_is_lost_is_brought_up_from_its_replicated_backup():
    printed = run("region_loss", "--payments", "600", "--every", "2")
    assert "recovery point" in printed
    assert "recovery time" in printed
    assert printed.rstrip().endswith("PASS")
