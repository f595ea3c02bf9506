"""Kafka in, decisions in Kafka: the Flink host beside the embedded engine, each on the same topic, by CPU.

    python -m benchmarks.flink                       # 60,000 payments, one worker
    python -m benchmarks.flink --payments 200000 --trees 200

The topic is filled first. Of Flink, the CPU time of its TaskManagers counts from the first committed tenth of
the decisions to the last: starting JVMs and reading machine code are left out. The embedded host is
`ringfence run`, less what it takes over an empty topic; its sink is no part of that. Needs `make flink`.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kafka import broker

from benchmarks.api_load import payments
from benchmarks.model import write_model
from benchmarks.report import machine, show, versions
from ringfence.compose.definitions import load_definitions
from ringfence.compose.flink import Ends, flink_running

if TYPE_CHECKING:
    from tests.kafka import Broker

    from ringfence.compose.flink import FlinkRun

BAR = 40_000
"""Decisions per core-second, JSON in to decisions out, with a model of 200 trees."""

SHARE = 0.20
"""Of the embedded engine's rate per core-second."""

_TICKS = os.sysconf("SC_CLK_TCK")
_TOPIC = {"message.timestamp.type": "LogAppendTime"}


def embedded(address: str, model: list[str]) -> float:
    """CPU seconds of `ringfence run` over a topic, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "ringfence.cli", "run", address, "--data", folder, *model]
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def on_flink(kafka: Broker, ends: Ends, running: FlinkRun, count: int) -> tuple[float, float, float]:
    """Decisions per second, per CPU-second of TaskManagers, and checkpoints a second, once under way."""
    samples = []
    while not samples or samples[-1][1] < count:
        running.cluster.tend()
        done = len(kafka.content(ends.outputs["decisions"]))
        samples.append((time.monotonic(), done, _cpu(running), running.cluster.jobs.look(running.job)))
        time.sleep(0.5)
    first = next(one for one in samples if one[1] >= count / 10)
    last = samples[-1]
    seconds, decided, cpu = (last[n] - first[n] for n in range(3))
    return decided / seconds, decided / cpu, (last[3].checkpoints - first[3].checkpoints) / seconds


def _cpu(running: FlinkRun) -> float:
    """CPU seconds that the TaskManagers have taken."""
    total = 0
    for worker in running.cluster.workers:
        fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def main() -> int:
    """Print a table and the bars; 1 where one is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--payments", type=int, default=60_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--trees", type=int, default=0)
    asked = parser.parse_args()
    kafka = broker()
    source, empty, decisions, quarantine = (
        kafka.topic(2, **_TOPIC),
        kafka.topic(2),
        kafka.topic(),
        kafka.topic(),
    )
    bodies, chance, at = payments(asked.payments, "b", pace_ms=100), random.Random(1), 0
    while at < len(bodies):
        kafka.send(source, bodies[at : at + 2000], partition=chance.randrange(2))
        at += 2000
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        model = Path(folder) / "model"
        if asked.trees:
            write_model(model, asked.trees, bodies[:20_000])
        given = ["--model", str(model)] if asked.trees else []
        idle = embedded(f"kafka://{kafka.address}/{empty}", given)
        alone = asked.payments / (embedded(f"kafka://{kafka.address}/{source}", given) - idle)
        ends = Ends.of(f"kafka://{kafka.address}/{source}", f"{decisions}?quarantine={quarantine}")
        definitions = load_definitions(None, None, model if asked.trees else None)
        with flink_running(
            Path(folder), ends, definitions, workers=asked.workers, shards=8, checkpoint_ms=1000
        ) as running:
            wall, core, checkpoints = on_flink(kafka, ends, running, asked.payments)
    show(
        f"{machine()}; {versions('ringfence')}; {asked.workers} workers, {asked.trees} trees",
        ["host", "payments/s", "payments per CPU-second"],
        [["embedded engine", "", f"{alone:,.0f}"], ["Flink", f"{wall:,.0f}", f"{core:,.0f}"]],
    )
    print(f"{checkpoints:.1f} checkpoints a second")
    bars = [(core / alone, SHARE, "of the embedded engine's rate"), (core, BAR, "decisions per CPU-second")]
    for value, bar, what in bars:
        print(f"{'PASS' if value >= bar else 'FAIL'}: {value:,.2f} {what} (at least {bar:,})")
    return int(any(value < bar for value, bar, _ in bars))


if __name__ == "__main__":
    sys.exit(main())
