"""The benchmark of the entity graph runs on tiny input."""

from __future__ import annotations

from tests.benchmarks.test_smoke import run


def test_graph_prints_rates_and_what_scipy_takes():
    printed = run("graph", "--events", "3000")
    assert "links a second" in printed
    assert "by SciPy, once" in printed
    assert "bytes for each node and pair" in printed
