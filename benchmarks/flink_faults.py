"""The Flink host while things break and change: python -m benchmarks.flink_faults [--rounds 3] [--seed 7].

A simulated world with labels, list entries, flags, late and repeated events goes into a topic while a job
decides, and between its parts, in a seeded order:

    worker      kill -9 of a TaskManager
    manager     kill -9 of the JobManager; the next run goes on from the last checkpoint
    broker      kill -9 of the Kafka broker, which comes back some seconds later
    checkpoint  checkpoints that cannot be written
    pause       a TaskManager that stands still for longer than the heartbeat's timeout, and goes on
    partition   the network between the job and the broker is cut for up to `--longest-cut` seconds; what was
                on its way then arrives after all, or is lost with its connections
    split       likewise between JobManager and TaskManagers, for longer than the heartbeat's timeout
    rescale     stopped with a savepoint twice: one TaskManager more goes on, then as many as before
    rules       another rule book, put in force on the running job
    model       likewise another model, which no job was shipped
    upgrade     stopped with a savepoint; another book, and a model, in the project; more or fewer workers

Then each decision is compared with the embedded engine's on the same topics: none may be missing, and a
reader of committed records must find none twice. `--partitions 4 --workers 2 --customers 8000 --days 60
--kinds rules` is the large comparison. Needs `make flink`; ends with PASS or FAIL.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from contextlib import ExitStack, chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.kafka import own_broker
from tests.link import Link

from benchmarks.api_load import payments
from benchmarks.counted import Counted
from benchmarks.flink_parted import PartedCluster
from benchmarks.model import write_model
from benchmarks.report import machine, versions
from ringfence.cli import execute
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.flink_host.check import compare
from ringfence.compose.flink_host.running import Ends, activate, flink_running
from ringfence.compose.kafka import kafka_client
from ringfence.errors import StoreError
from ringfence.events.activation import Part

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kafka import Broker

    from ringfence.compose.flink_host.check import Compared
    from ringfence.compose.flink_host.running import FlinkRun

KINDS = (
    "worker",
    "manager",
    "broker",
    "checkpoint",
    "pause",
    "partition",
    "split",
    "rescale",
    "rules",
    "model",
    "upgrade",
)
STAMPED = {"message.timestamp.type": "LogAppendTime"}
BOOK = """
rules:
  - {{id: large, title: Large, when: "amount > {limit}", outcome: review, reason: LARGE, analyst: A.}}
  - {{id: listed, title: Listed, when: "customer.blocked", outcome: decline, reason: LISTED, analyst: A.}}
  - {{id: flagged, title: Flagged, when: "account.flagged", outcome: review, reason: FLAGGED, analyst: A.}}
  - {{id: often, title: Often, when: "card.count_1h > {often}", points: 40, reason: OFTEN, analyst: A.}}
"""
_PATIENCE_SECONDS = 300.0
_HEARTBEAT_SECONDS = 8.0  # after which a TaskManager is missed
_OFTEN = 300  # events for each list entry or flag


class FlinkTrial:
    """One job in a folder of its own, until its decisions are compared."""

    def __init__(self, kafka: Broker, link: Link, folder: Path, lines: list[bytes], asked: Any) -> None:
        self.chance = random.Random(asked.seed)
        self.kafka = kafka
        self.link = link
        self.lines = lines
        self.folder = folder
        self.workers = asked.workers
        self.model: Path | None = None
        self._partitions = asked.partitions
        self._checkpoint_ms = asked.checkpoint_ms
        self._longest_cut = asked.longest_cut
        self._sent = self._payments = 0
        self._seen: set[str] = set()
        self._limit = 100
        names = [kafka.topic(asked.partitions, **STAMPED), kafka.topic(1, **STAMPED), *_made(kafka, 3)]
        source, control, decisions, quarantine, matches = names
        to = f"{decisions}?quarantine={quarantine}&flag_matches={matches}"
        far = f"127.0.0.1:{link.port}" if "partition" in asked.kinds else kafka.address
        self.ends = Ends.of(f"kafka://{far}/{source}", to, control)
        self._job = ExitStack()
        self._counted = Counted(kafka_client(f"kafka://{kafka.address}/{decisions}", {}), decisions)
        self._another_book()

    def run(self, kinds: list[str]) -> Compared:
        """Go through all of it."""
        share = len(self.lines) // (len(kinds) + 1) + 1
        acts: dict[str, Callable[[], None]] = {kind: getattr(self, f"_{kind}") for kind in KINDS}
        self._start()
        try:
            for kind in [*kinds, ""]:
                self._send(share // 2)
                self._await(self._payments // 2)
                if kind:
                    acts[kind]()
                self._send(share - share // 2)
            self._await(self._payments)
            self._stop()
            if "model" in kinds and not self._is_heard():
                sys.exit("FAIL: no decision is by the model that was put in force")
        finally:
            self._job.close()
            self._counted.close()
        return compare(self.ends, self._definitions())

    @property
    def payments(self) -> int:
        """How many have been sent, each counted once."""
        return self._payments

    def _definitions(self) -> Any:
        return load_definitions(None, self.folder / "rules.yaml", self.model)

    def _start(self) -> None:
        self._job = ExitStack()
        self.running: FlinkRun = self._job.enter_context(
            flink_running(
                self.folder,
                self.ends,
                self._definitions(),
                workers=self.workers,
                shards=4,
                checkpoint_ms=self._checkpoint_ms,
                clusters=PartedCluster,
            )
        )

    def _send(self, count: int) -> None:
        """The next lines, some at a time, each time into another partition."""
        end = min(self._sent + count, len(self.lines))
        while self._sent < end:
            some = self.lines[self._sent : min(self._sent + self.chance.randrange(1, 400), end)]
            self._sent += len(some)
            topic = self.ends.source.address.topics[0]
            self.kafka.send(topic, some, partition=self.chance.randrange(self._partitions))
            for record in map(json.loads, some):
                if record.get("kind", "transaction") == "transaction":
                    self._seen.add(record["transaction_id"])
        self._payments = len(self._seen)

    def _await(self, count: int) -> None:
        most, end = self._counted.count, time.monotonic() + _PATIENCE_SECONDS
        while (found := self._counted.now()) < count:
            self.running.cluster.tend()
            if found > most:
                most, end = found, time.monotonic() + _PATIENCE_SECONDS
            if time.monotonic() > end:
                look = self.running.cluster.jobs.look(self.running.job)
                sys.exit(f"FAIL: {found} of {count} decisions; {look}\n{self.running.cluster.said()}")
            time.sleep(0.5)

    def _another_book(self) -> None:
        self._limit += self.chance.randrange(1, 200)
        text = BOOK.format(limit=self._limit, often=self.chance.randrange(2, 9))
        (self.folder / "rules.yaml").write_text(text)

    def _worker(self) -> None:
        self.chance.choice(self.running.cluster.workers).kill()

    def _pause(self) -> None:
        worker = self.chance.choice(self.running.cluster.workers)
        worker.send_signal(signal.SIGSTOP)
        time.sleep(self.chance.uniform(9, 14))
        worker.send_signal(signal.SIGCONT)

    def _partition(self) -> None:
        self._send(len(self.lines) // 20 + 1)
        self.link.cut()
        seconds = self.chance.uniform(self._longest_cut / 4, self._longest_cut)
        is_broken = self.chance.random() < 0.5
        self._send(len(self.lines) // 20 + 1)
        time.sleep(seconds)
        self.running.cluster.tend()
        print(f"a cut of {seconds:.0f} s, {'with' if is_broken else 'without'} its connections", flush=True)
        if not self.link.held.is_set():
            sys.exit("FAIL: nobody met the cut")
        self.link.mend(broken=is_broken)

    def _split(self) -> None:
        cluster = self.running.cluster
        assert isinstance(cluster, PartedCluster)
        cluster.cut()
        seconds = self.chance.uniform(_HEARTBEAT_SECONDS + 6, max(self._longest_cut, _HEARTBEAT_SECONDS + 8))
        is_broken = self.chance.random() < 0.5
        self._send(len(self.lines) // 20 + 1)
        time.sleep(seconds)
        look = cluster.jobs.look(self.running.job)
        print(
            f"a split of {seconds:.0f} s, {'with' if is_broken else 'without'} its connections: "
            f"{look.state}, {look.problem[:200]}",
            flush=True,
        )
        if look.all_tasks_run:
            sys.exit("FAIL: the JobManager did not miss its TaskManagers")
        cluster.mend(broken=is_broken)

    def _manager(self) -> None:
        manager = self.running.cluster.manager
        assert manager is not None
        manager.kill()
        manager.wait()
        try:
            self.running.cluster.tend()
        except StoreError:
            self._job.close()
            self._start()
        else:
            sys.exit("FAIL: a JobManager that is gone was not missed")

    def _broker(self) -> None:
        self.kafka.kill()
        time.sleep(self.chance.uniform(0.5, 6))
        self.kafka.start()

    def _checkpoint(self) -> None:
        jobs = self.running.cluster.jobs
        before = jobs.look(self.running.job).failed
        folder = max(self.folder.glob("ringfence-flink/checkpoints/*"), key=lambda one: one.stat().st_mtime)
        newest = max(int(one.name.partition("-")[2]) for one in folder.glob("chk-*"))
        in_the_way = [folder / f"chk-{newest + number}" for number in range(2, 40)]
        for path in in_the_way:
            if not path.exists():
                path.touch()
        end = time.monotonic() + _PATIENCE_SECONDS
        while jobs.look(self.running.job).failed == before:
            if time.monotonic() > end:
                sys.exit(f"FAIL: no checkpoint failed\n{jobs.look(self.running.job)}")
            time.sleep(0.2)
        for path in in_the_way:
            if path.is_file():
                path.unlink()

    def _rules(self) -> None:
        self._another_book()
        activate(self.folder, self.ends, self._definitions(), author="benchmark")

    def _model(self) -> None:
        self.model = self.folder / "model-at-work"
        write_model(self.model, 10, payments(3000, "m", pace_ms=100))
        put = activate(self.folder, self.ends, self._definitions(), author="benchmark")
        if Part.MODELS not in put:
            sys.exit("FAIL: no model was put in force")

    def _is_heard(self) -> bool:
        written = map(json.loads, (one.value() for one in self.kafka.content(self.ends.outputs["decisions"])))
        return any("models" in one["versions"] for one in written)

    def _rescale(self) -> None:
        for workers in (self.workers + 1, self.workers):
            self._stop()
            self.workers = workers
            self._start()
            self._send(len(self.lines) // 20 + 1)
            self._await(self._payments)

    def _stop(self) -> None:
        """With a savepoint, which Flink makes of a job of which all tasks run."""
        look, end = self.running.cluster.jobs.look, time.monotonic() + _PATIENCE_SECONDS
        while (tasks := look(self.running.job).tasks)[0] < tasks[1]:
            self.running.cluster.tend()
            if time.monotonic() > end:
                sys.exit(f"FAIL: not all tasks run\n{self.running.cluster.said()}")
            time.sleep(0.2)
        self.running.stop()
        self._job.close()

    def _upgrade(self) -> None:
        self._stop()
        self.workers = 3 - self.workers if self.workers < 3 else self.workers - 1
        self._another_book()
        if self.model is None:
            self.model = self.folder / "model"
            write_model(self.model, 20, payments(3000, "m", pace_ms=100))
        self._start()


def _made(kafka: Broker, count: int) -> list[str]:
    return [kafka.topic() for _ in range(count)]


def world(folder: Path, asked: Any) -> list[bytes]:
    """Records of a simulated world, with entries of lists and flags among them."""
    out, chance = folder / "world.ndjson", random.Random(asked.seed)
    given = ["--days", str(asked.days), "--customers", str(asked.customers), "--seed", str(asked.seed)]
    if execute(["simulate", str(out), *given, "--late", "0.02", "--duplicates", "0.02"]):
        sys.exit("FAIL: there is no world")
    lines: list[bytes] = []
    for number, line in enumerate(out.read_bytes().splitlines()):
        lines.append(line)
        record = json.loads(line)
        if chance.random() * _OFTEN < 1 and "customer_id" in record and "account_id" in record:
            lines.append(json.dumps(_steering(number, record, chance)).encode())
    return lines


def _steering(number: int, record: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    if chance.random() < 0.5:
        return {
            "kind": "list_entry",
            "event_id": f"entry-{number}",
            "event_time": record["event_time"],
            "list_name": "known",
            "list_kind": "block",
            "entity_type": "customer",
            "entity_id": record["customer_id"],
        }
    return {
        "kind": "flag",
        "event_id": f"flag-{number}",
        "event_time": record["event_time"],
        "entity_type": "account",
        "entity_id": record["account_id"],
        "effective_at": record["event_time"],
    }


def main() -> int:
    """PASS, or FAIL with what differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--customers", type=int, default=400)
    parser.add_argument("--partitions", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--checkpoint-ms", type=int, default=500)
    parser.add_argument("--longest-cut", type=float, default=45.0)
    asked = parser.parse_args()
    link = Link()
    kafka = own_broker(through=link.port)
    link.lead(kafka.far)
    print(machine(), versions("ringfence"), sep="\n")
    failed = False
    for _ in range(asked.rounds):
        kinds = asked.kinds.split(",")
        random.Random(asked.seed).shuffle(kinds)
        with tempfile.TemporaryDirectory() as name, chdir(name):
            folder = Path(name).resolve()
            begin = time.monotonic()
            trial = FlinkTrial(kafka, link, folder, world(folder, asked), asked)
            found = trial.run(kinds)
            taken = time.monotonic() - begin
        is_good = found.is_same and found.equal == trial.payments
        failed |= not is_good
        print(
            f"{'PASS' if is_good else 'FAIL'}: seed {asked.seed}, {', '.join(kinds)}: {found.equal:,} of "
            f"{trial.payments:,} decisions equal the embedded engine's ({taken:.0f} s)",
            *found.named,
            sep="\n  ",
            flush=True,
        )
        asked.seed += 1
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
