"""The network to a broker is cut while its topic is read: python -m benchmarks.kafka_partition [--rounds 20].

One process reads a topic of one partition into a log. At seeded moments nothing goes through any more, for up
to `--longest` seconds, while payments go on to arrive at the broker; then what was on its way arrives, or is
lost with its connections. In the end the log must hold each payment once, decided as in a run that nobody
interrupted. A broker is fetched and started.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from tests.kafka import own_broker
from tests.link import Link

from benchmarks.kafka_crash import ROWS, take
from benchmarks.kafka_stream import fill
from ringfence.adapters.sqlite.store import Store
from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.written import json_of
from ringfence.ports import DECISIONS

if TYPE_CHECKING:
    from ringfence.runner import RunTotals

PATIENCE_SECONDS = 300.0
_OF_THE_RUN = ("decided_at_ms", "latency_us")


def decisions(folder: Path) -> list[dict[str, Any]]:
    """All that a log has decided, but for when and how fast."""
    with Store.open(folder, read_only=True) as store:
        batches = [DecisionBatch.decode(one.payload) for one in store.log.read(DECISIONS)]
    found = [msgspec.json.decode(line) for batch in batches for line in json_of(batch)]
    return [{name: value for name, value in one.items() if name not in _OF_THE_RUN} for one in found]


def cut_again_and_again(link: Link, lines: list[bytes], send: Any, asked: argparse.Namespace) -> int:
    """Send payments in parts, each while the network is cut; how many cuts, which all held something back."""
    chance, share = random.Random(asked.seed), -(-len(lines) // asked.rounds)
    cuts = range(0, len(lines), share)
    for begin in cuts:
        link.cut()
        send(lines[begin : begin + share])
        time.sleep(chance.uniform(0.1, asked.longest))
        if not link.held.wait(PATIENCE_SECONDS):  # the reader has yet to get what was sent
            sys.exit("FAIL: a cut held nothing back")
        link.mend(broken=chance.random() < 0.5)
        time.sleep(chance.uniform(0.0, 1.0))
    return len(cuts)


def begin(reading: Future[RunTotals], begun: Future[None]) -> None:
    """Return once the reader is connected: a cut before that would hold back nothing that it reads."""
    if not wait([reading, begun], PATIENCE_SECONDS, FIRST_COMPLETED).done:
        sys.exit("FAIL: the reader does not begin")
    if not begun.done():
        reading.result()


def ended(reading: Future[RunTotals]) -> RunTotals:
    """What a reader has done that has seen everything; it may not take for ever."""
    try:
        return reading.result(PATIENCE_SECONDS)
    except TimeoutError:
        sys.exit("FAIL: the reader does not get to the end")


def main() -> None:
    """PASS, or FAIL with what is lost, doubled or other."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--longest", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    with Link() as link, tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        kafka = own_broker(through=link.port)
        link.lead(kafka.far)
        whole = fill(kafka.address, f"whole-{time.time_ns()}", asked.events, 1)
        undisturbed, data = Path(folder) / "undisturbed", Path(folder) / "data"
        take(undisturbed, whole)
        lines = [message.value() for message in kafka.content(whole.rpartition("/")[2])]
        topic, far = kafka.topic(), f"kafka://127.0.0.1:{link.port}"
        begun: Future[None] = Future()
        reading = pool.submit(take, data, f"{far}/{topic}", lambda: begun.set_result(None), asked.events)
        begin(reading, begun)
        cuts = cut_again_and_again(link, lines, lambda some: kafka.send(topic, some, partition=0), asked)
        totals = ended(reading)
        found, wanted = decisions(data), decisions(undisturbed)
    names = {one["transaction_id"] for one in found}
    lost, doubled = asked.events - len(names), len(found) - len(names) + totals.duplicates
    other = sum(one != two for one, two in zip(found, wanted, strict=False))
    print(
        f"{'FAIL' if lost or doubled or other else 'PASS'}: {cuts} cuts held something back, "
        f"{asked.events:,} payments by commits of {ROWS}, {lost} lost, {doubled} doubled, "
        f"{other} decided otherwise than undisturbed"
    )
    sys.exit(bool(lost or doubled or other))


if __name__ == "__main__":
    main()
