"""Alerts under stress: a storm, how soon they arrive, and killed followers.

    python -m benchmarks.alerts storm --payments 100000 --rate 1700
    python -m benchmarks.alerts latency --rate 500 --seconds 15
    python -m benchmarks.alerts kills --kills 200 --seed 1

Server, followers and the load run in processes of their own; the receiver is an HTTP server in this one.

- storm: a rule that declines everybody. Compared with the same load under a rule that declines nobody: the
  p99 of decisions. Counted: messages, alerts, and the payments that these stand for.
- latency: each payment opens an alert; from the decision's time to the arrival of its message.
- kills: the process of the followers is killed by SIGKILL while payments are decided and messages delivered.
  Every message arrives, with its stable id, and in order for each card.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.api_load import payments
from benchmarks.load import send
from benchmarks.serving import Process
from ringfence.adapters.outbox import AlertBook, Bus
from ringfence.adapters.sqlite import Store
from ringfence.bus.subscription import Subscription
from ringfence.cli import execute
from ringfence.compose.followers import following, now_ms
from ringfence.decisions.decision import DecisionBatch
from ringfence.ports import DECISIONS

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


class Receiver:
    """Takes webhooks; remembers id, event and time of each. Refuses some, by chance, with 500."""

    def __init__(self, seed: int = 0, refused: float = 0.0):
        self.taken: list[tuple[str, dict, float]] = []
        chance, lock, receiver = Random(seed), threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with lock:
                    is_taken = chance.random() >= refused
                    if is_taken:
                        event = json.loads(body)
                        receiver.taken.append((self.headers["webhook-id"], event, time.time() * 1000))
                self.send_response(204 if is_taken else 500)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def until(what, seconds: float = WAIT_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise SystemExit("it did not happen in time")
        time.sleep(0.05)


@contextmanager
def project(when: str, policy: str = ""):
    """A server in a folder with one rule and an alert policy; its port."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "rules.yaml").write_text(BOOK.format(when=when))
        (folder / "alerts.toml").write_text(policy)
        files = {"RINGFENCE_ALERTS": str(folder / "alerts.toml")}
        server = Process(folder / "data", "--rules", str(folder / "rules.yaml"), **NETWORKS, **files)
        try:
            yield folder / "data", int(server.url.rpartition(":")[2])
        finally:
            server.end()


def storm(count: int, rate: float) -> None:
    with project("amount > 1000000") as (_, port):
        send(port, "/v1/decisions", payments(500, "warm"), 250)
        calm = send(port, "/v1/decisions", payments(count, "calm"), rate)
    with Receiver() as receiver:
        policy = f'team = ["{receiver.url}"]\nmost = {MOST}\nper = "1h"\nwindow = "1d"\n'
        with project("amount > 0", policy) as (folder, port):
            warm = payments(500, "warm")
            send(port, "/v1/decisions", warm, 250)
            wild = send(port, "/v1/decisions", payments(count, "storm"), rate)
            with closing(Bus(folder)) as bus, Store.open(folder, read_only=True) as store:
                declined = store.log.end_offset(DECISIONS)
                until(
                    lambda: bus.database.rows(_POSITION) == [(declined,)] and not bus.letters(state="waiting")
                )
                found = AlertBook(bus.database).alerts(limit=10_000_000)
    entities = {(one.entity, one.entity_id) for one in found}
    hours = 1 + len({int(at // 3_600_000) for _, _, at in receiver.taken})
    print(f"{declined:,} declined payments, {rate:,.0f} a second asked for, {wild.rate:,.0f} answered")
    covered = sum(one.count for one in found)
    print(f"alerts: {len(found):,} on {len(entities):,} cards, for {covered:,} payments")
    print(f"messages: {len(receiver.taken)} (cap {MOST} an hour for each severity)")
    p99s = [float(one.quantile(0.99)) for one in (wild, calm)]
    print(f"decision p99 {p99s[0]:.1f} ms, without alerts {p99s[1]:.1f} ms: ratio {p99s[0] / p99s[1]:.2f}")
    assert len(found) == len(entities)
    assert covered == declined
    assert len(receiver.taken) <= 3 * (MOST + 1) * hours


_POSITION = f"SELECT next_offset FROM position WHERE topic = '{DECISIONS}'"


def latency(rate: float, seconds: float) -> None:
    count = int(rate * seconds)
    with Receiver() as receiver:
        policy = f'team = ["{receiver.url}"]\nmost = 10000\n'
        with project("amount > 0", policy) as (_, port):
            send(port, "/v1/decisions", payments(200, "warm", people=10**6, seed=7), 100)
            until(lambda: len(receiver.taken) >= 190)
            receiver.taken.clear()
            send(port, "/v1/decisions", payments(count, "timed", people=10**7), rate)
            until(lambda: len(receiver.taken) >= 0.99 * count)
    took = [at - event["data"]["decision"]["decided_at_ms"] for _, event, at in receiver.taken]
    p50, p99 = np.percentile(took, [50, 99])
    print(f"{len(took):,} alerts at {rate:,.0f}/s: decision to receiver p50 {p50:.0f} ms, p99 {p99:.0f} ms")


def follow(folder: Path) -> None:
    """The process of the followers, until it is killed."""
    os.environ |= NETWORKS
    with following(folder):
        time.sleep(3600)


def kills(rounds: int, seed: int) -> None:
    chance, processes = Random(seed), multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["ringfence.compose.followers", "ringfence.cli"])
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
    check(receiver, wanted, rounds)


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


def check(receiver: Receiver, wanted: dict[str, int], rounds: int) -> None:
    first = {}
    for message_id, event, _ in receiver.taken:
        first.setdefault(message_id, event["partitionkey"])
    by_card = defaultdict(list)
    for message_id, card in first.items():
        by_card[card].append(wanted[message_id])
    in_order = all(offsets == sorted(offsets) for offsets in by_card.values())
    print(f"{rounds} followers killed; {len(wanted):,} messages, {len(receiver.taken):,} arrivals")
    is_whole = first.keys() == wanted.keys()
    print(f"each arrived: {is_whole}; in order for each of {len(by_card)} cards: {in_order}")
    if not (is_whole and in_order):
        raise SystemExit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("storm", "latency", "kills"))
    parser.add_argument("--payments", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if asked.what == "storm":
        storm(asked.payments, asked.rate)
    elif asked.what == "latency":
        latency(asked.rate, asked.seconds)
    else:
        kills(asked.kills, asked.seed)


if __name__ == "__main__":
    main()
