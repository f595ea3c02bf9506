"""The few places where Ringfence meets the world, written for whoever implements one.

Each port here but the clock has one exam in `ringfence.testing` that every adapter sits, the one in memory
first. So have `follow.Follower`, `bus.notifier.Notifier`, `scoring.artifacts.models.Scorer`,
`rulebook.changes.RuleHistory`, `access.key_store.KeyStore`, `ports.sources.StreamSource` and
`ports.secrets.Secrets`. One adapter has tests of its own instead: that of `Approvals`, `Outbox`, `CaseBook`,
`Alerts`, `Trail`, `DecisionIndex`, `Vault`, `TopicBrowser`, `Tracing`, `Tables`, `Statements`, `Annotations`.
Both of `graph.cypher.PropertyGraph` answer the same questions in one test. An adapter may block; the caller
decides on which thread. Each method says what holds after a crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import xxhash

from ringfence.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.errors import StoreError
    from ringfence.events.bad import BadRecord
    from ringfence.scoring.artifacts.models import Models
    from ringfence.scoring.rulesets.rules import CompiledRules

EVENTS = "events"
"""Topic of all input events, in the order in which they take effect."""

DECISIONS = "decisions"
"""Topic of decisions; a decision has the offset of its event."""

FLAG_MATCHES = "flag_matches"
"""Topic of transactions that a flag turned out to cover after they had been decided."""

DRIFT = "drift"
"""Topic of alerts that payments no longer look as a model's training did."""

MODEL_NEWS = "model_news"
"""Topic of models in force that fell behind, and of new ones that wait to be put in force."""

SLO_NEWS = "slo_news"
"""Topic of alarms that the service misses an objective, and of their ends."""


@dataclass(frozen=True, slots=True)
class LogBatch:
    """A run of consecutive records of one topic: what is appended and what is read back.

    `payload` is opaque to the log. Its records have offsets `base_offset` up to `next_offset`, not included.
    """

    topic: str
    base_offset: int
    count: int
    first_time_ms: int  # least and greatest event time inside, for pruning scans and for retention
    last_time_ms: int
    payload: bytes

    @property
    def next_offset(self) -> int:
        """Offset after the last record."""
        return self.base_offset + self.count

    def checksum(self) -> int:
        """Signed 64-bit xxh3 over every field: stored beside the batch, compared when it is read."""
        numbers = (self.base_offset, self.count, self.first_time_ms, self.last_time_ms)
        digest = xxhash.xxh3_64(f"{len(self.topic)} {self.topic} {numbers}".encode())
        digest.update(self.payload)
        value = digest.intdigest()
        return value - (1 << 64) if value >= 1 << 63 else value


def end_offsets_after(batches: Sequence[LogBatch], end_offset: Callable[[str], int]) -> dict[str, int]:
    """End offset of each topic once these batches are appended; `ConflictError` where one does not follow on.

    >>> end_offsets_after([LogBatch("events", 7, 3, 0, 0, b"")], {"events": 7}.__getitem__)
    {'events': 10}
    """
    ends: dict[str, int] = {}
    for batch in batches:
        expected = ends[batch.topic] if batch.topic in ends else end_offset(batch.topic)
        if batch.base_offset != expected or batch.count < 1:
            raise ConflictError(
                f"topic {batch.topic!r} ends at offset {expected}: a batch of {batch.count} records at "
                f"offset {batch.base_offset} does not follow on; read the end again and append there"
            )
        ends[batch.topic] = batch.next_offset
    return ends


class EventLog(Protocol):
    """Ordered, durable batches of records by topic. One writer, any number of readers.

    An event's address, among all logs there are, is the log's identity and the offset.
    """

    @property
    def identity(self) -> str:
        """Of this log alone: made with it, the same ever after, up to 64 letters and digits."""
        ...

    def append(self, batches: Sequence[LogBatch]) -> None:
        """Commit all batches, of whatever topics, in one transaction.

        Called by one thread at a time; returns after the data is on stable storage: a crash at any later
        instant keeps all of it, a crash before keeps all or nothing. Each `base_offset` must equal
        `end_offset(topic)` (or that plus earlier batches of this call): otherwise `ConflictError` and
        nothing is written. `StoreFullError` when there is no room.
        """
        ...

    def end_offset(self, topic: str) -> int:
        """Offset of the next record to be appended; 0 for a topic that does not exist yet."""
        ...

    def start_offset(self, topic: str) -> int:
        """Offset of the oldest record still kept."""
        ...

    def read(self, topic: str, offset: int = 0, end: int | None = None) -> Iterator[LogBatch]:
        """Whole batches in order, from the one that holds `offset`.

        Up to `end` (not included), or to the end as it is when reading gets there. May run on other threads
        while `append` works. `CorruptError` names a batch whose checksum fails.
        """
        ...

    def topics(self) -> list[str]:
        """Names of all topics that have held records, sorted."""
        ...

    def commit_reader(self, reader: str, topic: str, offset: int) -> None:
        """Remember durably that `reader` has dealt with everything before `offset`."""
        ...

    def reader_offset(self, reader: str, topic: str) -> int:
        """What `commit_reader` remembered; 0 for a reader not seen yet."""
        ...

    def forget_reader(self, reader: str) -> None:
        """Keep nothing for this reader any more."""
        ...

    def readers(self) -> list[tuple[str, str, int]]:
        """All (reader, topic, offset)."""
        ...

    def trim(self, topic: str, before_offset: int) -> int:
        """Forget whole batches that end at or before this offset; returns how many records went."""
        ...

    def close(self) -> None:
        """Release everything. Closing twice is allowed."""
        ...


class Library(Protocol):
    """The versions that an activation in the log may name, ready for use over one specification.

    Asked by the thread that decides: what has been asked for once is given again at once.
    """

    def rules(self, digest: str) -> CompiledRules:
        """The rule set of this digest; `StoreError` where it is not kept, `RuleError` if it does not fit."""
        ...

    def models(self, digest: str) -> Models:
        """The deployment of this digest with its models; `StoreError` or `ScorerError` likewise."""
        ...


@dataclass(frozen=True, slots=True)
class Version:
    """A registered text: `kind` is `features`, `rules`, `models` or `mapping`.

    `digest` is the first 16 hex digits of the SHA-256 of `body`.
    """

    kind: str
    digest: str
    body: str
    created_ms: int


class Registry(Protocol):
    """Every version that a decision may name, by kind and digest. Any thread may ask.

    A version never changes and is never taken away.
    """

    def register(self, kind: str, digest: str, body: str, now_ms: int) -> None:
        """Keep a version, once, durably; `ConflictError` if the digest names another text."""
        ...

    def find(self, kind: str, digest: str) -> Version | None:
        """The version that a digest names; `CorruptError` where its text has changed."""
        ...

    def versions(self, kind: str | None = None) -> list[Version]:
        """All versions, or those of a kind, by `created_ms`, then as they came; errors as of `find`."""
        ...


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """A bad record in quarantine. `replayed_ms` and `outcome` are None while nobody has tried it again."""

    id: str
    source: str
    position: int
    reason: str
    message: str
    original: bytes
    original_format: str
    mapping: str
    received_ms: int
    replayed_ms: int | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a quarantined record that was tried again: `accepted`, `duplicate`, or a new reason."""

    id: str
    outcome: str


SETTLED: Final = frozenset({"accepted", "duplicate"})
"""Outcomes after which a quarantined record need not be tried again."""


class Quarantine(Protocol):
    """Bad records as they were found, for looking at; `Journal.commit` adds and marks them. Any thread."""

    def records(
        self, *, reason: str | None = None, source: str | None = None, waiting: bool = False, limit: int = 100
    ) -> list[QuarantinedRecord]:
        """Newest first, all where `limit` is negative; only those that wait for a replay if asked."""
        ...

    def unsettled(self, *, reason: str | None = None, limit: int = -1) -> list[QuarantinedRecord]:
        """Those whose outcome is not in `SETTLED`, the oldest first, all where `limit` is negative.

        Of more than `limit` those that nobody has tried, then those that were tried longest ago.
        """
        ...

    def beginnings(self, limit: int, size: int) -> list[QuarantinedRecord]:
        """The newest, with the first `size` bytes of each original."""
        ...

    def since(self, place: int, limit: int) -> list[tuple[int, QuarantinedRecord]]:
        """Those that came behind a place (0: all), in the order in which they came, each with its place.

        Where nothing is left up to `place`, a restored store say, all of them.
        """
        ...

    def get(self, record_id: str) -> QuarantinedRecord:
        """The record with this id or the only one whose id begins so; `InputError` where there is none."""
        ...

    def counts(self) -> dict[str, tuple[int, int]]:
        """By reason: how many there are, and how many of them wait for a replay."""
        ...

    def count_before(self, before_ms: int) -> int:
        """How many were received before a time."""
        ...


@dataclass(frozen=True, slots=True)
class Position:
    """How far a part of a source has been taken: a partition of a topic, a shard of a stream, a file.

    `value` is the source's own word for the place where it goes on; None forgets the part.
    """

    source: str
    part: str
    value: str | None


class Clock(Protocol):
    """Wall-clock time as an argument."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        ...


class Journal(Protocol):
    """Where one writer's events, decisions and all that must commit with them are kept together."""

    @property
    def log(self) -> EventLog:
        """The log, for reading."""
        ...

    @property
    def quarantine(self) -> Quarantine:
        """The bad records, for looking at."""
        ...

    def commit(
        self,
        batches: Sequence[LogBatch] = (),
        *,
        bad_records: Sequence[BadRecord] = (),
        replayed: Sequence[Replayed] = (),
        schedule: bytes | None = None,
        positions: Sequence[Position] = (),
        now_ms: int = 0,
    ) -> None:
        """All of it or nothing, on stable storage on return; `batches` as in `EventLog.append`.

        `bad_records` go into quarantine, received at `now_ms`; one that is there already stays as it is.
        `replayed` says what became of those tried again. `schedule`, if given, replaces what is pending.
        `positions` say where each source goes on after what is committed here; of two of one part, the last.
        """
        ...

    def forget_bad_records(self, before_ms: int) -> int:
        """Drop from quarantine what was received before a time; how many records that were."""
        ...

    def schedule(self) -> bytes | None:
        """What the last commit that said so left pending."""
        ...

    def positions(self, source: str) -> dict[str, str]:
        """Where a source goes on, by part; empty for one that was never taken."""
        ...


class SavedState(Protocol):
    """The state after all events before `offset`: arrays by name, and a header of JSON values."""

    @property
    def offset(self) -> int: ...

    @property
    def header(self) -> dict[str, Any]: ...

    @property
    def arrays(self) -> dict[str, NDArray[Any]]: ...


class Ended(Protocol):
    """How a snapshot in the background ended."""

    @property
    def problem(self) -> StoreError | None: ...


class SnapshotStore(Protocol):
    """Saved states of the pipeline, by log offset."""

    def save(self, arrays: Mapping[str, NDArray[Any]], header: dict[str, Any], offset: int) -> None:
        """Write on this thread; on stable storage on return."""
        ...

    def save_in_background(
        self, arrays: Mapping[str, NDArray[Any]], header: dict[str, Any], offset: int
    ) -> bool:
        """Write the arrays as they are now while the caller changes them; False if one is being written.

        `StoreError` where none can be begun.
        """
        ...

    def poll(self) -> Ended | None:
        """How the one in the background ended, once; None while it runs or where there is none."""
        ...

    def wait(self) -> Ended | None:
        """As `poll`, once it has ended."""
        ...

    def load_latest(self) -> tuple[SavedState | None, list[str]]:
        """The newest sound snapshot, and what is wrong with each newer one that is damaged."""
        ...

    def discard_beyond(self, offset: int) -> None:
        """Remove snapshots of a state that the log, after a crash, no longer leads to."""
        ...

    def offsets(self) -> list[int]:
        """Offsets of the snapshots that are there, newest first."""
        ...

    def set_aside(self, offset: int) -> None:
        """Count a snapshot that cannot be used no longer, without deleting it; it stays where it must."""
        ...
