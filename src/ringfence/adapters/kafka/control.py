"""A control topic beside a source: what it says takes effect between the batches of that source.

    payments ──► batch ──► batch ──┐
                                   ├──► batch, rules, batch ...
    control  ──► rules ────────────┘

Rules and models go into the log as batches of their own, so their places are named there. Where the control
topic goes on commits behind them; what is read again after a crash has the id of before, and is taken once.
List entries, flags, profiles and labels of other servers commit with that place.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from itertools import groupby
from typing import TYPE_CHECKING, Final, Protocol

from ringfence.adapters.files.readers import FilePiece
from ringfence.adapters.kafka.records import HEADER, TIMESTAMP
from ringfence.adapters.kafka.sink import LOG_HEADER, OFFSET_HEADER
from ringfence.errors import RuleError
from ringfence.events.bad import Fault, Reason
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import NO_EVENTS
from ringfence.events.origin import EventOrigin
from ringfence.ports.sources import StreamBatch, Warns
from ringfence.sharded.changes import ControlRecord, is_change
from ringfence.sharded.references import is_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ringfence.adapters.kafka.source import KafkaSource
    from ringfence.adapters.stream_records import StreamDecoding, Streamed
    from ringfence.events.activation import Part
    from ringfence.events.bad import BadRecord
    from ringfence.ports.sources import StreamSource

OPTIONS: Final[dict[str, tuple[str, ...] | None]] = {"control": None}
"""What an address may say beside what it may of any source."""

_NOTHING: Final = StreamBatch(NO_EVENTS, None, [], (), 0, None)
_KEPT: Final = {"timestamp": TIMESTAMP, "headers": HEADER}
_MOST_DIGITS: Final = 19
_NO_PAYMENTS: Final = "a control topic has no payments: send them to a topic of payments"


class Follows(Protocol):
    """Takes over what a control topic says."""

    def check(self, record: ControlRecord, /) -> Part:
        """Keep the version that it names; which part it is of. `RuleError` says what is wrong with it."""
        ...

    def put(self, record: ControlRecord, /) -> EventBatch | None:
        """What to put in force by a record that was checked; None where there is nothing to do."""
        ...


class TakesReferences(Protocol):
    """Takes over lists, flags, profiles and labels of other servers."""

    def take(self, records: Sequence[ControlRecord], /) -> tuple[EventBatch, dict[int, str]]:
        """The events of some records in order, and what is wrong with others, by their places among them."""
        ...

    def forget(self) -> None:
        """What was handed over may be lost, and is read again."""
        ...


class ControlReading:
    """Reads records of a control topic; versions that they name are gathered until they are `taken`."""

    enveloped = needs_row_ids = False

    def __init__(self, decoding: StreamDecoding, follows: Follows, references: TakesReferences) -> None:
        """`decoding` reads what others have put there; `follows` hears of versions."""
        self.keep = decoding.keep | _KEPT.keys()
        self._decoding = decoding
        self._follows = follows
        self._references = references
        self._found: dict[Part, ControlRecord] = {}

    def taken(self) -> list[EventBatch]:
        """The last of each part that has been gathered: what came before it is in force no more."""
        found, self._found = self._found, {}
        changes = map(self._follows.put, found.values())
        return [change for change in changes if change is not None]

    def forget(self) -> None:
        """What has been gathered is read again."""
        self._found = {}
        self._references.forget()

    def plain(self, _values: Sequence[bytes], _now_ms: int) -> FilePiece | None:
        """Nothing is left to be told by shape: each is looked at."""
        return None

    def __call__(self, records: Iterable[Streamed], now_ms: int) -> FilePiece:
        """Events, bad records, and how many records had no value."""
        pieces: list[FilePiece] = []
        for what, some in groupby(records, _what):
            if what is _What.VERSION:
                pieces.append(_only(NO_EVENTS, self._gathered(some, now_ms)))
            elif what is _What.REFERENCE:
                pieces.append(self._taken_over(list(some), now_ms))
            else:
                pieces += [self._read(record, now_ms) for record in some]
        events = [piece.events for piece in pieces if len(piece.events)]
        return FilePiece(
            EventBatch.concat(events) if events else NO_EVENTS,
            None,
            [one for piece in pieces for one in piece.bad],
            sum(piece.skipped for piece in pieces),
            sum(piece.empty for piece in pieces),
        )

    def _read(self, record: Streamed, now_ms: int) -> FilePiece:
        """What others than servers have put there."""
        piece = self._decoding([record._replace(kept=self._kept(record))], now_ms)
        if not piece.events.is_transaction.any():
            return piece
        return _only(NO_EVENTS, [self._refused(record, "kind", _NO_PAYMENTS)])

    def _taken_over(self, records: list[Streamed], now_ms: int) -> FilePiece:
        events, faults = self._references.take([_control_record(record, now_ms) for record in records])
        bad = [self._refused(records[number], "event", said) for number, said in sorted(faults.items())]
        return _only(events, bad)

    def _gathered(self, records: Iterable[Streamed], now_ms: int) -> list[BadRecord]:
        """Keep the last version of each part; what is wrong with others."""
        bad = []
        for record in records:
            told = _control_record(record, now_ms)
            try:
                part = self._follows.check(told)
            except RuleError as error:
                bad.append(self._refused(record, "activation", str(error)))
                continue
            self._found.pop(part, None)  # so that parts go in the order of their records
            self._found[part] = told
        return bad

    def _refused(self, record: Streamed, field: str, problem: str) -> BadRecord:
        raw = record.value if isinstance(record.value, bytes) else record.raw
        return self._decoding.refused(record._replace(raw=raw), Fault(Reason.MALFORMED, field, problem))

    def _kept(self, record: Streamed) -> dict[str, object]:
        ours = tuple(begin for what, begin in _KEPT.items() if what not in self._decoding.keep)
        return {name: value for name, value in record.kept.items() if not name.startswith(ours)}


class _What(Enum):
    """What a record of a control topic is."""

    VERSION = "version"
    REFERENCE = "reference"
    OTHER = "other"


def _what(record: Streamed) -> _What:
    if not isinstance(record.value, bytes):
        return _What.OTHER
    if is_change(record.value):
        return _What.VERSION
    return _What.REFERENCE if is_reference(record.value) else _What.OTHER


def _only(events: EventBatch, bad: list[BadRecord]) -> FilePiece:
    return FilePiece(events, None, bad)


def _control_record(record: Streamed, now_ms: int) -> ControlRecord:
    log, offset = (str(record.kept.get(HEADER + name, "")) for name in (LOG_HEADER, OFFSET_HEADER))
    assert isinstance(record.value, bytes)
    return ControlRecord(
        record.value,
        int(record.kept.get(TIMESTAMP, now_ms)),
        f"{record.source}/{record.position}",
        log,
        int(offset) if offset.isdecimal() and len(offset) < _MOST_DIGITS else 0,
    )


class SteeredSource:
    """A source, and the control topic beside it. One thread at a time, but for what it tells."""

    def __init__(self, source: StreamSource, control: KafkaSource, reading: ControlReading) -> None:
        """`reading` is what reads `control`."""
        self._source = source
        self._control = control
        self._reading = reading

    @property
    def name(self) -> str:
        """For people, without options."""
        return self._source.name

    @property
    def is_open(self) -> bool:
        """Whether both have been taken up."""
        return self._source.is_open and self._control.is_open

    @property
    def problem(self) -> str:
        """Why nothing comes although something may be there."""
        return self._source.problem or self._control.problem

    @property
    def warning(self) -> str:
        """What somebody should see to."""
        return self._source.warning if isinstance(self._source, Warns) else ""

    @property
    def lag(self) -> int:
        """Records that are there and have not been taken."""
        return self._source.lag + self._control.lag

    @property
    def behind_ms(self) -> int:
        """As the source tells."""
        return self._source.behind_ms

    @property
    def parts(self) -> int:
        """Partitions that are read, without those of the control topic."""
        return self._source.parts

    @property
    def moves(self) -> int:
        """How often the partitions of the source have changed."""
        return self._source.moves

    def open(self) -> None:
        """Take up both where the journal says; errors as of `KafkaSource.open`."""
        self.close()
        self._control.open()
        self._source.open()

    def close(self) -> None:
        """Leave the brokers; what was gathered and not handed over is read again."""
        self._source.close()
        self._control.close()
        self._reading.forget()

    def batches(
        self, rows: int, *, until_end: bool = False, wait_seconds: float, is_over: Callable[[], bool]
    ) -> Iterator[StreamBatch]:
        """Batches of the source, what the control topic has before each of them.

        With `until_end` all that is in the control topic goes first.
        """
        wait = wait_seconds if until_end else 0.0
        control = self._control.batches(rows, until_end=until_end, wait_seconds=wait, is_over=is_over)
        if until_end:
            for told in control:
                yield from self._changes(told)
        for batch in self._source.batches(
            rows, until_end=until_end, wait_seconds=wait_seconds, is_over=is_over
        ):
            yield from self._changes(next(control, _NOTHING))
            yield batch

    def _changes(self, told: StreamBatch) -> Iterator[StreamBatch]:
        """Versions to be put in force, then where the control topic goes on behind them."""
        for change in self._reading.taken():
            yield replace(_NOTHING, events=change)
        if told.positions or told.bad:
            yield replace(told, origin=EventOrigin.CONTROL)
