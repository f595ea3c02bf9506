"""River: a TimeRolling variance per key and window, which carries count, mean and variance at once."""

from __future__ import annotations

import datetime as dt
import time
from collections import defaultdict
from math import nan, sqrt

import numpy as np
from river import stats, utils

from benchmarks.contestants import WINDOWS_MS

LIBRARY = "river"


def _windows():
    return [
        utils.TimeRolling(stats.Var, period=dt.timedelta(milliseconds=width)) for width in WINDOWS_MS.values()
    ]


def _add(windows, at, amount, answers) -> None:
    for window in windows:
        window.update(amount, t=at)
        count = window.obj.mean.n
        mean = window.obj.mean.get()
        answers += (count, mean * count, mean, sqrt(max(window.obj.get(), 0.0)) if count > 1 else nan)


def run(columns):
    """One pass."""
    base = dt.datetime(2026, 1, 1)  # noqa: DTZ001  River compares naive times
    first = int(columns["time_ms"][0])
    times = [base + dt.timedelta(milliseconds=at - first) for at in columns["time_ms"].tolist()]
    rows = list(zip(times, *(columns[name].tolist() for name in ("card", "merchant", "amount")), strict=True))
    cards, merchants = defaultdict(_windows), defaultdict(_windows)
    measured = []
    start = time.perf_counter()
    for at, card, merchant, amount in rows:
        answers: list[float] = []
        _add(cards[card], at, amount, answers)
        _add(merchants[merchant], at, amount, answers)
        measured.append(answers)
    return time.perf_counter() - start, np.array(measured).T
