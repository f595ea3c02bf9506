"""Kafka in, decisions in Kafka: the Flink host beside the embedded engine, each on the same topic, by CPU.

    python -m benchmarks.flink                       # 60,000 payments, one worker
    python -m benchmarks.flink --payments 200000 --trees 200
    python -m benchmarks.flink --rate 5000           # how much later a decision is there than its payment
    python -m benchmarks.flink --payments 500000 --most-per-second 5000     # a backlog, and its checkpoints

The topic is filled first, but not with `--rate`: then the time from the broker's stamp on a payment to that
on its decision counts, which a reader of uncommitted records sees; others wait for the next checkpoint. Of
Flink, the CPU time of its TaskManagers counts from the first committed tenth of the decisions to the last:
starting JVMs and reading machine code are left out. The embedded host is `ringfence run`, less what it takes
over an empty topic; its sink is no part of that. Needs `make flink`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import chdir, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer
from tests.kafka import broker

from benchmarks.api_load import payments
from benchmarks.counted import Counted
from benchmarks.model import write_model
from benchmarks.report import machine, show, versions
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.flink_host.running import Ends, flink_running

if TYPE_CHECKING:
    from tests.kafka import Broker

    from ringfence.adapters.flink.rest import JobLook
    from ringfence.compose.flink_host.running import FlinkRun

BAR = 40_000
"""Decisions per core-second, JSON in to decisions out, with a model of 200 trees."""

SHARE = 0.20
"""Of the embedded engine's rate per core-second."""

LATEST_MS = 150
"""At the 99th percentile, from a payment's record to its decision's."""

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


def on_flink(ends: Ends, running: FlinkRun, count: int) -> tuple[float, float, float, list[int]]:
    """Decisions per second, per CPU-second of TaskManagers, and checkpoints a second, once under way.

    Last, how many milliseconds each checkpoint took, in rising order.
    """
    lengths: dict[int, int] = {}
    samples: list[tuple[float, int, float, JobLook, Counter[str]]] = []
    counted = Counted(ends.source, ends.outputs["decisions"])
    while not samples or samples[-1][1] < count:
        running.cluster.tend()
        done, look = counted.now(), running.cluster.jobs.look(running.job)
        if done >= count / 10:
            lengths |= running.cluster.jobs.checkpoints(running.job)
        samples.append((time.monotonic(), done, _cpu(running), look, _threads(running)))
    counted.close()
    first = next(one for one in samples if one[1] >= count / 10)
    last = samples[-1]
    seconds, decided, cpu = last[0] - first[0], last[1] - first[1], last[2] - first[2]
    spent = (last[4] - first[4]).most_common(14)
    show(
        "TaskManagers by thread, CPU",
        ["thread", "µs a decision"],
        [[name, f"{1e6 * taken / decided:.1f}"] for name, taken in spent],
    )
    checkpoints = (last[3].checkpoints - first[3].checkpoints) / seconds
    return decided / seconds, decided / cpu, checkpoints, sorted(lengths.values())


def _spread(lengths: list[int]) -> str:
    """The middle and the longest of some checkpoints."""
    return f"one takes {lengths[len(lengths) // 2]:,} ms in the middle, {lengths[-1]:,} ms at most"


def _cpu(running: FlinkRun) -> float:
    """CPU seconds that the TaskManagers have taken."""
    total = 0
    for worker in running.cluster.workers:
        fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def _threads(running: FlinkRun) -> Counter[str]:
    """CPU seconds of the TaskManagers by the names of their threads, without numbers."""
    found: Counter[str] = Counter()
    for worker in running.cluster.workers:
        for task in Path(f"/proc/{worker.pid}/task").iterdir():
            with suppress(OSError):
                fields = (task / "stat").read_text().rpartition(")")[2].split()
                name = re.sub(r"[\d()/#]+", "", (task / "comm").read_text()).strip(" ->\n")
                found[name] += (int(fields[11]) + int(fields[12])) / _TICKS
    return found


def delays(kafka: Broker, ends: Ends, running: FlinkRun, rate: int, seconds: int) -> list[int]:
    """Milliseconds from a payment's record to its decision's, at so many payments a second."""
    topic, chance = ends.source.address.topics[0], random.Random(1)
    warm = 0
    counted = Counted(ends.source, ends.outputs["decisions"])
    while counted.now() < 1:  # machine code is read by the first decision
        kafka.send(topic, payments(1, f"warm{warm}"), partition=warm % 2)
        warm += 1
    counted.close()
    bodies, step = payments(rate * seconds, "r"), max(rate // 50, 1)
    begin = time.monotonic()
    producer = Producer({"bootstrap.servers": kafka.address, "linger.ms": 5})
    for at in range(0, len(bodies), step):
        for body in bodies[at : at + step]:
            producer.produce(topic, body, partition=chance.randrange(2))
        producer.poll(0)
        time.sleep(max(begin + (at + step) / rate - time.monotonic(), 0))
    producer.flush(60)
    print(f"{len(bodies) / (time.monotonic() - begin):,.0f} payments/s sent")
    sent = {
        json.loads(one.value())["transaction_id"]: one.timestamp()[1]
        for one in kafka.content(topic)
        if one.value()
    }
    counted = Counted(ends.source, ends.outputs["decisions"])
    while counted.now() < len(sent):
        running.cluster.tend()
    counted.close()
    decided = {one.key().decode(): one.timestamp()[1] for one in kafka.content(ends.outputs["decisions"])}
    late = [decided[name] - at for name, at in sent.items() if name.startswith("r-")]
    return sorted(late[len(late) // 4 :])


def main() -> int:
    """Print a table and the bars; 1 where one is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--payments", type=int, default=60_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--trees", type=int, default=0)
    parser.add_argument("--rate", type=int, default=0)
    parser.add_argument("--most-per-second", type=int, default=None)
    parser.add_argument("--seconds", type=int, default=30)
    asked = parser.parse_args()
    kafka = broker()
    source, empty, decisions = kafka.topic(2, **_TOPIC), kafka.topic(2), kafka.topic(1, **_TOPIC)
    to = f"{decisions}?quarantine={kafka.topic()}&flag_matches={kafka.topic()}"
    count = 0 if asked.rate else asked.payments
    bodies, chance, at = payments(count or 25_000, "b", pace_ms=100), random.Random(1), 0
    while at < count:
        kafka.send(source, bodies[at : at + 2000], partition=chance.randrange(2))
        at += 2000
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        model = Path(folder) / "model"
        if asked.trees:
            write_model(model, asked.trees, bodies[:20_000])
        given = ["--model", str(model)] if asked.trees else []
        ends = Ends.of(f"kafka://{kafka.address}/{source}", to)
        definitions = load_definitions(None, None, model if asked.trees else None)
        running_at: dict[str, Any] = {"workers": asked.workers, "shards": 8, "checkpoint_ms": 1000}
        running_at["most_per_second"] = asked.most_per_second
        if asked.rate:
            with flink_running(Path(folder), ends, definitions, **running_at) as running:
                late = delays(kafka, ends, running, asked.rate, asked.seconds)
            p50, p99 = late[len(late) // 2], late[len(late) * 99 // 100]
            is_good = p99 <= LATEST_MS
            print(f"{'PASS' if is_good else 'FAIL'}: p50 {p50} ms, p99 {p99} ms (at most {LATEST_MS})")
            return int(not is_good)
        idle = embedded(f"kafka://{kafka.address}/{empty}", given)
        alone = asked.payments / (embedded(f"kafka://{kafka.address}/{source}", given) - idle)
        with flink_running(Path(folder), ends, definitions, **running_at) as running:
            wall, core, checkpoints, lengths = on_flink(ends, running, asked.payments)
    show(
        f"{machine()}; {versions('ringfence')}; {asked.workers} workers, {asked.trees} trees",
        ["host", "payments/s", "payments per CPU-second"],
        [["embedded engine", "", f"{alone:,.0f}"], ["Flink", f"{wall:,.0f}", f"{core:,.0f}"]],
    )
    print(f"{checkpoints:.1f} checkpoints a second; {_spread(lengths)}")
    bars = [(core / alone, SHARE, "of the embedded engine's rate"), (core, BAR, "decisions per CPU-second")]
    for value, bar, what in bars:
        print(f"{'PASS' if value >= bar else 'FAIL'}: {value:,.2f} {what} (at least {bar:,})")
    return int(any(value < bar for value, bar, _ in bars))


if __name__ == "__main__":
    sys.exit(main())
