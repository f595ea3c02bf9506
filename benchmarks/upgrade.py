"""Another version of the service takes over the folder while callers go on: nothing is lost, nothing twice.

python -m benchmarks.upgrade --rounds 6 --old ../ringfence-0.1/src

As a deployment on ECS does it: the old process is asked to end and ends, then the new one starts on the same
volume; every second round goes back to the old version. Callers repeat a payment until it is answered. At the
end every payment has one decision, the one that its caller was told, and a replay finds the same ones.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np

from benchmarks.api_load import payments
from benchmarks.serving import RINGFENCE, Process
from ringfence.adapters.sqlite import Store
from ringfence.decisions.decision import DecisionBatch
from ringfence.ports import DECISIONS

CALLERS = 4
PAUSE_SECONDS = 0.01  # of a caller, between two payments and before it repeats one
UNDER_WAY = 40  # payments that are answered before and after each exchange


class Caller(threading.Thread):
    """Sends its payments one after another to whoever serves; remembers answers, and when each came."""

    def __init__(self, bodies: list[bytes], address: dict[str, str], told: dict[str, tuple[dict, float]]):
        super().__init__()
        self.bodies, self.address, self.told = bodies, address, told
        self.repeated = 0

    def run(self) -> None:
        with httpx.Client(timeout=30, headers={"content-type": "application/json"}) as http:
            for body in self.bodies:
                while (answer := self.attempt(http, body)) is None:
                    self.repeated += 1
                    time.sleep(PAUSE_SECONDS)
                self.told[answer["transaction_id"]] = answer, time.monotonic()
                time.sleep(PAUSE_SECONDS)

    def attempt(self, http: httpx.Client, body: bytes) -> dict | None:
        try:
            answer = http.post(f"{self.address['url']}/v1/decisions", content=body)
        except httpx.TransportError:
            return None
        return answer.json() if answer.status_code == 200 else None


def exchange(folder: Path, rounds: int, count: int, old: Path | None) -> bool:
    """All rounds; whether everything is there once and as it was told."""
    versions = [{"PYTHONPATH": str(old)} if old else {}, {}]
    address: dict[str, str] = {}
    told: dict[str, tuple[dict, float]] = {}
    bodies = payments(count, "p")
    server = Process(folder, **versions[0])
    address["url"] = server.url
    callers = [Caller(bodies[number::CALLERS], address, told) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    exchanges: list[tuple[float, float]] = []
    for number in range(1, rounds + 1):
        await_more(told, callers)
        begin = time.monotonic()
        assert server.end() == 0
        server = Process(folder, **versions[number % 2])
        address["url"] = server.url
        exchanges.append((begin, time.monotonic()))
    await_more(told, callers)
    for caller in callers:
        caller.join()
    assert server.end() == 0
    whole = check(folder, told, count)
    at = np.sort([when for _, when in told.values()])
    gaps = [float(at[at > end].min() - at[at <= begin].max()) for begin, end in exchanges if (at > end).any()]
    print(
        f"{rounds} exchanges, {count:,} payments, {sum(one.repeated for one in callers):,} attempts repeated"
    )
    print(f"without answers for {np.median(gaps):.1f} s (median), {max(gaps):.1f} s at most")
    return whole


def await_more(told: dict[str, tuple[dict, float]], callers: list[Caller]) -> None:
    wanted = len(told) + UNDER_WAY
    while len(told) < wanted and any(one.is_alive() for one in callers):
        time.sleep(0.02)


def check(folder: Path, told: dict[str, tuple[dict, float]], count: int) -> bool:
    """Every payment was answered, is in the log once, and says there what its caller was told."""
    with Store.open(folder, read_only=True) as store:
        stored: list[tuple[str, str]] = []
        for batch in store.log.read(DECISIONS):
            table = DecisionBatch.decode(batch.payload).table
            stored += zip(
                table.column("transaction_id").to_pylist(), table.column("outcome").to_pylist(), strict=True
            )
    answers = {name: answer["outcome"] for name, (answer, _) in told.items()}
    once = len(stored) == count and dict(stored) == answers
    command = [RINGFENCE, "replay", "--verify", "--data", str(folder)]
    replayed = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    print(f"each of {count:,} payments decided once, as its caller was told: {once}")
    print(f"a replay decides the same: {replayed.returncode == 0}")
    return once and replayed.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--payments", type=int, default=4000)
    parser.add_argument("--old", type=Path, default=None, help="sources of another version: its folder src")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        whole = exchange(Path(scratch) / "data", asked.rounds, asked.payments, asked.old)
    print("PASS" if whole else "FAIL")
    raise SystemExit(not whole)


if __name__ == "__main__":
    main()
