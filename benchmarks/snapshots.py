"""Saving and restoring the state of 10 M events over 1 M keys: python -m benchmarks.snapshots [--events N].

A snapshot is written by a forked child. Decisions wait for the fork itself, and after it for the copy of each
page that is written for the first time: the slowest batch while the child writes says how long.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import workload
from benchmarks.report import machine, show, versions
from ringfence.adapters.snapshots import Snapshots
from ringfence.features.engine import Engine

BATCH = 8192
SPEC = workload.r1_spec(("card",))
BATCHES_PER_ROUND = 40


def _filled(events: int, held: int) -> tuple[Engine, list]:
    """An engine with all events but the last `held` batches, and those."""
    engine = Engine(SPEC)
    chunks = workload.r3(events, max(10, events // 10))
    batches = itertools.chain.from_iterable(work.batches(BATCH) for work in chunks)
    left = list(itertools.islice(batches, held))
    for batch in batches:
        engine.measure(left.pop(0))
        left.append(batch)
    return engine, left


def _elapsed_ms(act, *arguments) -> float:
    start = time.perf_counter()
    act(*arguments)
    return 1000 * (time.perf_counter() - start)


def _saved(engine: Engine, left: list, folder: Path) -> list[float]:
    """Milliseconds: the call, the usual batch before, the slowest batch during, until durable."""
    snapshots = Snapshots(folder)
    before = float(np.median([_elapsed_ms(engine.measure, batch) for batch in left[: len(left) // 2]]))
    start = time.perf_counter()
    pause = _elapsed_ms(snapshots.save_in_background, engine.arrays(), {}, 1)
    during = max(_elapsed_ms(engine.measure, batch) for batch in left[len(left) // 2 :])
    ended = snapshots.wait()
    if ended is None or ended.problem is not None:
        raise RuntimeError(f"the snapshot failed: {ended}")
    return [pause, before, during, 1000 * (time.perf_counter() - start)]


def _restored(folder: Path) -> tuple[float, Engine]:
    """Milliseconds from nothing to an engine that can go on."""
    start = time.perf_counter()
    found, damaged = Snapshots(folder).load_latest()
    if found is None or damaged:
        raise RuntimeError(f"no sound snapshot: {damaged}")
    engine = Engine.from_arrays(SPEC, 0, found.arrays)
    return 1000 * (time.perf_counter() - start), engine


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(machine(), versions("numpy", "numba"), sep="\n")
    engine, left = _filled(options.events, options.rounds * BATCHES_PER_ROUND)
    names = ["the call: decisions wait", "usual batch", "slowest batch meanwhile", "until durable", "restore"]
    taken = []
    for round_ in range(options.rounds):
        batches = left[round_ * BATCHES_PER_ROUND : (round_ + 1) * BATCHES_PER_ROUND]
        with tempfile.TemporaryDirectory() as folder:
            saved = _saved(engine, batches, Path(folder))
            restore_ms, restored = _restored(Path(folder))
            taken.append([*saved, restore_ms])
            del restored
    size = sum(array.nbytes for array in engine.arrays().values()) / (1 << 20)
    held = engine.size
    title = f"{held['events']:,} events, {held['keys']:,} keys, {size:,.0f} MiB, {options.rounds} rounds (ms)"
    spread = zip(names, zip(*taken, strict=True), strict=True)
    show(
        title,
        ["", "median", "least", "greatest"],
        [[n, *(f"{x:,.1f}" for x in (np.median(v), min(v), max(v)))] for n, v in spread],
    )


if __name__ == "__main__":
    main()
