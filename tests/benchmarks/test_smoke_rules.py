"""The benchmarks of rules and backtests run on tiny input, and their contestants agree."""

import re

import pytest
from tests.benchmarks.test_smoke import run

pytestmark = pytest.mark.slow


def test_duckdb_agrees_with_each_rules_count_and_the_ratio_is_printed():
    printed = run("rules", "--rows", "2000", "--rules", "40", "--rounds", "1")
    assert "40 rules" in printed
    assert re.search(r"DuckDB, answers +│ +[\d,]+ │.*│ +[\d.]+ x │", printed)


def test_a_backtest_judges_every_payment_three_times():
    printed = run("backtest", "--events", "2000", "--rounds", "1")
    for name in ("stored features", "3 features measured again", "every feature that rules name"):
        assert re.search(rf"│ {name} +│ +[\d,]+ │", printed)
