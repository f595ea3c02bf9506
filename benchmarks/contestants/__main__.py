"""The feature engine beside other engines at the first reference work: python -m benchmarks.contestants.

`make bench-setup` installs the others into .bench-venv; one that is not there is listed as missing. Each runs
on one core, from integers in memory, as the engine in its first line. The values of all are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import workload
from benchmarks.contestants import CONTESTANTS, STATISTICS
from benchmarks.report import Sample, machine, show, versions
from ringfence.events.batch import EventBatch
from ringfence.features.engine import Engine

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
BATCH = 8192
MINOR_PER_MAJOR = 100
EXACT = {"count", "sum"}


@dataclass
class Entrant:
    """One contestant over all rounds."""

    name: str
    events: int
    seconds: list[float] = field(default_factory=list)
    version: str = ""
    missing: str = ""
    values: str = ""


def _interpreter() -> str:
    own = ROOT / ".bench-venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def run_once(entrant: Entrant, columns: dict[str, NDArray[np.int64]], ours: NDArray[np.float64]) -> None:
    """One run in a process of its own; its values are compared with ours every time."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "columns.npz", Path(folder) / "values.npy"
        np.savez(given, **{name: column[: entrant.events] for name, column in columns.items()})
        command = [
            _interpreter(),
            "-m",
            "benchmarks.contestants.worker",
            entrant.name,
            str(given),
            str(found),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=_one_core())
        if done.returncode:
            entrant.missing = f"failed: {done.stderr.strip().splitlines()[-1][:80]}"
            return
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        entrant.missing, entrant.version = told.get("missing", ""), told.get("version", "")
        if not entrant.missing:
            entrant.seconds.append(told["seconds"])
            entrant.values = agreement(ours[:, : entrant.events], np.load(found))


def _one_core() -> dict[str, str]:
    return {**os.environ, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}


def agreement(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> str:
    """ "equal", or by how much which statistic differs; DIFFERENT when counts or sums do."""
    for number, statistic in enumerate(STATISTICS):
        mine, other = ours[number::4], theirs[number::4] / (1 if statistic == "count" else MINOR_PER_MAJOR)
        if not np.array_equal(np.isnan(mine), np.isnan(other)):
            return f"DIFFERENT nulls in {statistic}"
        apart = float(np.nanmax(np.abs(mine - other) / np.maximum(np.abs(mine), 1.0), initial=0.0))
        if apart > 1e-9:
            return f"DIFFERENT {statistic}" if statistic in EXACT else f"{statistic} differs by {apart:.0e}"
    return "equal"


@dataclass(frozen=True)
class Ours:
    """The workload as the engine takes it: events with text ids, or integers as the others have them."""

    batches: list[EventBatch]
    inputs: list[tuple[NDArray[np.int64], NDArray[np.float64]]]

    @classmethod
    def of(cls, work: workload.Workload) -> Ours:
        """Made before the clock starts."""
        batches = list(work.batches(BATCH))
        engine = Engine(workload.r1_spec())
        return cls(batches, [engine._input(batch, engine.advance(batch)) for batch in batches])  # noqa: SLF001  the integers themselves

    def values(self) -> NDArray[np.float64]:
        """All features, for comparison; not timed."""
        engine = Engine(workload.r1_spec())
        return np.concatenate([engine.measure(batch) for batch in self.batches], axis=1)

    def integers(self) -> float:
        """Seconds of a new engine, integers in."""
        engine = Engine(workload.r1_spec())
        features = len(engine.spec.features)
        out = np.empty(features * BATCH)
        start = time.perf_counter()
        for rows, places in self.inputs:
            engine.run(rows, places, out[: features * len(rows)].reshape(features, -1))
        return time.perf_counter() - start

    def texts(self) -> float:
        """Seconds of a new engine over batches of which nothing is hashed yet."""
        engine = Engine(workload.r1_spec())
        fresh = [EventBatch(batch.table) for batch in self.batches]
        start = time.perf_counter()
        for batch in fresh:
            engine.measure(batch)
        return time.perf_counter() - start


def run(limit: int, rounds: int, names: list[str]) -> tuple[dict[str, Sample], list[Entrant]]:
    """All rounds, interleaved: the engine's samples by form of input, and the others'."""
    work = workload.r1(limit)
    ours = Ours.of(work)
    columns = {"time_ms": work.time_ms, **work.ids, "amount": work.amount_minor}
    entrants = [Entrant(name, min(limit, CONTESTANTS[name])) for name in names]
    values = ours.values()  # compiles, too
    integers, texts = [], []
    for _ in range(rounds):
        integers.append(ours.integers())
        texts.append(ours.texts())
        for entrant in entrants:
            if not entrant.missing:
                run_once(entrant, columns, values)
    engine = {"integers in": Sample(limit, tuple(integers)), "text ids in": Sample(limit, tuple(texts))}
    return engine, entrants


def _row(entrant: Entrant, engine: Sample) -> list[str]:
    label = f"{entrant.name} {entrant.version}"
    if not entrant.seconds:
        return [label, "not run", "", "", "", entrant.missing]
    sample = Sample(entrant.events, tuple(entrant.seconds))
    times = f"{engine.rate / sample.rate:.1f}"
    return [label, f"{entrant.events:,}", f"{sample.rate:,.0f}", sample.spread, times, entrant.values]


def _engine_row(label: str, sample: Sample, base: Sample) -> list[str]:
    times = f"{base.rate / sample.rate:.1f}"
    return [label, f"{sample.events:,}", f"{sample.rate:,.0f}", sample.spread, times, ""]


def main() -> None:
    """The table; exits with 1 when any contestant's counts or sums differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=workload.R1_EVENTS, help="at most, for everyone")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    options = parser.parse_args()
    print(machine(), versions("numpy", "numba", "pyarrow"), sep="\n")
    engine, entrants = run(options.events, options.rounds, options.only)
    base = engine["integers in"]
    ours = [_engine_row(f"ringfence, {form}", sample, base) for form, sample in engine.items()]
    columns = ["", "events", "events/s", "slowest to fastest", "engine is faster by", "values"]
    title = f"R1, 32 features, one core each, {options.rounds} interleaved rounds"
    show(title, columns, [*ours, *(_row(entrant, base) for entrant in entrants)])
    if any(entrant.values.startswith("DIFFERENT") for entrant in entrants):
        sys.exit(1)


if __name__ == "__main__":
    main()
