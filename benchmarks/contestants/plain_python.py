"""No engine at all: a loop over the events with lists and dictionaries."""

from __future__ import annotations

import time
from collections import defaultdict

import numpy as np

from benchmarks.contestants.plain import KeyWindows

LIBRARY = "python"


def run(columns):
    """One pass."""
    rows = list(
        zip(*(columns[name].tolist() for name in ("time_ms", "card", "merchant", "amount")), strict=True)
    )
    cards, merchants = defaultdict(KeyWindows), defaultdict(KeyWindows)
    start = time.perf_counter()
    answers = [
        cards[card].add(at, amount) + merchants[shop].add(at, amount) for at, card, shop, amount in rows
    ]
    return time.perf_counter() - start, np.array(answers).T
