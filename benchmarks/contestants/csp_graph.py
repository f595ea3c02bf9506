"""csp: one node that holds every key's windows; csp.stats would need a basket of some 220,000 nodes."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import timedelta

import csp
import numpy as np
from csp import ts

from benchmarks.contestants.plain import KeyWindows

LIBRARY = "csp"


@csp.node
def _measure(at: ts[int], card: ts[int], merchant: ts[int], amount: ts[int]) -> ts[object]:
    with csp.state():
        s_cards = defaultdict(KeyWindows)
        s_merchants = defaultdict(KeyWindows)
    return s_cards[card].add(at, amount) + s_merchants[merchant].add(at, amount)


@csp.graph(memoize=False)
def _windows(times: object, columns: object):
    def curve(name: str) -> ts[int]:
        return csp.curve(int, (times, columns[name]))

    measured = _measure(curve("time_ms"), curve("card"), curve("merchant"), curve("amount"))
    csp.add_graph_output("measured", measured)


def run(columns):
    """One simulated run, as fast as it goes."""
    times = columns["time_ms"].astype("datetime64[ms]").astype("datetime64[ns]")
    begin = times[0].astype("datetime64[us]").item()
    end = times[-1].astype("datetime64[us]").item() + timedelta(seconds=1)
    start = time.perf_counter()
    found = csp.run(_windows, times, columns, starttime=begin, endtime=end, realtime=False)
    seconds = time.perf_counter() - start
    return seconds, np.array([answers for _, answers in found["measured"]]).T
