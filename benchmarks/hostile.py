"""Callers who may ask, and ask too much: what others notice of it. Each kind prints its bars and figures.

    python -m benchmarks.hostile                      # every kind, each for ten seconds
    python -m benchmarks.hostile --kinds bombs rules  # some
    python -m benchmarks.hostile --seconds 60

A process of its own sends, and the others go on: a till pays 50 times a second, now and then with a key that
the server has not met before, somebody reads decisions, and a third asks whether the server is there. The
figures, first of a quiet server and then of each kind, with their bars:

- turn: CPU of the event loop between such a question and its answer, at most 50 ms;
- memory: of the server beyond its start, at most 256 MB;
- payments: all decided, none by the deadline, with p99 within twice of quiet;
- reading: a page of decisions within a second.

Latencies are those of a machine that sender and server share: compare them on a quiet one. With `--control`
the same senders also send to a server that throws their bytes away, while the others go on as before: a
second ratio tells what of the first one is the server's own. The exit code is 1 where a bar was missed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from benchmarks.api_load import payments
from benchmarks.hostile_kinds import JSON, KINDS
from benchmarks.hostile_peer import with_peer
from benchmarks.report import machine, versions
from benchmarks.serving import Process
from ringfence.access.principal import Role
from ringfence.adapters.access.keys import ApiKeys

TURN_MS, MEMORY_MB, TIMES, READING_S = 50, 256, 2, 1.0
PAY_SECONDS = 0.02
_FEWEST = 3  # payments of each kind, however short it is
_PATIENCE_SECONDS = 180  # with a sender that starts, and with its last answers
NEW_KEYS = 300  # met by the server for the first time, one every tenth payment
FINE = frozenset(map(str, (200, 202, 400, 401, 404, 408, 409, 413, 415, 422, 429, 503))) | {"hung up"}


@dataclass
class Figures:
    """What the others notice."""

    paid_ms: list[float] = field(default_factory=list)
    undecided: Counter = field(default_factory=Counter)
    turns_ms: list[float] = field(default_factory=list)
    read_s: list[float] = field(default_factory=list)
    unread: Counter = field(default_factory=Counter)
    memory_mb: list[float] = field(default_factory=list)

    @property
    def p99_ms(self):
        return float(np.percentile(self.paid_ms, 99)) if self.paid_ms else 0.0


class Others:
    """Those who go on meanwhile."""

    def __init__(self, process, till, reader, new, excused=frozenset()):
        self.url, self.pid = process.url, process.pid
        self._till, self._reader, self._new = till, reader, iter(new)
        self._excused = excused
        self._number = itertools.count()
        self._name = b"others-%d" % self.pid
        self.start_mb = memory_mb(self.pid)

    @contextmanager
    def going_on(self):
        """Their figures, whole at the end."""
        found, over = Figures(), threading.Event()
        threads = [
            threading.Thread(target=work, args=(found, over)) for work in (self._pay, self._ask, self._read)
        ]
        for thread in threads:
            thread.start()
        try:
            yield found
            patience = time.perf_counter() + _PATIENCE_SECONDS
            while len(found.paid_ms) < _FEWEST and time.perf_counter() < patience:
                time.sleep(PAY_SECONDS)
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _pay(self, found, over):
        [body] = payments(1, "others")
        with httpx.Client(base_url=self.url, timeout=60) as http:
            while not over.wait(PAY_SECONDS):
                number = next(self._number)
                key = next(self._new, self._till) if number % 10 == 0 else self._till
                content = body.replace(b"others-0", b"%b-%d" % (self._name, number))
                begin = time.perf_counter()
                answer = http.post(
                    "/v1/decisions", content=content, headers=JSON | {"authorization": f"Bearer {key}"}
                )
                found.paid_ms.append(1000 * (time.perf_counter() - begin))
                said = answer.json()
                if answer.status_code != 200:
                    found.undecided[f"{answer.status_code} {said['code']}"] += 1
                for cause in set(said.get("degraded", ())) - self._excused:
                    found.undecided[cause] += 1

    def _ask(self, found, over):
        """The loop runs in the process's first thread."""
        with httpx.Client(base_url=self.url, timeout=60) as http:
            while not over.wait(0.004):
                begin = cpu_ms(self.pid)
                http.get("/healthz").raise_for_status()
                found.turns_ms.append(cpu_ms(self.pid) - begin)
                found.memory_mb.append(memory_mb(self.pid) - self.start_mb)

    def _read(self, found, over):
        with httpx.Client(
            base_url=self.url, headers={"authorization": f"Bearer {self._reader}"}, timeout=60
        ) as http:
            while not over.wait(0.1):
                begin = time.perf_counter()
                answer = http.get("/v1/decisions", params={"limit": 50})
                found.read_s.append(time.perf_counter() - begin)
                if answer.status_code != 200:
                    found.unread[answer.status_code] += 1


def cpu_ms(pid):
    """CPU of the first thread of a process."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e6


def memory_mb(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def send(kind, url, key, seconds):
    """Have a kind sent for so long; the statuses that the senders heard."""
    command = [sys.executable, "-m", "benchmarks.hostile_kinds", kind, url, key, str(seconds)]
    sent = subprocess.run(command, check=True, capture_output=True, timeout=seconds + _PATIENCE_SECONDS)
    return Counter(json.loads(sent.stdout))


@contextmanager
def sink():
    """The address of a server that throws away what it is sent, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.hostile_sink"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def measure(folder, kinds, seconds, controls=None):
    """Figures by kind, `quiet` first, and the statuses that the senders heard.

    `controls` gets the figures of each kind while it is sent to nobody.
    """
    data = folder / "data"
    keys = ApiKeys(data)
    every = frozenset({Role.INGEST, Role.DECIDE, Role.ANALYST})
    hostile, till, reader = (keys.create(name, every, 0) for name in ("hostile", "till", "reader"))
    new = [keys.create(f"new-{n}", every, 0) for n in range(NEW_KEYS)]
    keys.close()
    figures, statuses = {}, {}
    process = Process(data)
    try:
        others = Others(process, till, reader, new)
        with others.going_on():
            time.sleep(min(1.0, seconds))  # the first of everything
        with others.going_on() as figures["quiet"]:
            time.sleep(seconds)
        for kind in filter(KINDS.__contains__, kinds):
            if controls is not None:
                with sink() as url, others.going_on() as controls[kind]:
                    send(kind, url, hostile, seconds)
            with others.going_on() as figures[kind]:
                statuses[kind] = send(kind, process.url, hostile, seconds)
    finally:
        code = process.end()
    assert code == 0, f"the server ended with {code}"
    if "peers" in kinds:
        peer = with_peer(folder)
        process = Process(data)
        try:
            others = Others(process, till, reader, (), frozenset({"model"}))
            with others.going_on():
                time.sleep(min(1.0, seconds))  # the first of everything, as above
            with others.going_on() as figures["peers"]:
                time.sleep(seconds)
        finally:
            code = process.end()
            peer.kill()
            peer.wait()
        assert code == 0, f"the server ended with {code}"
    return figures, statuses


def report(figures, statuses, controls=None):
    """The lines of a table; the last one begins with PASS or FAIL."""
    quiet, missed = figures["quiet"], 0
    yield f"{'kind':24}  turn ms  memory MB  payments  not   p99 ms  to quiet  read s"
    for kind, found in figures.items():
        turn, memory = max(found.turns_ms, default=0.0), max(found.memory_mb, default=0.0)
        read = max(found.read_s, default=0.0)
        over = [
            name
            for name, is_over in (
                ("turn", turn > TURN_MS),
                ("memory", memory > MEMORY_MB),
                ("undecided", found.undecided.total() > 0),
                ("p99", found.p99_ms > TIMES * quiet.p99_ms),
                ("reading", read > READING_S or found.unread.total() > 0),
            )
            if is_over
        ]
        missed += len(over)
        yield (
            f"{kind:24} {turn:8.1f} {memory:10.0f} {len(found.paid_ms):9,} {found.undecided.total():4} "
            f"{found.p99_ms:8.1f} {found.p99_ms / quiet.p99_ms:9.1f} {read:7.2f}  "
            f"{'FAIL: ' + ', '.join(over) if over else 'PASS'}"
        )
        if controls and kind in controls:
            alone = controls[kind].p99_ms
            yield f"         p99 {found.p99_ms / alone:.1f} times that with senders to nobody, {alone:.1f} ms"
        if found.undecided:
            yield f"         not decided: {dict(found.undecided)}"
        if found.unread:
            yield f"         not read: {dict(found.unread)}"
        if kind in statuses:
            told = sorted(statuses[kind].items(), key=str)
            yield "         the senders heard " + ", ".join(f"{status}: {count:,}" for status, count in told)
    yield (
        f"bars: turn {TURN_MS} ms, memory {MEMORY_MB} MB, every payment decided, p99 within {TIMES} x quiet, "
        f"reading within {READING_S:g} s"
    )
    yield f"{'FAIL' if missed else 'PASS'}: {missed} bars missed"


def strange(statuses):
    """Answers that no request may get."""
    return {status for found in statuses.values() for status in found} - FINE


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--kinds", nargs="+", default=[*KINDS, "peers"], choices=[*KINDS, "peers"])
    parser.add_argument("--control", action="store_true", help="send each kind to nobody, too")
    options = parser.parse_args()
    print(machine())
    print(versions("httpx", "uvicorn", "zstandard"))
    with tempfile.TemporaryDirectory() as scratch:
        controls = {} if options.control else None
        figures, statuses = measure(Path(scratch), options.kinds, options.seconds, controls)
    told = list(report(figures, statuses, controls))
    print(*told, sep="\n")
    assert not strange(statuses), f"answers with {strange(statuses)}"
    return int(told[-1].startswith("FAIL"))


if __name__ == "__main__":
    sys.exit(main())
