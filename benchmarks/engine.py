"""The feature engine beside a C kernel with the same algorithm: python -m benchmarks.engine [--events N].

Both start from the same integers and fill the same float64 rows; all values of all features are compared.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import kernel, workload
from benchmarks.report import Sample, interleaved, machine, resident_bytes, show, versions
from ringfence.events.batch import EventBatch
from ringfence.features.engine import Engine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.features.spec import FeatureSpec

BATCH = 8192
SINGLES = 20_000
MIB = 1 << 20


@dataclass(frozen=True)
class Prepared:
    """One workload as each side takes it."""

    name: str
    work: workload.Workload
    spec: FeatureSpec
    columns: list[kernel.Columns]
    batches: list[EventBatch]
    inputs: list[tuple[NDArray[np.int64], NDArray[np.float64]]]

    @classmethod
    def of(cls, name: str, work: workload.Workload, spec: FeatureSpec) -> Prepared:
        """Everything that is done before the clock starts."""
        columns = {"r1": kernel.r1_columns, "r2": kernel.r2_columns}[name](work, BATCH)
        batches = list(work.batches(BATCH))
        engine = Engine(spec)
        inputs = [engine._input(batch, engine.advance(batch)) for batch in batches]  # noqa: SLF001  numbers in, as the C kernel has them
        return cls(name, work, spec, columns, batches, inputs)

    def run_c(self, *, keep: bool = False, prefetch: bool = False) -> list[NDArray[np.float64]]:
        """A new C state over all events."""
        outs = self._outs(keep)
        with kernel.Kernel(self.name, len(self.spec.features), prefetch=prefetch) as state:
            return [state.push(columns, out) for columns, out in zip(self.columns, outs, strict=True)]

    def run_engine(self, *, keep: bool = False) -> list[NDArray[np.float64]]:
        """A new engine over all events, integers in."""
        outs = self._outs(keep)
        engine = Engine(self.spec)
        for (rows, places), out in zip(self.inputs, outs, strict=True):
            engine.run(rows, places, out)
        return outs

    def run_measure(self) -> None:
        """A new engine over all events, text ids in: hashing and the arrays that it returns included."""
        engine = Engine(self.spec)
        for batch in self.batches:
            engine.measure(EventBatch(batch.table))

    def _outs(self, keep: bool) -> list[NDArray[np.float64]]:
        """An array per batch, or one that all batches share, so that no time goes into fresh memory."""
        features = len(self.spec.features)
        shared = np.empty(features * BATCH)
        shapes = [(features, len(batch)) for batch in self.batches]
        return [np.empty(s) if keep else shared[: s[0] * s[1]].reshape(s) for s in shapes]


def compare(prepared: Prepared) -> str:
    """All values of both; exits when they differ by more than rounding."""
    ours, theirs = (
        np.concatenate(parts, axis=1) for parts in (prepared.run_engine(keep=True), prepared.run_c(keep=True))
    )
    both_null = np.isnan(ours) & np.isnan(theirs)
    equal = np.isclose(ours, theirs, rtol=1e-12, atol=1e-9) | both_null
    if not equal.all():
        wrong = [name for name, row in zip(prepared.spec.names, equal, strict=True) if not row.all()]
        sys.exit(
            f"{prepared.name}: engine and C kernel disagree on {len(wrong)} features, such as {wrong[:5]}"
        )
    same = np.count_nonzero((ours == theirs) | both_null)
    return f"all {ours.size:,} values equal within 1e-12, {same / ours.size:.1%} of them bit for bit"


def beside_c(prepared: Prepared, rounds: int) -> None:
    """Prints rates and ratio for one workload."""
    agreement = compare(prepared)
    contestants = {"C": prepared.run_c, "engine": prepared.run_engine, "text": prepared.run_measure}
    if prepared.name in kernel.PREFETCHING:
        contestants["prefetch"] = partial(prepared.run_c, prefetch=True)
    taken = interleaved(rounds, contestants, len(prepared.work))
    labels = {
        "C": "C kernel",
        "prefetch": "C kernel, prefetching",
        "engine": "engine, integers in",
        "text": "engine, text ids in",
    }
    rows = [[labels[name], *_figures(sample, taken["C"])] for name, sample in taken.items()]
    counts = f"{len(prepared.work):,} events, {len(prepared.spec.features)} features, {rounds} rounds"
    show(
        f"{prepared.name.upper()}: {counts}; {agreement}",
        ["", "events/s", "slowest to fastest", "ratio to C"],
        rows,
    )


def _figures(sample: Sample, base: Sample) -> list[str]:
    return [f"{sample.rate:,.0f}", sample.spread, f"{sample.rate / base.rate:.2f}"]


def latency(prepared: Prepared) -> None:
    """Prints p50 and p99 of one event at a time over the state that all events but the last left."""
    singles = min(SINGLES, len(prepared.work) // 2)
    engine = Engine(prepared.spec)
    rows = np.concatenate([rows for rows, _ in prepared.inputs])
    places = prepared.inputs[0][1]
    out = np.empty((len(prepared.spec.features), len(rows)))
    engine.run(rows[: -singles - 1], places, out[:, : -singles - 1].copy())
    single = np.empty((len(prepared.spec.features), 1))
    half = len(rows) - singles // 2
    engine.run(rows[-singles - 1 : -singles], places, single)
    taken = [_timed(engine.run, rows[i : i + 1], places, single) for i in range(len(rows) - singles, half)]
    tail = EventBatch.concat(prepared.batches).slice(half, len(rows))
    events = [tail.slice(i, i + 1) for i in range(len(tail))]
    engine.measure(events.pop(0))
    whole = [_timed(engine.measure, event) for event in events]
    table = [[label, *_percentiles(part)] for label, part in (("integers in", taken), ("text ids in", whole))]
    show(f"One event at a time, {len(rows):,} before it (µs)", ["", "p50", "p99", "p99.9", "greatest"], table)


def _timed(call: Any, *arguments: Any) -> int:
    start = time.perf_counter_ns()
    call(*arguments)
    return time.perf_counter_ns() - start


def _percentiles(taken_ns: list[int]) -> list[str]:
    return [f"{value / 1000:.1f}" for value in (*np.percentile(taken_ns, (50, 99, 99.9)), max(taken_ns))]


def state_size(prepared: Prepared) -> None:
    """Prints what the state of the first reference takes per retained event."""
    engine = Engine(prepared.spec)
    for rows, places in prepared.inputs:
        engine.run(rows, places, np.empty((len(prepared.spec.features), len(rows))))
    size = engine.size
    row = [
        f"{size['events']:,}",
        f"{size['keys']:,}",
        *(f"{size[x] / size['events']:.1f}" for x in ("bytes_used", "bytes")),
    ]
    show(
        "State of R1",
        ["retained events", "keys", "bytes in use per event", "bytes reserved per event"],
        [row],
    )


def _fill_r3(events: int, keys: int) -> list[str]:
    engine = Engine(workload.r1_spec(("card",)))
    engine.measure(next(next(workload.r3(1000, 10, 1)).batches()))
    engine = Engine(workload.r1_spec(("card",)))
    before = resident_bytes()
    seconds = 0.0
    for work in workload.r3(events, keys):
        for batch in work.batches(BATCH):
            seconds += _timed(engine.measure, batch) / 1e9
    size = engine.size
    memory = (size["bytes_used"], size["bytes"], resident_bytes() - before, resident_bytes("VmHWM"))
    return [
        f"{size['events']:,}",
        f"{size['keys']:,}",
        *(f"{x / MIB:,.0f}" for x in memory),
        f"{events / seconds:,.0f}",
    ]


def memory_r3(events: int) -> None:
    """Prints memory of the third reference, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        row = pool.apply(_fill_r3, (events, max(10, events // 10)))
    columns = [
        "retained events",
        "keys",
        "in use",
        "reserved",
        "resident, grown by",
        "resident, peak of all",
        "events/s",
    ]
    show("R3: everything retained (MiB)", columns, [row])


def main() -> None:
    """All tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--events", type=int, default=2_000_000, help="of R1; R2 has a quarter, R3 five times as many"
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(machine(), versions("numpy", "numba", "pyarrow"), kernel.compiler(), sep="\n")
    first = Prepared.of("r1", workload.r1(options.events), workload.r1_spec())
    beside_c(first, options.rounds)
    latency(first)
    state_size(first)
    del first
    beside_c(Prepared.of("r2", workload.r2(options.events // 4), workload.r2_spec()), options.rounds)
    memory_r3(5 * options.events)


if __name__ == "__main__":
    main()
