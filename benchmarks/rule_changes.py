"""Rules and lists change while payments are decided: nothing fails, every decision names its version.

python -m benchmarks.rule_changes --seconds 30
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from pathlib import Path

import httpx

from benchmarks.serving import Process
from ringfence.adapters.sqlite import Store
from ringfence.cli.backends.remote_desk import RemoteDesk
from ringfence.cli.backends.sheets import confirmed
from ringfence.decisions.decision import DecisionBatch
from ringfence.features.catalog import CATALOG
from ringfence.ports import DECISIONS
from ringfence.replay import verify
from ringfence.rulebook.entries import Entry
from ringfence.scoring.rulesets.actions import ListKind
from ringfence.scoring.rulesets.rules import RuleSet

BOOK = """
name: own
rules:
  - {{id: dear, title: Dear, when: amount > {limit}, outcome: review, reason: DEAR, analyst: Dear.}}
  - {{id: bad, title: Bad, when: merchant.blocked, outcome: decline, reason: BAD, analyst: Bad.}}
  - {{id: often, title: Often, when: card.count_1h > 20, points: 10, reason: OFTEN, analyst: Often.,
     add_to: {{list: often, entity: card, cap_per_day: 5}}}}
"""


class Caller(threading.Thread):
    """Asks for one decision after the other; keeps the answers, and whatever else came back."""

    def __init__(self, url, name, until):
        super().__init__()
        self.url, self.name, self.until = url, name, until
        self.answers, self.failures, self.worst_ms = [], [], 0.0

    def run(self):
        chance = random.Random(self.name)
        with httpx.Client(base_url=self.url, timeout=30) as http:
            number = 0
            while time.monotonic() < self.until:
                body = payment(f"{self.name}-{number}", chance)
                number += 1
                begin = time.perf_counter()
                answer = http.post("/v1/decisions", json=body)
                self.worst_ms = max(self.worst_ms, 1000 * (time.perf_counter() - begin))
                (self.answers if answer.status_code == 200 else self.failures).append(answer.json())


def payment(identity, chance):
    return {
        "transaction_id": identity,
        "event_time": time.time_ns() // 1_000_000,
        "amount": f"{chance.uniform(1, 500):.2f}",
        "currency": "EUR",
        "card_id": f"c{chance.randrange(20)}",
        "merchant_id": f"m{chance.randrange(5)}",
    }


def save_and_activate(desk, text, note):
    """Saves a version and puts it in force, with the seal of its impact sheet."""
    return confirmed(lambda seal: desk.save(text, "head", note, activate=True, confirm=seal), yes=True)


def change(desk, number):
    """Saves a version, puts it in force, and puts somebody on a list or off it again."""
    text = BOOK.format(limit=100 + number)
    digest = save_and_activate(desk, text, f"change {number}").change.digest
    entry = [Entry("m1", "merchant")]
    if number % 2:
        desk.add("bad", ListKind.BLOCK, entry)
    else:
        desk.remove("bad", entry)
    return digest


def attempt(folder: Path, seconds: float, callers: int = 4, pause_seconds: float = 0.2) -> dict[str, object]:
    """One run; asserts what has to hold, and returns what is worth printing."""
    rules = folder / "rules.yaml"
    rules.write_text(BOOK.format(limit=100))
    process = Process(folder / "data", "--rules", str(rules), "--deadline-ms", "30000")
    first = {"text": BOOK.format(limit=100)}  # starts the process that checks rules
    httpx.post(f"{process.url}/v1/rules/check", json=first, timeout=90).raise_for_status()
    until = time.monotonic() + seconds
    threads = [Caller(process.url, f"caller{n}", until) for n in range(callers)]
    for thread in threads:
        thread.start()
    made = 0
    with RemoteDesk(process.url, None) as desk:
        while time.monotonic() < until:
            made += 1
            change(desk, made)
            time.sleep(pause_seconds)
        for thread in threads:
            thread.join()
        activations = desk.state().activations
    assert process.end() == 0
    answers = [answer for thread in threads for answer in thread.answers]
    failures = [failure for thread in threads for failure in thread.failures]
    assert not failures, failures[:3]
    assert len(activations) == made + 1
    assert_versions(answers, activations)
    compared = assert_replay_agrees(folder / "data", len(answers))
    return {
        "payments": len(answers),
        "changes of rules": made,
        "versions named": len({answer["versions"]["rules"] for answer in answers}),
        "compared by replay": compared,
        "worst answer ms": round(max(thread.worst_ms for thread in threads), 1),
    }


def assert_versions(answers, activations) -> None:
    """Each decision names the version that the log had put in force last at its place."""
    by_offset = sorted(activations, key=lambda one: (one.offset, one.time_ms or 0))
    for answer in answers:
        assert not answer["degraded"], answer
        in_force = [one.digest for one in by_offset if one.time_ms is None or one.offset < answer["offset"]][
            -1
        ]
        assert answer["versions"]["rules"] == in_force, answer


def assert_replay_agrees(folder: Path, count: int) -> int:
    with Store.open(folder, read_only=True) as store:
        stored = sum(len(DecisionBatch.decode(one.payload)) for one in store.log.read(DECISIONS))
        assert stored == count, f"{count} answers, {stored} decisions"
        books = {one.digest: RuleSet.from_json(one.body) for one in store.registry.versions("rules")}
        result = verify(store.log, [CATALOG], books, store.meta.hash_seed, lambda *_: None)
    assert (result.differing, result.unknown, result.incomplete) == (0, 0, 0), result
    return result.compared


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--callers", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for name, value in attempt(Path(scratch), options.seconds, options.callers).items():
            print(f"{name:20} {value}")


if __name__ == "__main__":
    main()
