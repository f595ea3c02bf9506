"""What a small engine costs, and a key that moves to another: python -m benchmarks.cells [--events N].

The shipped features, of all entities in one engine and of the card alone; what moves are cards with their
retained payments. Processor time, not the clock's.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from benchmarks import workload
from benchmarks.report import machine, resident_bytes, show, versions
from ringfence.features.catalog import CATALOG
from ringfence.features.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ringfence.features.spec import FeatureSpec

CARD = CATALOG.of_entity("card")
ENGINES = 256
MIB = 1 << 20


def empty(spec: FeatureSpec) -> list[str]:
    """What small engines of a specification take, in a process of its own: its memory's growth is theirs."""
    spent_first, first = _timed(lambda: Engine(spec))
    size = first.size["bytes"]
    payment = next(workload.r2(1).batches())
    first.measure(payment)
    with suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)  # or the engines would live in what compiling has left behind
    before = resident_bytes()
    spent, made = _timed(lambda: [Engine(spec) for _ in range(ENGINES)])
    for engine in made:
        engine.measure(payment)
    grown = (resident_bytes() - before) / MIB
    return [
        f"{len(spec.features)} of {len(spec.entities)}",
        f"{size:,}",
        f"{spent_first:,.0f}",
        f"{spent / ENGINES:,.0f}",
        f"{grown:.1f}",
    ]


def moves(events: int) -> list[list[str]]:
    """Cards that move one by one, and many in a cell: a row each."""
    here, there = Engine(CARD), Engine(CARD)
    for batch in workload.r2(events).batches():
        here.measure(batch)
    there.put(here.take(here.keys[:1]))  # compiles
    here.merge([there])
    keys, held = here.keys[:1000], here.size
    alone = [keys[place : place + 1] for place in range(len(keys))]
    average = f"{held['events'] / held['keys']:.1f}"
    return [
        ["one by one", average, *_moved(here, there, alone)],
        [f"{len(keys):,} in a cell", average, *_moved(here, there, [keys])],
    ]


def _moved(here: Engine, there: Engine, parts: list[NDArray[Any]]) -> list[str]:
    """Microseconds per key to take and to put, bytes per key; afterwards all are where they were."""
    keys = sum(map(len, parts))
    taken, cells = _timed(lambda: [here.take(part) for part in parts])
    put, _ = _timed(lambda: [there.put(cell) for cell in cells])
    here.merge([there])
    return [f"{taken / keys:,.1f}", f"{put / keys:,.1f}", f"{sum(map(len, cells)) / keys:,.0f}"]


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Microseconds of processor time, and what was returned."""
    start = time.process_time_ns()
    found = call()
    return (time.process_time_ns() - start) / 1000, found


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500_000, help="payments over sixty days")
    options = parser.parse_args()
    print(machine(), versions("numpy", "numba"), sep="\n")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        rows = pool.map(empty, (CATALOG, CARD), chunksize=1)
    columns = [
        "features of entities",
        "bytes",
        "µs for the first",
        "µs for the next",
        f"MiB of {ENGINES}, a payment in each",
    ]
    show("An empty engine", columns, rows)
    columns = ["cards", "payments of a card", "µs to take", "µs to put", "bytes"]
    show(f"A key that moves, {options.events:,} payments before", columns, moves(options.events))


if __name__ == "__main__":
    main()
