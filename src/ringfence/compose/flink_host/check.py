"""What Flink decided beside what the embedded engine decides over the same records."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from ringfence.compose.flink_host.running import FOLDER_NAME, packed, plan_in
from ringfence.compose.flink_host.sharded import plan_of
from ringfence.decisions.written import json_of
from ringfence.errors import InputError
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.intake import Intake
from ringfence.pipeline import Pipeline
from ringfence.ports import EVENTS, LogBatch
from ringfence.sharded.changes import decoded
from ringfence.testing.memory.event_log import MemoryLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.adapters.flink.topics import ReadRecords
    from ringfence.compose.deciding.definitions import Definitions
    from ringfence.compose.flink_host.running import Ends
    from ringfence.sharded import ShardedPlan

_ROWS: Final = 4096
_SHARDS: Final = 1  # of no account where nothing is divided
_OF_THE_RUN: Final = ("decided_at_ms", "latency_us")
_MOST_NAMED: Final = 5


@dataclass(slots=True)
class Compared:
    """How two hosts' decisions compare.

    Attributes:
        equal: decisions that are the same in every field.
        unequal: decisions that differ in a field.
        missing: decisions of the embedded engine that Flink has not written.
        twice: decisions that Flink has written more than once.
        unknown: decisions of Flink on payments that the embedded engine has not decided.
        named: the first few of what is not the same, in words.
    """

    equal: int = 0
    unequal: int = 0
    missing: int = 0
    twice: int = 0
    unknown: int = 0
    named: list[str] = field(default_factory=list)

    @property
    def is_same(self) -> bool:
        """Whether both hosts decided the same."""
        return not (self.unequal or self.missing or self.twice or self.unknown)

    def name(self, what: str) -> None:
        """Keep one example."""
        if len(self.named) < _MOST_NAMED:
            self.named.append(what)


def compare(ends: Ends, definitions: Definitions, most: int | None = None) -> Compared:
    """Have the project in the current folder decide what the topics hold, up to `most` events, and compare.

    Where a job has begun in it, by the rules and the model with which it began, and those that its control
    topic has put in force since; else by `definitions`.

    Both hosts stop where the order is not settled yet. Flink may have decided more since the topics were
    read; what it wrote beyond the slice is left out.
    """
    from ringfence.adapters.flink.topics import read_topic, read_values  # noqa: PLC0415 (an extra)

    partitions = ends.partitions()
    plan = plan_of(plan_in(Path()) or packed(definitions, partitions, _SHARDS, ends.controls(partitions)))
    if list(plan.partitions) != partitions:
        raise InputError(
            f"the job in {FOLDER_NAME} reads {', '.join(plan.partitions)}, not {', '.join(partitions)}: "
            "name the same topics, --control among them"
        )
    events = _merged(plan, [read_topic(ends.source, name) for name in partitions])
    wanted, end = _embedded(plan, events if most is None else events.slice(0, min(most, len(events))))
    written = map(msgspec.json.decode, read_values(ends.source, ends.outputs["decisions"]))
    return compared(wanted, (one for one in written if one["offset"] < end))


def compared(wanted: dict[int, bytes], written: Iterator[dict[str, Any]]) -> Compared:
    """How decisions written compare with those wanted, each of them `packed_up` by its offset."""
    found, seen = Compared(), set()
    for decision in written:
        offset = decision["offset"]
        if offset in seen:
            found.twice += 1
            found.name(f"{decision['transaction_id']} was decided twice")
            continue
        seen.add(offset)
        expected = _unpacked(wanted[offset]) if offset in wanted else None
        if expected is None:
            found.unknown += 1
            found.name(f"{decision['transaction_id']} at offset {offset:,} is no payment of the topics")
            continue
        fields = [
            name
            for name in expected.keys() | decision.keys()
            if name not in _OF_THE_RUN and expected.get(name) != decision.get(name)
        ]
        if fields:
            found.unequal += 1
            found.name(f"{decision['transaction_id']} differs in {', '.join(sorted(fields))}")
        else:
            found.equal += 1
    missing = wanted.keys() - seen
    found.missing = len(missing)
    for offset in sorted(missing)[:_MOST_NAMED]:
        found.name(f"{_unpacked(wanted[offset])['transaction_id']} is not decided")
    return found


def packed_up(decision: bytes) -> bytes:
    """A decision's JSON, so that a million of them fit into memory."""
    return zlib.compress(decision, 1)


def _unpacked(decision: bytes) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(zlib.decompress(decision))
    return found


def _embedded(plan: ShardedPlan, events: EventBatch) -> tuple[dict[int, bytes], int]:
    """Decisions of the embedded engine by offset, and where its log ends."""
    log = MemoryLog()
    found: dict[int, bytes] = {}
    intake = Intake(log, plan.seed)
    pipeline = Pipeline(plan.spec, plan.rules, plan.seed, models=plan.models, library=plan.library)
    changes = np.flatnonzero(events.kind == Kind.ACTIVATION)
    cuts = sorted({*range(0, len(events), _ROWS), *changes.tolist(), *(changes + 1).tolist(), len(events)})
    for begin, stop in pairwise(cuts):
        admitted = intake.admit_now(events.slice(begin, stop), pipeline.offset)
        if not len(admitted.events):
            continue
        log.append([_logged(admitted.events, pipeline.offset)])
        decisions = pipeline.step(admitted.events).decisions
        if decisions is None:
            continue
        offsets = decisions.numbers("offset").tolist()
        found |= zip(offsets, map(packed_up, json_of(decisions)), strict=True)
    return found, pipeline.offset


def _logged(events: EventBatch, base: int) -> LogBatch:
    times = events.event_time_ms
    return LogBatch(EVENTS, base, len(events), int(times.min()), int(times.max()), codec.encode(events))


def _merged(plan: ShardedPlan, records: list[ReadRecords]) -> EventBatch:
    """Events of all partitions in the order of the log, up to where nothing can come in between any more."""
    parts, clocks = [], []
    for number, read in enumerate(records):
        others = [one.end_ms - (at < number) for at, one in enumerate(records) if at != number]
        end = int(np.searchsorted(read.clock_ms, min(others), side="right")) if others else len(read.values)
        events, rows, _ = decoded(plan, number, read.offsets[:end], read.append_ms[:end], read.values[:end])
        parts.append(events)
        clocks.append(read.clock_ms[rows])
    order = np.argsort(np.concatenate(clocks), kind="stable")  # equal clocks: by partition and offset
    return EventBatch.concat(parts).take(order)
