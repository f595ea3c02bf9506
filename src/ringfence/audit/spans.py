"""What a span of the log holds, in one hash: events and decisions stand in the same chain as acts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.audit.checking import ChainFault
from ringfence.audit.records import GENESIS, SEALED, Act
from ringfence.errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ringfence.ports import EventLog, LogBatch

RECORDS: Final = 65_536
"""Offsets of a topic between two ends of spans; a span ends with the batch that reaches one."""


class RecordSpan(msgspec.Struct, frozen=True):
    """Records `first` up to `next` of a topic, `next` not included, as whole batches.

    `digest` is the SHA-256 over each batch's and the digest before, in hex; `GENESIS` before the first.
    """

    topic: str
    first: int
    next: int
    digest: str = GENESIS

    @property
    def act(self) -> Act:
        """How the chain says it."""
        details = {"first": str(self.first), "next": str(self.next), "sha256": self.digest}
        return Act(actor="ringfence", channel="server", action=SEALED, object=self.topic, details=details)

    @property
    def is_full(self) -> bool:
        """Whether the next batch begins another one."""
        return self.first // RECORDS != self.next // RECORDS

    @staticmethod
    def of(act: Act) -> RecordSpan | None:
        """What such an act says; None of one that says something else."""
        try:
            return RecordSpan(
                act.object, int(act.details["first"]), int(act.details["next"]), act.details["sha256"]
            )
        except (KeyError, ValueError):
            return None


def extended(span: RecordSpan | None, batch: LogBatch) -> RecordSpan:
    """The span with one more batch behind it; a new one where there is none, or it is full.

    >>> from ringfence.ports import LogBatch
    >>> span = extended(None, LogBatch("events", 0, 3, 0, 0, b"x"))
    >>> (span.first, span.next, span.is_full)
    (0, 3, False)
    """
    if span is None or span.is_full or span.next != batch.base_offset:
        span = RecordSpan(batch.topic, batch.base_offset, batch.base_offset)
    numbers = (batch.base_offset, batch.count, batch.first_time_ms, batch.last_time_ms)
    digest = hashlib.sha256(bytes.fromhex(span.digest))
    digest.update(f"{batch.topic} {numbers} {len(batch.payload)}\n".encode())
    digest.update(batch.payload)
    return RecordSpan(span.topic, span.first, batch.next_offset, digest.hexdigest())


def compare(log: EventLog, spans: Iterable[RecordSpan]) -> tuple[int, int, ChainFault | None]:
    """Whether a log still holds what was sealed.

    Returns how many records were compared, how many sealed ones are gone by retention, and the first span
    that differs, or is missing between two others.
    """
    latest = {(span.topic, span.first): span for span in spans}
    checked = gone = 0
    ends: dict[str, int] = {}
    for (topic, first), span in sorted(latest.items()):
        if first > ends.get(topic, first):
            which = f"offsets {ends[topic]:,} to {first - 1:,} of {topic}"
            return (
                checked,
                gone,
                ChainFault(0, "log", f"{which} were never sealed, and those behind them were"),
            )
        ends[topic] = max(span.next, ends.get(topic, 0))
        start = log.start_offset(span.topic)
        if start > span.first:
            gone += min(start, span.next) - span.first
            continue
        found: RecordSpan | None = None
        try:
            for batch in log.read(span.topic, span.first, span.next):
                found = extended(found, batch)
        except CorruptError as error:
            return checked, gone, ChainFault(0, "log", str(error))
        if found != span:
            which = f"offsets {span.first:,} to {span.next - 1:,} of {span.topic}"
            return (
                checked,
                gone,
                ChainFault(0, "log", f"{which} are not what they were when they were sealed"),
            )
        checked += span.next - span.first
    return checked, gone, None
