"""Sources of events: what a batch of one is, and streams, which do not end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from ringfence.events.decoding.decode import NO_EVENTS
from ringfence.events.origin import EventOrigin
from ringfence.ports import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from ringfence.events.bad import BadRecord
    from ringfence.events.batch import EventBatch

Format: TypeAlias = Literal["csv", "ndjson", "parquet"]
Order: TypeAlias = Literal["auto", "time", "arrival"]


@dataclass(frozen=True, slots=True)
class SourceBatch:
    """Some rows of a source: events in order, labels of its label column when they are known, bad records.

    The mapping leaves `skipped` rows out on purpose. `position` of `total` bytes of all sources have been
    read; `total` is None when one is standard input. `positions` commit with the rows.
    """

    source: str
    events: EventBatch
    labels: EventBatch | None
    bad: list[BadRecord]
    position: int
    total: int | None
    skipped: int = 0
    positions: tuple[Position, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamBatch:
    """Some messages: events in order of arrival, bad records, and where each partition goes on after them.

    The mapping leaves `skipped` out, and `empty` are messages without a value: ticks, tombstones. `position`
    messages have been read of `total`, which is None where a stream does not tell. `decided` are decisions of
    another host on its payments, as rows (`given_of`).
    """

    events: EventBatch
    labels: EventBatch | None
    bad: Sequence[BadRecord]
    positions: tuple[Position, ...]
    position: int
    total: int | None
    skipped: int = 0
    decided: pa.RecordBatch | None = None
    empty: int = 0
    origin: EventOrigin = EventOrigin.STREAM


class StreamSource(Protocol):
    """A source without an end. One thread at a time, but for what it says of itself."""

    @property
    def name(self) -> str:
        """For people, without secrets."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether it has been taken up and not been closed."""
        ...

    @property
    def problem(self) -> str:
        """Why nothing comes although something may be there; empty while all is well."""
        ...

    @property
    def lag(self) -> int:
        """Records that are there and have not been taken."""
        ...

    @property
    def behind_ms(self) -> int:
        """How old the next record is that has not been taken; 0 where the stream counts records instead."""
        ...

    @property
    def parts(self) -> int:
        """Partitions or shards that are read."""
        ...

    @property
    def moves(self) -> int:
        """How often the set of parts has changed."""
        ...

    def open(self) -> None:
        """Take it up where the journal says; errors as of a source that cannot be read."""
        ...

    def batches(
        self, rows: int, *, until_end: bool = False, wait_seconds: float, is_over: Callable[[], bool]
    ) -> Iterator[StreamBatch]:
        """Batches as they come, an empty one while nothing does, until `is_over`, or the end if asked."""
        ...

    def close(self) -> None:
        """Let go of it; it may be opened again."""
        ...


@runtime_checkable
class Warns(Protocol):
    """A source that may go on although somebody should look at it."""

    @property
    def warning(self) -> str:
        """What somebody should see to; empty while there is nothing."""
        ...


PART: Final = "batches"


class Mark(msgspec.Struct, frozen=True):
    """How far a reading has got.

    `batches` have been committed with `rows` events and bad records. All rows count as received at
    `ingest_time_ms`: what lay in the future of the first attempt is refused by the second one as well, or
    each batch behind it would hold other rows.
    """

    batches: int
    rows: int
    ingest_time_ms: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of some files, by its `source` name, from its `mark` on."""

    source: str
    mark: Mark

    def resumed(self, batches: Iterator[SourceBatch]) -> Iterator[SourceBatch]:
        """The batches, each with where the reading goes on after it; those of before lose their rows.

        Labels that become known later stay: what has entered the log already is passed over there.
        """
        number, rows = 0, 0
        for batch in batches:
            number += 1
            rows += len(batch.events) + len(batch.bad)
            if number <= self.mark.batches:
                yield replace(batch, events=NO_EVENTS, bad=[], skipped=0)
                continue
            mark = Mark(number, rows, self.mark.ingest_time_ms)
            position = Position(self.source, PART, msgspec.json.encode(mark).decode())
            yield replace(batch, positions=(position,))

    @property
    def ended(self) -> Position:
        """A reading that came to its end begins anew next time."""
        return Position(self.source, PART, None)
