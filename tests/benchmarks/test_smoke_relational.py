"""The benchmark of the relational store runs on tiny input."""

from __future__ import annotations

from tests.benchmarks.test_smoke import run


def test_relational_prints_both_rates_and_their_ratio():
    printed = run("relational", "--events", "3000", "--rounds", "1")
    assert "one table by COPY" in printed
    assert "relational store" in printed
    assert "ratio" in printed
