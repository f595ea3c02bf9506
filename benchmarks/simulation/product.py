"""One process of the product: it decides, commits and answers, follows its log and delivers messages.

All of it is what runs in production, but for the journal, which stands on a simulated disk, and the threads:
each method does what one thread would do next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from benchmarks.simulation.disk import IDENTITY, Crash, Disk, DiskJournal
from ringfence.adapters.audit.sealing import SealFollower
from ringfence.adapters.audit.trail import SqliteTrail
from ringfence.adapters.cases import CaseFollower
from ringfence.adapters.outbox import Courier, OutboxFollower
from ringfence.adapters.outbox.delivery import DestinationRound
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome, Message
from ringfence.bus.subscription import Subscription
from ringfence.cases.policy import CasePolicy
from ringfence.decisions.decision import DecisionBatch
from ringfence.features.spec import FeatureSpec, entity
from ringfence.follow.pump import advance
from ringfence.pipeline import Pipeline
from ringfence.ports import DECISIONS, EVENTS, FLAG_MATCHES
from ringfence.runner import Runner
from ringfence.saving import Snapshotting
from ringfence.scoring.rulesets.books import load_book
from ringfence.scoring.rulesets.rules import compile_rules
from ringfence.testing.memory.snapshots import MemorySnapshots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from random import Random

    from ringfence.events.batch import EventBatch
    from ringfence.ports import LogBatch
    from ringfence.runner import PendingBatch

SEED = 77
CARD = entity("card")
SPEC = FeatureSpec.of(CARD.count("10m"), CARD.count("1h"), CARD.sum("amount", "1h"), CARD.label_rate("1d"))
BOOK = load_book(
    "policy: {challenge_at: 40, review_at: 60, decline_at: 90}\nrules:\n"
    "  - {id: large, title: Large, when: amount > 800, points: 45, reason: LARGE, analyst: Large.}\n"
    "  - {id: many, title: Many, when: card.count_10m >= 3, points: 45, reason: MANY, analyst: Many.}\n"
    "  - {id: marked, title: Marked, when: card_id IN LIST 'marked', points: 60, reason: M, analyst: M.}\n"
)
RULES = compile_rules(BOOK, SPEC)
SUBSCRIPTION = Subscription(
    name="team",
    pattern='{"data": {"outcome": [{"anything-but": "approve"}]}}',
    to="slack:#team",
    ordered=True,
)
_WHOLE_IN_FLIGHT = 2
_MOST_TOGETHER = 6


@dataclass
class Copy:
    """What a follower of the simulation holds: every record, and the position that goes with them."""

    records: list[tuple[str, int]] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)


class CopyFollower:
    """`ringfence.follow.Follower` into a `Copy`: both at once, or, were it wrong, one after the other."""

    name, topics, least = "copy", (DECISIONS, EVENTS), 1

    def __init__(self, copy: Copy, point: Callable[[str], None], most: int) -> None:
        self._copy = copy
        self._point = point
        self.most = most

    def positions(self) -> Mapping[str, int]:
        return dict(self._copy.positions)

    def take(self, topic: str, batches: Iterable[LogBatch]) -> None:
        taken = list(batches)
        self._point("a follower takes")
        self.put(topic, [(topic, n) for one in taken for n in range(one.base_offset, one.next_offset)])
        self._point("a follower has taken")

    def put(self, topic: str, records: list[tuple[str, int]]) -> None:
        """The transaction."""
        self._copy.records += records
        self._copy.positions[topic] = records[-1][1] + 1

    def reset(self) -> None:
        self._copy.records.clear()
        self._copy.positions.clear()

    def close(self) -> None:
        pass


class Receiver:
    """A destination that is down now and then, and whose answers get lost."""

    def __init__(self, chance: Random, point: Callable[[str], None]) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.is_calm = False
        self._chance = chance
        self._point = point

    def deliver(self, message: Message) -> AttemptOutcome:
        how = 1.0 if self.is_calm else self._chance.random()
        if how < 0.25:
            return AttemptOutcome(AttemptEnd.RETRY, "503", self._chance.choice((None, 0.5)))
        self.got.append((message.id, message.event))
        self._point("a message has arrived")
        return (
            AttemptOutcome(AttemptEnd.RETRY, "timed out")
            if how < 0.4
            else AttemptOutcome(AttemptEnd.DELIVERED)
        )

    def close(self) -> None:
        pass


class _InlineLanes:
    """Lanes without threads: what is begun is attempted."""

    def __init__(self, attempt: Callable[[Any], AttemptOutcome]) -> None:
        self._attempt = attempt
        self._ended: list[tuple[Any, AttemptOutcome]] = []

    def begin(self, asked: Sequence[Any]) -> None:
        self._ended += [(one, self._attempt(one)) for one in asked]

    def wait(self, _seconds: float) -> None:
        pass

    def withdraw(self) -> list[Any]:
        return []  # nothing waits

    def ended(self) -> list[tuple[Any, AttemptOutcome]]:
        ended, self._ended = self._ended, []
        return ended


@dataclass
class Step:
    """Requests that were taken together."""

    requests: list[Any]
    work: PendingBatch


class Product:
    """A process, from its start to its crash."""

    def __init__(
        self,
        disk: Disk,
        copy: Copy,
        folder: Path,
        receiver: Receiver,
        chance: Random,
        now_ms: Callable[[], int],
        point: Callable[[str], None],
        answer: Callable[[Any, dict[str, Any]], None],
    ) -> None:
        self._chance = chance
        self._answer = answer
        self.inbox: list[Any] = []
        self._steps: list[Step] = []
        self.journal = DiskJournal(disk, point)
        clock = _Clock(now_ms)
        pipeline = Pipeline(SPEC, RULES, SEED, stopwatch=lambda: 0.0)
        snapshots = MemorySnapshots(disk.shelf)
        self.runner = Runner(self.journal, pipeline, clock, snapshots, Snapshotting(every_events=20))
        self.runner.recover()
        log = self.journal.log
        self._outbox = OutboxFollower(log, folder, IDENTITY, now_ms)
        bus = self._outbox.bus
        if not bus.subscriptions():
            bus.subscribe(SUBSCRIPTION)
        self.followers: list[Any] = [
            CopyFollower(copy, point, chance.choice((1, 5, 50))),
            self._outbox,
            CaseFollower(log, folder, CasePolicy()),
            SealFollower(lambda: SqliteTrail(folder)),
        ]
        self._courier = Courier(bus, {"slack": receiver}, now_ms, chance)
        to = bus.destination(SUBSCRIPTION.to)
        self._round = DestinationRound(bus, to, self._courier.attempt, now_ms, chance)
        self._round._lanes = _InlineLanes(lambda one: self._courier.attempt(to, one))  # noqa: SLF001
        self._point = point

    def take(self) -> None:
        """Decide what has arrived, some of it together."""
        if not self.inbox or len(self._steps) >= _WHOLE_IN_FLIGHT:
            return
        count = self._chance.randint(1, _MOST_TOGETHER)
        requests, self.inbox = self.inbox[:count], self.inbox[count:]
        events: EventBatch = requests[0].events([one.row for one in requests])
        self._steps.append(Step(requests, self.runner.take(events)))

    def commit(self) -> None:
        """Make the oldest step durable, and answer."""
        if not self._steps:
            return
        step = self._steps.pop(0)
        self.runner.write(self.runner.encode([step.work]))
        self.answer(step)

    def answer(self, step: Step) -> None:
        """What each request is told."""
        admitted = step.work.admitted
        offsets = admitted.offsets[admitted.own].tolist()
        known = decisions_at(self.journal, set(offsets))
        for request, offset in zip(step.requests, offsets, strict=True):
            self._answer(request, known.get(offset, {"offset": offset}))

    def follow(self) -> bool:
        """One follower takes a portion of one topic."""
        follower = self._chance.choice(self.followers)
        topic = self._chance.choice(follower.topics)
        log = (
            _Tearing(self.journal.log, self._point) if follower is not self.followers[0] else self.journal.log
        )
        return advance(log, follower, topic)

    def deliver(self) -> None:
        """What is due goes to its destination."""
        self._round._deliver()  # noqa: SLF001 (without its thread)

    def tidy(self) -> None:
        """A snapshot that is being written comes to its end."""
        self.runner.saving.maybe(self.runner.pipeline.offset, self.runner._state)  # noqa: SLF001

    @property
    def is_idle(self) -> bool:
        return not (self.inbox or self._steps)

    @property
    def waiting(self) -> int:
        """Messages that are owed."""
        return len(self._outbox.bus.letters(state="waiting", limit=10_000))

    def die(self) -> None:
        """Let go of what the system would let go of."""
        for follower in self.followers:
            follower.close()
        self.journal.close()


class _Tearing:
    """A log at whose batches power may go: amid a follower's transaction."""

    def __init__(self, log: Any, point: Callable[[str], None]) -> None:
        self._log = log
        self._point = point

    def read(self, topic: str, offset: int = 0, end: int | None = None) -> Iterable[LogBatch]:
        for batch in self._log.read(topic, offset, end):
            self._point("a follower reads")
            yield batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


class _Clock:
    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms


def decisions_at(journal: Any, offsets: set[int]) -> dict[int, dict[str, Any]]:
    """The log's decisions on these offsets, without what the clock says."""
    rows = (row for batch in journal.log.read(DECISIONS) for row in _rows(batch.payload))
    return {row["offset"]: row for row in rows if row["offset"] in offsets}


@lru_cache(maxsize=256)
def _rows(payload: bytes) -> list[dict[str, Any]]:
    return [without_clock(row) for row in DecisionBatch.decode(payload).table.to_pylist()]


def without_clock(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("decided_at_ms", "latency_us")}


TOPICS = (EVENTS, DECISIONS, FLAG_MATCHES)
__all__ = ["Copy", "Crash", "Product", "Receiver", "decisions_at", "without_clock"]
