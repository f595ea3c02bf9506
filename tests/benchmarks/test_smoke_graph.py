"""The benchmark of the entity graph runs on tiny input."""

from __future__ import annotations

import sys

import numpy as np
from tests.benchmarks.test_smoke import run

from benchmarks import graph_mules, laundering


def test_graph_prints_rates_and_what_scipy_takes():
    printed = run("graph", "--events", "3000")
    assert "links a second" in printed
    assert "by SciPy, once" in printed
    assert "bytes for each node and pair" in printed


def test_two_hops_are_asked_of_the_walk_the_file_and_ladybug():
    printed = run("graph_asked", "--events", "2000", "--degree", "400", "--questions", "20")
    assert "the walk, all signals" in printed
    assert "the links' file, super-node" in printed


def test_memory_of_a_part_tells_that_of_the_whole():
    printed = run("graph_size", "--part", "2048")
    assert "50 M pairs" in printed
    assert "all signals" in printed


def test_decisions_are_timed_with_the_graph_and_without():
    options = ("--rate", "50", "--seconds", "1", "--turns", "1", "--before", "500")
    printed = run("graph_api", *options, timeout=600)  # two servers start
    assert "p99 with the graph to without" in printed


def test_mules_are_found_with_the_graph_and_without():
    options = ("--customers", "100", "--days", "12", "--learned", "8", "--fraud", "0.05", "--worlds", "1")
    printed = run("graph_mules", *options)
    assert "without the graph" in printed
    assert "all fraud" in printed


def test_a_recall_is_resampled_by_account():
    hits = np.array([[1, 0], [1, 0], [0, 0], [0, 1]], bool)
    found = graph_mules.recalls(hits, np.array(["a", "a", "b", "b"]), 200)
    assert found[0].tolist() == [0.5, 0.25]
    assert set(found[1:, 0]) == {0.0, 0.5, 1.0}
    assert set(found[1:, 1]) == {0.0, 0.25, 0.5}


def test_without_the_data_laundering_says_that_nothing_was_measured(monkeypatch, capsys):
    monkeypatch.delenv("RINGFENCE_DATA", raising=False)
    monkeypatch.setattr(sys, "argv", ["laundering"])
    laundering.main()
    assert capsys.readouterr().out.startswith("NOT MEASURED")
