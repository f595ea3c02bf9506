"""Open-loop load on the decision API: latency counts from the moment at which a request was meant to be sent.

    python -m benchmarks.api_load               # rates, peak beside a route that only echoes, overload, batch
    python -m benchmarks.api_load --rate 3000   # one rate
    python -m benchmarks.api_load --trees 200   # with a model of so many trees, which sends 1 % to review
    python -m benchmarks.api_load --soak 300    # memory of the server, for so many seconds at 1,000 a second

Server and client (`benchmarks/load`) run in processes of their own. Peak is what comes back when each of 128
connections sends its next payment as soon as it has an answer; overload is twice that, whatever comes back.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from benchmarks.load import Outcome, send
from benchmarks.model import write_model
from benchmarks.report import machine, show, versions


def payments(
    count: int, name: str, seed: int = 1, people: int = 5000, begin_ms: int = 0, pace_ms: float = 0.25
) -> list[bytes]:
    """Bodies of so many payments, of people with a card and a device each; from `begin_ms`, or now, on."""
    chance = random.Random(seed)
    begin_ms = begin_ms or time.time_ns() // 1_000_000
    bodies = []
    for number in range(count):
        who = chance.randrange(people)
        device = who if chance.random() < 0.97 else chance.randrange(10**6)
        bodies.append(
            f'{{"transaction_id":"{name}-{number}","event_time":{begin_ms + int(number * pace_ms)},'
            f'"amount":"{chance.uniform(1, 300):.2f}",'
            f'"currency":"EUR","card_number":"{who * 10 + 4 * 10**15}",'
            f'"customer_id":"c{who}","merchant_id":"m{chance.randrange(500)}",'
            f'"device_id":"d{device}","ip":"10.{who // 62500}.{who // 250 % 250}.{who % 250}",'
            f'"country":"DE","lat":52.5,"lon":13.4,"channel":"online"}}'.encode()
        )
    return bodies


_DAYS = 30  # of payments at their pace, 5 million: one dated ahead of the clock would be refused
GOODPUT, OVERLOAD_MS = 0.6, 50
"""At twice the peak: share of the peak that has to be answered, and p99 of those answers."""


class World:
    """Payments at a believable pace: of each of 20,000 people some eight a day, wherever the clock is.

    Were they all of the last minute, rules on velocity would send a third of them to review.
    """

    people, pace_ms = 20_000, 500

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        self._now_ms = time.time_ns() // 1_000_000 - _DAYS * 86_400_000

    def payments(self, count: int, name: str) -> list[bytes]:
        """Bodies of the next ones."""
        self._seed += 1
        found = payments(count, name, self._seed, self.people, self._now_ms, self.pace_ms)
        self._now_ms += count * self.pace_ms
        return found


WORLD = World()


@contextmanager
def server(*command: str, port: int):
    """A server in a process of its own, ready."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def drive(port: int, name: str, rate: float, seconds: float) -> Outcome:
    """At a rate for a while; with rate 0, `seconds` thousand payments as fast as they go."""
    return send(port, "/v1/decisions", WORLD.payments(int((rate or 1000) * seconds), name), rate)


def batch_rate(port: int, name: str, count: int = 50_000, world: World = WORLD) -> float:
    body = b"\n".join(world.payments(count, name))
    begin = time.perf_counter()
    headers = {"content-type": "application/x-ndjson"}
    answer = httpx.post(
        f"http://127.0.0.1:{port}/v1/decisions/batch", content=body, headers=headers, timeout=60
    )
    took = time.perf_counter() - begin
    assert answer.text.count('"status":200') == count
    return count / took


def reviewed(port: int) -> float:
    """Share of all decisions so far that somebody will look at: those cost reasons as well."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    found = dict(re.findall(r'^ringfence_decisions_total\{outcome="(\w+)"\} (\S+)', text, re.MULTILINE))
    counts = {outcome: float(count) for outcome, count in found.items()}
    return (counts["review"] + counts["decline"]) / sum(counts.values())


def row(name: str, wanted: float, found: Outcome) -> list[str]:
    return [
        name,
        f"{wanted:,.0f}" if wanted else "all",
        f"{found.rate:,.0f}",
        *(found.quantile(q) for q in (0.5, 0.95, 0.99, 0.999)),
        f"{found.refused:,}",
        f"{found.failed:,}",
    ]


def resident_mib(pid: int) -> float:
    """Memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def soak(pid: int, port: int, seconds: int, rate: float = 1000.0, step: float = 10.0) -> None:
    """The same people pay over and over: memory must level out."""
    print(f"{0:6} s {resident_mib(pid):8,.0f} MiB")
    for number in range(int(seconds / step)):
        found = send(port, "/v1/decisions", payments(int(rate * step), f"soak{number}"), rate)
        print(
            f"{(number + 1) * step:6.0f} s {resident_mib(pid):8,.0f} MiB  answered {found.rate:,.0f}/s, "
            f"p99 {found.quantile(0.99)} ms, refused {found.refused}",
            flush=True,
        )


def verdict(turn: int, found: Outcome, peak: float) -> str:
    """Whether a run at twice the peak held both bars."""
    share = found.rate / peak
    p99 = float(np.quantile(found.accepted_ms, 0.99)) if len(found.accepted_ms) else np.inf
    held = share >= GOODPUT and p99 <= OVERLOAD_MS
    return (
        f"{'PASS' if held else 'FAIL'}: overload {turn + 1}: {share:.2f} of the peak (at least {GOODPUT}), "
        f"p99 {p99:.1f} ms (at most {OVERLOAD_MS})"
    )


def measure(port: int, seconds: float, rates: list[float] | None, overloads: int) -> list[list[str]]:
    """Rates, then peak beside the echo (in turns), overloads, batch."""
    rows = [
        row("decide", rate, drive(port, f"run{number}", rate, seconds))
        for number, rate in enumerate(rates or (1000, 2000, 3000))
    ]
    if rates is not None:
        return rows
    other = free_port()
    peaks: dict[str, list[float]] = {"decide": [], "echo": []}
    with server(sys.executable, "-m", "benchmarks.echo", str(other), port=other):
        for turn in range(3):
            for name, where in (("decide", port), ("echo", other)):
                found = drive(where, f"peak{turn}", 0, 2 * seconds)
                peaks[name].append(found.rate)
                rows.append(row(name, 0, found))
    peak, echo = float(np.median(peaks["decide"])), float(np.median(peaks["echo"]))
    print(f"peak {peak:,.0f}/s, echo {echo:,.0f}/s: ratio {peak / echo:.2f}")
    for turn in range(overloads):
        found = drive(port, f"over{turn}", 2 * peak, seconds)
        rows.append(row("decide", 2 * peak, found))
        print(verdict(turn, found, peak), flush=True)
    batches = [batch_rate(port, f"batch{turn}") for turn in range(3)]
    print(f"batch route: {np.median(batches):,.0f} payments/s ({min(batches):,.0f} to {max(batches):,.0f})")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, action="append")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--overloads", type=int, default=1, help="runs at twice the peak")
    parser.add_argument("--soak", type=int)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--trees", type=int, default=0)
    options = parser.parse_args()
    port, ringfence = free_port(), str(Path(sys.executable).with_name("ringfence"))
    with tempfile.TemporaryDirectory() as scratch:
        command = [ringfence, "serve", "--data", str(options.data or scratch), "--port", str(port)]
        if options.trees:
            model = Path(scratch) / "model"
            write_model(model, options.trees, World(seed=1000).payments(40_000, "learned"))
            command += ["--model", str(model)]
        with server(*command, port=port) as process:
            drive(port, "warm", 500, 2)
            if options.soak:
                soak(process.pid, port, options.soak)
                return
            rows = measure(port, options.seconds, options.rate, options.overloads)
            print(f"{options.trees} trees; {reviewed(port):.1%} of the decisions went to review or further")
    columns = ("route", "sent/s", "answered/s", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "refused", "failed")
    show(f"{machine()}; {versions('ringfence', 'uvicorn')}; cpus {os.cpu_count()}", columns, rows)


if __name__ == "__main__":
    main()
