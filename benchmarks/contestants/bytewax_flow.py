"""Bytewax: a stateful step per entity, side by side: chained, the first would reorder the second's events.

Its own windowing operators have no window per event."""

from __future__ import annotations

import time

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from benchmarks.contestants.plain import KeyWindows

LIBRARY = "bytewax"


def _step(windows, row):
    windows = windows or KeyWindows()
    position, first_row, at, amount = row
    return windows, (position, first_row, windows.add(at, amount))


def _keyed(columns, entity, first_row):
    times, keys, amounts = (columns[name].tolist() for name in ("time_ms", entity, "amount"))
    return [
        (str(key), (i, first_row, at, x))
        for i, (key, at, x) in enumerate(zip(keys, times, amounts, strict=True))
    ]


def run(columns):
    """One run of the flow."""
    out: list = []
    flow = Dataflow("windows")
    for first_row, entity in ((0, "card"), (16, "merchant")):
        source = TestingSource(_keyed(columns, entity, first_row), batch_size=1024)
        measured = op.stateful_map(f"measure_{entity}", op.input(entity, flow, source), _step)
        op.output(f"out_{entity}", measured, TestingSink(out))
    start = time.perf_counter()
    run_main(flow)
    seconds = time.perf_counter() - start
    values = np.empty((32, len(columns["card"])))
    for _, (position, first_row, answers) in out:
        values[first_row : first_row + 16, position] = answers
    return seconds, values
