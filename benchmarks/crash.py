"""kill -9 of a server under load, round after round: nothing that was answered is lost, changed or doubled.

python -m benchmarks.crash --rounds 50

Payments come one by one and in batches, while rules and lists change. After each kill the server is
started again, asked for what it had acknowledged, and sent everything once more. Before that start, in every
second round, a file that is made from the log is damaged: a snapshot, a table or a piece of the index. At the
end the whole log is replayed.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from benchmarks.damage import DAMAGE, DERIVED, PLACES, place
from benchmarks.rule_changes import BOOK, assert_replay_agrees, save_and_activate
from benchmarks.serving import Process
from ringfence.adapters.finder import Finder, IndexFollower
from ringfence.adapters.lake import Lake, LakeFollower
from ringfence.adapters.sqlite import Store
from ringfence.cli.backends.remote_desk import RemoteDesk
from ringfence.client import Answer, Client
from ringfence.compose.following.followers import undisturbed
from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.index import Wanted
from ringfence.errors import InUseError, RingfenceError
from ringfence.follow import catch_up
from ringfence.ports import DECISIONS
from ringfence.rulebook.entries import Entry
from ringfence.scoring.rulesets.actions import ListKind

if TYPE_CHECKING:
    from collections.abc import Iterator


CALLERS = 3  # that send payments one by one
BATCH = 40
PAUSE_SECONDS = 0.05
FILE_ROWS = 100  # of tables and pieces of the index, which have far more in a store that serves


class Caller(threading.Thread):
    """Sends its payments until the server is gone; remembers what it was told."""

    def __init__(self, url, bodies):
        super().__init__()
        self.url = url
        self.bodies = bodies
        self.told = {}

    def run(self):
        with httpx.Client(base_url=self.url, timeout=30) as http:
            try:
                self.send(http)
            except httpx.TransportError:
                return

    def send(self, http):
        for body in self.bodies:
            answer = http.post("/v1/decisions", json=body)
            if answer.status_code == 200:
                self.note(answer.json())

    def note(self, decision):
        if decision["offset"] is not None:
            self.told[decision["transaction_id"]] = decision


class BatchCaller(Caller):
    """The same, many at once: each line that came through counts."""

    def send(self, http):
        for begin in range(0, len(self.bodies), BATCH):
            lines = "\n".join(map(json.dumps, self.bodies[begin : begin + BATCH]))
            kind = {"content-type": "application/x-ndjson"}
            with http.stream("POST", "/v1/decisions/batch", content=lines, headers=kind) as answer:
                for line in answer.iter_lines():
                    self.hear(json.loads(line))

    def hear(self, line):
        self.note(line["decision"])


class Analyst(threading.Thread):
    """Changes rules and lists until the server is gone; remembers which versions were put in force."""

    def __init__(self, url, first):
        super().__init__()
        self.url = url
        self.first = first
        self.told = []

    def run(self):
        with RemoteDesk(self.url, None) as desk:
            try:
                for number in range(self.first, self.first + 1000):
                    text = BOOK.format(limit=100 + number)
                    saved = save_and_activate(desk, text, "another limit")
                    self.told.append(saved.change.digest)
                    desk.add("bad", ListKind.BLOCK, [Entry(f"m{number % 3}", "merchant")])
                    desk.remove("bad", [Entry(f"m{number % 3}", "merchant")])
                    time.sleep(PAUSE_SECONDS)
            except (httpx.TransportError, RingfenceError):
                return


def payment(identity, chance, now_ms):
    return {
        "transaction_id": identity,
        "event_time": now_ms,
        "amount": f"{chance.uniform(1, 500):.2f}",
        "currency": "EUR",
        "card_id": f"c{chance.randrange(5)}",
        "merchant_id": f"m{chance.randrange(3)}",
    }


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """While the block runs no follower works; that of a killed server ends a little later."""
    end = time.monotonic() + 120
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(undisturbed(folder))
                break
            except InUseError:
                assert time.monotonic() < end, "the followers of a killed server do not end"
                time.sleep(0.05)
        yield


def damage(folder: Path, chance: random.Random) -> str:
    """Harm one of the files that are made from the log, tables and an index among them; which, and how."""
    with alone(folder), Store.open(folder, read_only=True) as store:
        catch_up(
            store.log, IndexFollower(store.log, folder / "index", store.meta.hash_seed, FILE_ROWS, FILE_ROWS)
        )
        catch_up(store.log, LakeFollower(store.log, store.tables, FILE_ROWS))
    there = [what for what in DERIVED if any(folder.glob(PLACES[what]))]
    what, how = chance.choice(there), chance.choice(sorted(DAMAGE))
    DAMAGE[how](place(folder, what))
    return f"{what}: {how}"


def assert_found_by_all(folder: Path) -> None:
    """Tables and index have each decision of the log, once."""
    with Store.open(folder, read_only=True) as store:
        count = store.log.end_offset(DECISIONS) - store.log.start_offset(DECISIONS)
        (told,) = Lake(store).sql("SELECT count(DISTINCT transaction_id) AS n FROM decisions").to_pylist()
        finder = Finder(store.log, folder / "index", store.meta.hash_seed)
        finder.refresh()
        assert told["n"] == finder.count(Wanted()) == count, "tables or index lack a decision"


def attempt(folder: Path, seed: int, name: str, count: int, *, damaged: bool = False) -> int:
    """One round on a folder that may have had others; how many answers were checked."""
    chance = random.Random(f"{seed} {name}")
    now_ms = time.time_ns() // 1_000_000
    sent = [payment(f"{name}-{number}", chance, now_ms + number) for number in range(count)]
    process = Process(folder)
    callers = [Caller(process.url, sent[who :: CALLERS + 1]) for who in range(CALLERS)]
    callers.append(BatchCaller(process.url, sent[CALLERS :: CALLERS + 1]))
    analyst = Analyst(process.url, chance.randrange(10**6))
    for thread in (*callers, analyst):
        thread.start()
    wait_for(callers, chance.randrange(count))
    time.sleep(chance.uniform(0.0, 0.02))
    process.end(signal.SIGKILL)
    for thread in (*callers, analyst):
        thread.join()
    told = {identity: answer for caller in callers for identity, answer in caller.told.items()}
    if damaged:
        print(f"damaged: {damage(folder, chance)}", flush=True)
    process = Process(folder)
    with Client(process.url, timeout_seconds=30) as client, RemoteDesk(process.url, None) as desk:
        stored = {identity: client.decision(identity)["decision"] for identity in told}
        retried = client.decide_batch(sent)
        in_force = {activation.digest for activation in desk.state().activations}
    process.end()
    assert_found_by_all(folder)
    assert stored == told, "an acknowledged decision is missing or has changed"
    assert in_force.issuperset(analyst.told), "an acknowledged version of the rules was never in force"
    found = [answer for answer in retried if isinstance(answer, Answer)]
    assert len(found) == count
    assert all(answer.replayed for answer in found if answer.transaction_id in told)
    assert len({answer.offset for answer in found}) == count, "two payments share a place in the log"
    return len(told)


def wait_for(callers, answers: int) -> None:
    """Until so many have come, however slow the machine is, or no more come."""
    while sum(len(caller.told) for caller in callers) < answers and any(
        map(threading.Thread.is_alive, callers)
    ):
        time.sleep(0.002)


def assert_equal_to_a_replay(folder: Path) -> int:
    """The whole log, decided in one go by a process that nobody kills; how many decisions there are."""
    with Store.open(folder, read_only=True) as store:
        batches = [DecisionBatch.decode(batch.payload).table for batch in store.log.read(DECISIONS)]
    identities = [identity for batch in batches for identity in batch.column("transaction_id").to_pylist()]
    assert len(set(identities)) == len(identities), "a payment was decided twice"
    assert assert_replay_agrees(folder, len(identities)) == len(identities)
    return len(identities)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--payments", type=int, default=400)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, checked = Path(scratch) / "crashed", 0
        for number in range(options.rounds):
            damaged = number % 2 == 1
            checked += attempt(folder, options.seed, f"r{number}", options.payments, damaged=damaged)
            print(f"round {number + 1}: {checked:,} acknowledged decisions found again", flush=True)
        count = assert_equal_to_a_replay(folder)
        print(f"{options.rounds} kills, {checked:,} acknowledged, {count:,} decided once, equal to a replay")


if __name__ == "__main__":
    main()
