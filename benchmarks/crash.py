"""kill -9 of a server under load, round after round: nothing that was answered is lost, changed or doubled.

python -m benchmarks.crash --rounds 50
"""

from __future__ import annotations

import argparse
import random
import signal
import tempfile
import threading
import time
from pathlib import Path

import httpx

from benchmarks.serving import Process
from ringfence.client import Answer, Client
from ringfence.compose import load_definitions, open_session
from ringfence.decisions.decision import DecisionBatch
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.runner import Snapshotting

CALLERS = 4


class Caller(threading.Thread):
    """Sends its payments one after the other until the server is gone; remembers what it was told."""

    def __init__(self, url, bodies):
        super().__init__()
        self.url = url
        self.bodies = bodies
        self.told = {}

    def run(self):
        with httpx.Client(base_url=self.url) as http:
            for body in self.bodies:
                try:
                    answer = http.post("/v1/decisions", json=body)
                except httpx.TransportError:
                    return
                if answer.status_code == 200 and answer.json()["offset"] is not None:
                    self.told[body["transaction_id"]] = answer.json()


def payment(identity, chance, now_ms):
    return {
        "transaction_id": identity,
        "event_time": now_ms,
        "amount": f"{chance.uniform(1, 500):.2f}",
        "currency": "EUR",
        "card_id": f"c{chance.randrange(5)}",
        "merchant_id": f"m{chance.randrange(3)}",
    }


def attempt(folder: Path, seed: int, name: str, count: int) -> int:
    """One round on a folder that may have had others; how many answers were checked."""
    chance = random.Random(f"{seed} {name}")
    now_ms = time.time_ns() // 1_000_000
    sent = [payment(f"{name}-{number}", chance, now_ms + number) for number in range(count)]
    process = Process(folder)
    callers = [Caller(process.url, sent[who::CALLERS]) for who in range(CALLERS)]
    for caller in callers:
        caller.start()
    time.sleep(chance.uniform(0.0, count / 400))
    process.end(signal.SIGKILL)
    for caller in callers:
        caller.join()
    told = {identity: answer for caller in callers for identity, answer in caller.told.items()}
    process = Process(folder)
    with Client(process.url, timeout_seconds=30) as client:
        stored = {identity: client.decision(identity)["decision"] for identity in told}
        retried = client.decide_batch(sent)
    process.end()
    assert stored == told, "an acknowledged decision is missing or has changed"
    found = [answer for answer in retried if isinstance(answer, Answer)]
    assert len(found) == count
    assert all(answer.replayed for answer in found if answer.transaction_id in told)
    assert len({answer.offset for answer in found}) == count, "two payments share a place in the log"
    return len(told)


def assert_equal_to_a_clean_run(folder: Path, clean: Path) -> int:
    """The same log, decided in one go by a process that nobody kills; how many decisions there are."""
    with opened(folder) as session:
        found = decided(session)
        events = [codec.decode(batch.payload) for batch in session.store.log.read("events")]
    with opened(clean) as session:
        session.runner.ingest(EventBatch.concat(events))
        assert decided(session) == found, "features or decisions differ from a clean run"
    identities = [identity for identity, *_ in found]
    assert len(set(identities)) == len(identities), "a payment was decided twice"
    return len(found)


def opened(folder):
    return open_session(folder, load_definitions(None, None), Snapshotting())


def decided(session):
    batches = [DecisionBatch.decode(batch.payload) for batch in session.store.log.read("decisions")]
    return [
        (one.transaction_id, one.outcome, one.score, one.reasons, one.features)
        for batch in batches
        for one in batch
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--payments", type=int, default=400)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, checked = Path(scratch) / "crashed", 0
        for number in range(options.rounds):
            checked += attempt(folder, options.seed, f"r{number}", options.payments)
            print(f"round {number + 1}: {checked:,} acknowledged decisions found again", flush=True)
        count = assert_equal_to_a_clean_run(folder, Path(scratch) / "clean")
        print(
            f"{options.rounds} kills, {checked:,} acknowledged, {count:,} decided once, equal to a clean run"
        )


if __name__ == "__main__":
    main()
