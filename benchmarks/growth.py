"""The longest steps while state grows: python -m benchmarks.growth [--graph] [--events N] [--rows N].

The shipped features or, with --graph, all signals of a graph of four links; and in every payment a card, a
customer, a device and an address that never came before, so that all tables grow as fast as they can; nothing
is forgotten for the first month. Processor time, not the clock's, so that a busy machine shows less.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time

import numpy as np

from benchmarks.report import machine, show, versions
from benchmarks.workload import Workload
from ringfence.api.serving import COLLECT_AFTER
from ringfence.compose.deciding.definitions import load_definitions, warm_up
from ringfence.features.catalog import CATALOG
from ringfence.features.engine import Engine
from ringfence.features.links import Graph, pays, uses
from ringfence.graph import growth
from ringfence.graph.network import Network

START_MS = 1_700_000_000_000
LONGEST = 5
BAR_MS = 50
NEW = ("card", "customer", "device", "ip")


def payments(events: int) -> Workload:
    """A second apart."""
    rng = np.random.default_rng(1)
    number = np.arange(events)
    ids = dict.fromkeys(NEW, number) | {"merchant": rng.integers(0, 5_000, events)}
    return Workload(START_MS + 1000 * number, rng.integers(100, 100_000, events), ids)


def steps(events: int, rows: int) -> list[tuple[float, int]]:
    """Milliseconds of processor time of each step, and how many payments came before it."""
    warm_up(load_definitions(None, None), observing=True)  # as `serve` does, and what comes next
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    engine = Engine(CATALOG)
    taken = []
    for number, batch in enumerate(payments(events).batches(8192)):
        inputs, places = engine._input(batch, engine.advance(batch))  # noqa: SLF001  hashes are made beforehand
        for begin in range(0, len(inputs), rows):
            part = inputs[begin : begin + rows]
            out = np.empty((len(engine.spec.features), len(part)))
            start = time.thread_time_ns()
            engine.run(part, places[begin : begin + rows] if len(places) > 1 else places, out)
            taken.append(((time.thread_time_ns() - start) / 1e6, number * 8192 + begin))
    return taken


def graph_steps(events: int, rows: int) -> list[tuple[float, int]]:
    """The same of a graph's signals, hashes made beforehand."""
    graph = Graph.of(*(uses("card", name) for name in ("customer", "device", "ip")), pays("card", "merchant"))
    network, warm = Network(graph), Network(graph)
    growth.load(network.compiled)
    warm.measure(next(iter(payments(rows).batches(rows))))
    taken = []
    for number, batch in enumerate(payments(events).batches(8192)):
        for begin in range(0, len(batch), rows):
            part = batch.slice(begin, begin + rows)
            network.hash(part)
            start = time.thread_time_ns()
            network.measure(part)
            taken.append(((time.thread_time_ns() - start) / 1e6, number * 8192 + begin))
    return taken


def main() -> int:
    """The table, and whether the longest step held its bar: 1 where it did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=16, help="payments of a step")
    parser.add_argument("--graph", action="store_true", help="of the graph, not of the features")
    options = parser.parse_args()
    print(machine(), versions("numpy", "numba"), sep="\n")
    taken = (graph_steps if options.graph else steps)(options.events, options.rows)
    longest = sorted(taken, reverse=True)[:LONGEST]
    rows = [["median", f"{np.median([ms for ms, _ in taken]):.3f}", ""]]
    rows += [
        ["longest" if not place else "", f"{ms:.3f}", f"{at:,}"] for place, (ms, at) in enumerate(longest)
    ]
    show(
        f"{options.events:,} payments in steps of {options.rows}: {sum(ms for ms, _ in taken) / 1000:.1f} s",
        ["steps", "ms of processor time", "after payments"],
        rows,
    )
    is_over = longest[0][0] > BAR_MS
    print(
        f"{'FAIL' if is_over else 'PASS'}: the longest step took {longest[0][0]:.1f} ms, at most {BAR_MS} ms"
    )
    return int(is_over)


if __name__ == "__main__":
    sys.exit(main())
