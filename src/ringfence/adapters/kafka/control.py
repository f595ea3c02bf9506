"""A control topic beside a source: its records put versions in force between the batches of that source.

    payments ──► batch ──► batch ──┐
                                   ├──► batch, rules, batch ...
    control  ──► rules ────────────┘

Rules and models go into the log as batches of their own, so their places are named there. Where the control
topic goes on commits behind them; what is read again after a crash has the id of before, and is taken once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from ringfence.adapters.files.readers import FilePiece
from ringfence.adapters.kafka.records import HEADER, TIMESTAMP
from ringfence.adapters.kafka.sink import LOG_HEADER, OFFSET_HEADER
from ringfence.errors import RuleError
from ringfence.events.bad import Fault, Reason
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import NO_EVENTS
from ringfence.ports.sources import StreamBatch, Warns
from ringfence.sharded.changes import ControlRecord

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


class ControlReading:
    """Reads records of a control topic; versions that they name are gathered until they are `taken`."""

    enveloped = needs_row_ids = False

    def __init__(
        self,
        decoding: StreamDecoding,
        is_change: Callable[[bytes], bool],
        follows: Follows,
    ) -> None:
        """`decoding` reads what else is there, such as list entries; `follows` hears of versions."""
        self.keep = decoding.keep | _KEPT.keys()
        self._decoding = decoding
        self._is_change = is_change
        self._follows = follows
        self._found: dict[Part, ControlRecord] = {}

    def taken(self) -> list[EventBatch]:
        """The last of each part that has been gathered: what came before it is in force no more."""
        found, self._found = self._found, {}
        changes = map(self._follows.put, found.values())
        return [change for change in changes if change is not None]

    def forget(self) -> None:
        """What has been gathered is read again."""
        self._found = {}

    def plain(self, _values: Sequence[bytes], _now_ms: int) -> FilePiece | None:
        """Nothing is left to be told by shape: each is looked at."""
        return None

    def __call__(self, records: Iterable[Streamed], now_ms: int) -> FilePiece:
        """Events, bad records, and how many records had no value."""
        events: list[EventBatch] = []
        bad: list[BadRecord] = []
        skipped = empty = 0
        for record in records:
            value = record.value
            if isinstance(value, bytes) and self._is_change(value):
                if fault := self._fault(_control_record(record, value, now_ms)):
                    bad.append(self._decoding.refused(record._replace(raw=value), fault))
                continue
            piece = self._decoding([record._replace(kept=self._kept(record))], now_ms)
            if piece.events.is_transaction.any():
                fault = Fault(Reason.MALFORMED, "kind", _NO_PAYMENTS)
                raw = value if isinstance(value, bytes) else record.raw
                bad.append(self._decoding.refused(record._replace(raw=raw), fault))
                continue
            events.append(piece.events)
            bad += piece.bad
            skipped += piece.skipped
            empty += piece.empty
        return FilePiece(EventBatch.concat(events) if events else NO_EVENTS, None, bad, skipped, empty)

    def _kept(self, record: Streamed) -> dict[str, object]:
        ours = tuple(begin for what, begin in _KEPT.items() if what not in self._decoding.keep)
        return {name: value for name, value in record.kept.items() if not name.startswith(ours)}

    def _fault(self, record: ControlRecord) -> Fault | None:
        try:
            part = self._follows.check(record)
        except RuleError as error:
            return Fault(Reason.MALFORMED, "activation", str(error))
        self._found.pop(part, None)  # so that parts go in the order of their records
        self._found[part] = record
        return None


def _control_record(record: Streamed, value: bytes, now_ms: int) -> ControlRecord:
    log, offset = (str(record.kept.get(HEADER + name, "")) for name in (LOG_HEADER, OFFSET_HEADER))
    return ControlRecord(
        value,
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
            yield told
