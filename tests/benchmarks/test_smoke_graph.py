"""The benchmark of the entity graph runs on tiny input."""

from __future__ import annotations

import sys

from tests.benchmarks.test_smoke import run

from benchmarks import laundering


def test_graph_prints_rates_and_what_scipy_takes():
    printed = run("graph", "--events", "3000")
    assert "links a second" in printed
    assert "by SciPy, once" in printed
    assert "bytes for each node and pair" in printed


def test_without_the_data_laundering_says_that_nothing_was_measured(monkeypatch, capsys):
    monkeypatch.delenv("RINGFENCE_DATA", raising=False)
    monkeypatch.setattr(sys, "argv", ["laundering"])
    laundering.main()
    assert capsys.readouterr().out.startswith("NOT MEASURED")
