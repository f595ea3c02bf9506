"""A disk that fills up under the whole server while payments are in flight, and that has room again later.

python -m benchmarks.full_disk --rounds 10

Log, snapshots, followers, audit trail and outbox lie on one small disk of memory, which a mount namespace of
its own hides from everybody else (`unshare`, as root or where users may have one). Each round takes all the
room away while callers send payments one by one and in batches, until the server has ended by itself. What
they were told by then has to be a decision or an error that says what it is; a start without room has to
say so, too. Once there is room, every acknowledged decision is there, unchanged, and the same payments are
decided once. At the end the log equals its replay, and the audit trail verifies.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from benchmarks.crash import CALLERS, BatchCaller, Caller, assert_equal_to_a_replay, payment, wait_for
from benchmarks.report import machine
from benchmarks.serving import RINGFENCE, Process
from ringfence.client import Answer, Client

ROOM_MIB = 128
_FEW = 40  # answers before the room goes
_MOST = 4000  # payments of a caller: what was allocated before takes some more
_PATIENCE_SECONDS = 120
NO_ROOM = 3  # the exit code
UNAVAILABLE = 503


class OneByOne(Caller):
    """Sends payments until nobody listens, whatever it is told; keeps what was not a decision."""

    def __init__(self, url, bodies):
        super().__init__(url, bodies)
        self.refused = Counter()
        self.wrong = []

    def run(self):
        try:
            super().run()
        except Exception as error:  # noqa: BLE001 (told by the thread that asks)
            self.wrong.append(repr(error))

    def send(self, http):
        for body in self.bodies:
            answer = http.post("/v1/decisions", json=body)
            if answer.status_code == 200:
                self.note(answer.json())
            else:
                problem = answer.json()
                if answer.status_code != UNAVAILABLE:
                    self.wrong.append(answer.text)
                self.refused[f"{answer.status_code} {problem['code']}: {problem['detail']}"] += 1


class InBatches(BatchCaller):
    """Likewise many at once, of which each has an answer of its own."""

    def __init__(self, url, bodies):
        super().__init__(url, bodies)
        self.refused = Counter()

    def hear(self, line):
        if "decision" in line:
            self.note(line["decision"])
        else:
            self.refused[f"a line of a batch: {line.get('error', line)}"] += 1


def fill(disk: Path) -> Path:
    """Take all the room there is; a new file that has it."""
    with tempfile.NamedTemporaryFile(dir=disk, prefix="filler", buffering=0, delete=False) as file:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    return Path(file.name)


def attempt(disk: Path, seed: int, number: int) -> tuple[dict, Counter]:
    """One round; what was acknowledged, and what callers were told instead of a decision."""
    folder, chance = disk / "data", random.Random(f"{seed} {number}")
    now_ms = time.time_ns() // 1_000_000
    sent = [payment(f"r{number}-{n}", chance, now_ms + n) for n in range(_MOST)]
    log = disk.parent / f"server-{number}.log"
    process = Process(folder, log=log)
    callers = [OneByOne(process.url, sent[who :: CALLERS + 1]) for who in range(CALLERS)]
    callers.append(InBatches(process.url, sent[CALLERS :: CALLERS + 1]))
    for caller in callers:
        caller.start()
    wait_for(callers, _FEW)
    fillers = [fill(disk)]
    for caller in callers:
        caller.join()
    code = process.end(0)  # it ends by itself
    assert [one for caller in callers[:CALLERS] for one in caller.wrong] == []
    assert code == NO_ROOM, f"the server ended with {code}: {log.read_text()[-2000:]}"
    assert "no room left" in log.read_text()
    told = {identity: answer for caller in callers for identity, answer in caller.told.items()}
    refused = sum((caller.refused for caller in callers), Counter())
    fillers.append(fill(disk))  # the end gave some back
    assert_refuses_to_start(folder)
    for filler in fillers:
        filler.unlink()
    assert_all_there(folder, sent, told)
    return told, refused


def assert_refuses_to_start(folder: Path) -> None:
    """Without room it ends with the reason, and takes nothing."""
    command = [RINGFENCE, "serve", "--data", str(folder), "--port", "0"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS)
    assert ran.returncode == NO_ROOM, ran.stderr
    assert "no room left" in ran.stderr, ran.stderr


def assert_all_there(folder: Path, sent: list[dict], told: dict) -> None:
    """With room it goes on: what was acknowledged is as it was, and what comes again is decided once."""
    process = Process(folder)
    try:
        with Client(process.url, timeout_seconds=_PATIENCE_SECONDS) as client:
            assert {one: client.decision(one)["decision"] for one in told} == told
            again = client.decide_batch(sent[: len(told) + 500])
        found = [one for one in again if isinstance(one, Answer)]
        assert len(found) == len(again)
        assert all(one.replayed for one in found if one.transaction_id in told)
        assert len({one.offset for one in found}) == len(found), "two payments share a place in the log"
    finally:
        assert process.end() == 0


def run(disk: Path, rounds: int, seed: int) -> tuple[int, int, Counter]:
    """Acknowledged decisions that were found again, decisions in all, and what callers were told."""
    checked, refused = 0, Counter()
    for number in range(rounds):
        told, instead = attempt(disk, seed, number)
        checked, refused = checked + len(told), refused + instead
        print(f"round {number + 1}: {checked:,} acknowledged decisions found again", flush=True)
    verify = [RINGFENCE, "audit", "verify", "--data", str(disk / "data")]
    ran = subprocess.run(verify, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return checked, assert_equal_to_a_replay(disk / "data"), refused


def apart(*options: str) -> subprocess.CompletedProcess[str]:
    """This module in a mount namespace of its own, with a small disk in a new folder."""
    with tempfile.TemporaryDirectory() as scratch:
        disk = Path(scratch) / "disk"
        disk.mkdir()
        whose = [] if os.geteuid() == 0 else ["--map-root-user"]
        mount = f'mount -t tmpfs -o size={ROOM_MIB}m tmpfs "$0" && exec "$@"'
        inside = [sys.executable, "-m", "benchmarks.full_disk", "--disk", str(disk), *options]
        command = ["unshare", *whose, "--mount", "sh", "-c", mount, str(disk), *inside]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--disk", type=Path, help=argparse.SUPPRESS)  # the small one, once it is there
    options = parser.parse_args()
    if options.disk is None:
        ran = apart("--rounds", str(options.rounds), "--seed", str(options.seed))
        print(ran.stdout, end="")
        return ran.returncode
    print(machine())
    checked, count, refused = run(options.disk, options.rounds, options.seed)
    print(*(f"{times:,} x {what}" for what, times in refused.most_common()), sep="\n")
    print(f"{options.rounds} full disks, {checked:,} acknowledged, {count:,} decided once, equal to a replay")
    return 0


if __name__ == "__main__":
    sys.exit(main())
