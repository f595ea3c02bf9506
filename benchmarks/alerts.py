"""Alerts under stress: a storm, how soon they arrive, and killed followers.

    python -m benchmarks.alerts storm --payments 100000 --rate 1700 --batch 50
    python -m benchmarks.alerts latency --rate 500 --seconds 15
    python -m benchmarks.alerts kills --kills 200 --seed 1

Server, followers and the load run in processes of their own; the receiver is an HTTP server in this one.

- storm: a rule that declines everybody. Compared with the same load under a rule that declines nobody, in
  turns: the p99 of decisions. Counted: messages, alerts, and the payments that these stand for. The rate has
  to be one that the machine answers: a queue that grows tells nothing of alerts. Two cores answer 1,700 a
  second in batches alone.
- latency: each payment opens an alert; from the durable decision to the arrival of its message. What passed
  until the decision was in the log, its message in the outbox and at the receiver, and until that was noted.
- kills: the process of the followers is killed by SIGKILL while payments are decided and messages delivered.
  Every message arrives, with its stable id, and in order for each card.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING

import httpx
import numpy as np
import psutil

from benchmarks.api_load import payments
from benchmarks.load import send
from benchmarks.serving import Process
from benchmarks.webhooks import Receiver
from ringfence.adapters.outbox import AlertBook, Bus
from ringfence.adapters.sqlite import Store
from ringfence.adapters.sqlite.news import News
from ringfence.bus.subscription import Subscription
from ringfence.cli import execute
from ringfence.compose.clock import now_ms
from ringfence.compose.messaging.messages import delivering
from ringfence.decisions.decision import DecisionBatch
from ringfence.ports import DECISIONS

if TYPE_CHECKING:
    from ringfence.store import DataFolder

BOOK = """
name: broken
rules:
  - {{id: broken, title: Broken, when: {when}, outcome: decline, reason: BROKEN, analyst: Broken.}}
"""
MOST = 20
NETWORKS = {"RINGFENCE_WEBHOOK_NETWORKS": '["127.0.0.0/8"]'}
DECLINED = "outcome = 'decline'"
REFUSED = 0.02  # share of messages that the receiver does not take at once
WAIT_SECONDS = 240
PROBES = 50.0  # payments a second that come one by one beside a storm of batches
ROUNDS = 5  # of the storm, and of the same load without
STORM_RATIO, LATENCY_MS = 1.2, 100
LOOK_SECONDS = 0.002  # between two looks at the log
IDLE_PERCENT = 15  # of a core


def until(what, seconds: float = WAIT_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise SystemExit("it did not happen in time")
        time.sleep(0.05)


@contextmanager
def project(when: str, policy: str = ""):
    """A server in a folder with one rule and an alert policy: its data, its port, and itself."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "rules.yaml").write_text(BOOK.format(when=when))
        (folder / "alerts.toml").write_text(policy)
        files = {"RINGFENCE_ALERTS": str(folder / "alerts.toml")}
        server = Process(folder / "data", "--rules", str(folder / "rules.yaml"), **NETWORKS, **files)
        try:
            yield folder / "data", int(server.url.rpartition(":")[2]), server
        finally:
            server.end()


def rest(*servers: Process) -> None:
    """Wait until the followers have nothing to do: no round pays for the one before."""
    beside = [child for one in servers for child in psutil.Process(one.pid).children(recursive=True)]
    until(lambda: all(one.cpu_percent(1.0) < IDLE_PERCENT for one in beside))


class Cpu:
    """CPU time of a server, of the processes beside it, and of this one, since it was made."""

    def __init__(self, server: Process):
        parent = psutil.Process(server.pid)
        self._processes = {"server": parent, "load and receiver": psutil.Process()}
        for child in parent.children(recursive=True):
            told = child.cmdline()
            role = "messages" if "--messages" in told else "other followers" if "--beside" in told else ""
            if role:
                self._processes[role] = child
        self._begin, self._at = self._seconds(), time.monotonic()

    def _seconds(self) -> dict[str, float]:
        """Also of processes that have ended, by whoever waited for them."""
        return {role: sum(one.cpu_times()[:4]) for role, one in self._processes.items()}

    def told(self, count: int, each: str) -> str:
        """By process: part of a core, and microseconds for each of so many."""
        passed, end = time.monotonic() - self._at, self._seconds()
        used = {role: end[role] - begin for role, begin in self._begin.items()}
        parts = [f"{role} {one / passed:.0%} ({one / count * 1e6:.0f} µs)" for role, one in used.items()]
        return f"CPU, of a core ({each}): {', '.join(parts)}"


def burst(port: int, bodies: list[bytes], rate: float, batch: int) -> tuple[float, np.ndarray]:
    """Send payments, some at a time: how many were decided a second, and how long each took, in ms.

    Where they come in batches, payments one by one beside these say how long a decision takes.
    """
    if batch == 1:
        sent = send(port, "/v1/decisions", bodies, rate)
        return sent.rate, sent.accepted_ms
    seconds = len(bodies) / rate
    alone, rest = bodies[: int(PROBES * seconds)], bodies[int(PROBES * seconds) :]
    parts = [b"[" + b",".join(rest[at : at + batch]) + b"]" for at in range(0, len(rest), batch)]
    with ThreadPoolExecutor(1) as beside:
        many = beside.submit(in_batches, port, parts, rate / batch)
        one = send(port, "/v1/decisions", alone, PROBES)
    return many.result() * batch + one.rate, one.accepted_ms


def p99(ms: np.ndarray) -> float:
    return float(np.quantile(ms, 0.99))


def in_batches(port: int, parts: list[bytes], rate: float) -> float:
    """Send batches, so many a second whatever comes back: how many were taken a second."""
    url, begin = f"http://127.0.0.1:{port}/v1/decisions/batch", time.monotonic()
    with httpx.Client(timeout=WAIT_SECONDS) as client, ThreadPoolExecutor(32) as threads:

        def one(number: int) -> bool:
            time.sleep(max(0.0, begin + number / rate - time.monotonic()))
            answer = client.post(url, content=parts[number], headers={"content-type": "application/json"})
            return answer.status_code == 200

        taken = sum(threads.map(one, range(len(parts))))
    return taken / (time.monotonic() - begin)


def storm(count: int, rate: float, batch: int) -> bool:
    calm_rounds, wild_rounds = [], []
    with project("amount > 1000000") as (_, calm_port, calm_server), Receiver() as receiver:
        policy = f'team = ["{receiver.url}"]\nmost = {MOST}\nper = "1h"\nwindow = "1d"\n'
        with project("amount > 0", policy) as (folder, port, server):
            for one in (calm_port, port):
                send(one, "/v1/decisions", payments(500, "warm"), 250)
            for number in range(ROUNDS):
                for name, one, at, rounds in (
                    ("without", calm_server, calm_port, calm_rounds),
                    ("storm", server, port, wild_rounds),
                ):
                    rest(calm_server, server)
                    cpu, sent = Cpu(one), payments(count // ROUNDS, f"{name}{number}")
                    rounds.append(burst(at, sent, rate, batch))
                    print(f"round {number + 1}, {name}: {cpu.told(len(sent), 'payment')}", flush=True)
            with closing(Bus(folder)) as bus, Store.open(folder, read_only=True) as store:
                declined = store.log.end_offset(DECISIONS)
                until(
                    lambda: bus.database.rows(_POSITION) == [(declined,)] and not bus.letters(state="waiting")
                )
                found = AlertBook(bus.database).alerts(limit=10_000_000)
    entities = {(one.entity, one.entity_id) for one in found}
    hours = 1 + len({int(at // 3_600_000) for _, _, at in receiver.taken})
    answered = median([one for one, _ in wild_rounds])
    print(f"{declined:,} declined payments, {rate:,.0f} a second asked for, {answered:,.0f} answered")
    covered = sum(one.count for one in found)
    print(f"alerts: {len(found):,} on {len(entities):,} cards, for {covered:,} payments")
    print(f"messages: {len(receiver.taken)} (cap {MOST} an hour for each severity)")
    wild, calm = ([each for _, each in rounds] for rounds in (wild_rounds, calm_rounds))
    told = ", ".join(f"{p99(a):.1f}/{p99(b):.1f}" for a, b in zip(wild, calm, strict=True))
    print(f"decision p99 in ms with a storm / without, by round: {told}")
    # The rounds as one: a round by itself has six decisions beyond its p99, and tells as much of chance.
    with_it, without = p99(np.concatenate(wild)), p99(np.concatenate(calm))
    print(f"of all rounds: {with_it:.1f} and {without:.1f} ms, {sum(map(len, wild)):,} decisions each")
    ratio = with_it / without
    assert len(found) == len(entities)
    assert covered == declined
    assert len(receiver.taken) <= 3 * (MOST + 1) * hours
    return verdict("decision p99 with a storm, ratio to without", ratio, STORM_RATIO)


_POSITION = f"SELECT next_offset FROM position WHERE topic = '{DECISIONS}'"


class Durable(threading.Thread):
    """Sees when each decision is in the log: not before its last look without the decision.

    That moment counts, so that what keeps this thread from looking makes no message look faster.
    """

    def __init__(self, store: DataFolder):
        super().__init__(daemon=True)
        self._log, self._news, self._stopping = store.log, News(store.log.database.path), threading.Event()
        self._seen: list[tuple[int, float]] = []

    def run(self):
        without_ms = time.time() * 1000
        while not self._stopping.wait(LOOK_SECONDS):
            begun_ms = time.time() * 1000
            if self._news():
                self._seen.append((self._log.end_offset(DECISIONS), without_ms))
            without_ms = begun_ms

    def stop(self):
        self._stopping.set()
        self.join()
        self._news.close()

    def at_ms(self, offsets: list[int]) -> np.ndarray:
        ends, times = np.array(self._seen).T
        return times[np.searchsorted(ends, offsets, side="right")]


def latency(rate: float, seconds: float) -> bool:
    count = int(rate * seconds)
    with Receiver() as receiver:
        policy = f'team = ["{receiver.url}"]\nmost = 10000\n'
        with project("amount > 0", policy) as (folder, port, server):
            send(port, "/v1/decisions", payments(200, "warm", people=10**6, seed=7), 100)
            until(lambda: len(receiver.taken) >= 190)
            receiver.taken.clear()
            cpu = Cpu(server)
            with closing(Bus(folder)) as bus, Store.open(folder, read_only=True) as store:
                durable = Durable(store)
                durable.start()
                gc.disable()  # a full collection here takes 0.2 s, in which the receiver takes nothing
                sent = send(port, "/v1/decisions", payments(count, "timed", people=10**7), rate)
                print(f"{sent.refused} of {count:,} payments refused; {cpu.told(count, 'alert')}")
                decided = store.log.end_offset(DECISIONS)
                until(lambda: bus.database.rows(_POSITION) == [(decided,)])
                until(lambda: not bus.letters(state="waiting", limit=1))
                gc.enable()
                durable.stop()
                noted = dict(bus.database.rows("SELECT id, made_ms FROM message"))
                ended = dict(bus.database.rows("SELECT id, done_ms FROM message"))
    events = [json.loads(body)["data"] for _, body, _ in receiver.taken]
    offsets = [int(event["alert"]["id"].removeprefix("alert-")) for event in events]
    made = [event["decision"]["decided_at_ms"] for event in events]
    taken = [
        (decided_ms, max(decided_ms, kept), noted[identity], at, ended[identity])
        for (identity, _, at), decided_ms, kept in zip(
            receiver.taken, made, durable.at_ms(offsets), strict=True
        )
    ]
    stages = np.diff(np.array(taken), axis=1).T
    whole = stages[1] + stages[2]
    names = ("decision to log", "log to outbox", "outbox to receiver", "receiver to note", "log to receiver")
    print(f"{len(taken):,} alerts at {rate:,.0f}/s")
    for name, took in zip((*names, "decision to receiver"), (*stages, whole, whole + stages[0]), strict=True):
        p50, p99 = np.percentile(took, [50, 99])
        print(f"  {name}: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    return verdict("durable decision to receiver, p99 ms", float(np.percentile(whole, 99)), LATENCY_MS)


def verdict(name: str, found: float, bar: float) -> bool:
    print(f"{name}: {found:.2f}, bar {bar:g}: {'PASS' if found <= bar else 'FAIL'}")
    return found <= bar


def follow(folder: Path) -> None:
    """The process of the messages, until it is killed."""
    os.environ |= NETWORKS
    with delivering(folder):
        time.sleep(3600)


def kills(rounds: int, seed: int) -> bool:
    chance, processes = Random(seed), multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["ringfence.compose.messaging.messages", "ringfence.cli"])
    with tempfile.TemporaryDirectory() as scratch, Receiver(seed, REFUSED) as receiver:
        folder, rules = Path(scratch) / "data", Path(scratch) / "rules.yaml"
        rules.write_text(BOOK.format(when="amount > 250"))
        run(folder, rules, chance, 0)
        with closing(Bus(folder)) as bus:
            bus.subscribe(Subscription(name="declines", pattern=DECLINED, to=receiver.url, ordered=True))
            deciding = threading.Thread(target=lambda: None)
            deciding.start()
            for number in range(rounds):
                if not deciding.is_alive() and number % 4 == 0:
                    deciding = threading.Thread(target=run, args=(folder, rules, chance, number + 1))
                    deciding.start()
                follower = processes.Process(target=follow, args=(folder,))
                follower.start()
                time.sleep(chance.uniform(0.05, 0.8))
                follower.kill()
                follower.join()
            deciding.join()
            follower = processes.Process(target=follow, args=(folder,))
            follower.start()
            wanted = expected(folder)
            until(lambda: {one for one, _, _ in receiver.taken} >= wanted.keys())
            follower.kill()
            follower.join()
    return check(receiver, wanted, rounds)


def run(folder: Path, rules: Path, chance: Random, number: int) -> None:
    """Decide some payments, as `ringfence run` does."""
    bodies = payments(120, f"k{number}", chance.randrange(10**6), people=40, begin_ms=now_ms() - 1000)
    source = folder.parent / f"{number}.ndjson"
    source.write_bytes(b"\n".join(bodies))
    assert execute(["run", str(source), "--rules", str(rules), "--data", str(folder)]) == 0


def expected(folder: Path) -> dict[str, int]:
    """Offset of each message that there has to be, by its id."""
    with Store.open(folder, read_only=True) as store:
        log_id, found = store.meta.store_id, {}
        for batch in store.log.read(DECISIONS):
            outcomes = DecisionBatch.decode(batch.payload).table.column("outcome").to_pylist()
            offsets = [batch.base_offset + row for row, one in enumerate(outcomes) if one == "decline"]
            found |= {f"{log_id}:{DECISIONS}:{offset}:declines": offset for offset in offsets}
    return found


def check(receiver: Receiver, wanted: dict[str, int], rounds: int) -> bool:
    first = {}
    for message_id, body, _ in receiver.taken:
        first.setdefault(message_id, json.loads(body)["partitionkey"])
    by_card = defaultdict(list)
    for message_id, card in first.items():
        by_card[card].append(wanted[message_id])
    in_order = all(offsets == sorted(offsets) for offsets in by_card.values())
    print(f"{rounds} followers killed; {len(wanted):,} messages, {len(receiver.taken):,} arrivals")
    is_whole = first.keys() == wanted.keys()
    print(f"each arrived: {is_whole}; in order for each of {len(by_card)} cards: {in_order}")
    print("PASS" if is_whole and in_order else "FAIL")
    return is_whole and in_order


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("storm", "latency", "kills"))
    parser.add_argument("--payments", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--batch", type=int, default=1, help="payments of a storm in one request")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if asked.what == "storm":
        is_well = storm(asked.payments, asked.rate, asked.batch)
    elif asked.what == "latency":
        is_well = latency(asked.rate, asked.seconds)
    else:
        is_well = kills(asked.kills, asked.seed)
    raise SystemExit(not is_well)


if __name__ == "__main__":
    main()
