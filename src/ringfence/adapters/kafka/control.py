"""A control topic beside a source: its records put rules in force between the batches of that source.

    payments ──► batch ──► batch ──┐
                                   ├──► batch, rules, batch ...
    control  ──► rules ────────────┘

Rules go into the log as a batch of their own, so their place is named there. Where the control topic goes on
commits behind them; rules that are read again after a crash have the id of before, and are taken once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ringfence.adapters.files.readers import FilePiece
from ringfence.adapters.kafka.records import TIMESTAMP
from ringfence.errors import RuleError
from ringfence.events.bad import Fault, Reason
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import NO_EVENTS
from ringfence.ports.sources import StreamBatch, Warns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ringfence.adapters.kafka.source import KafkaSource
    from ringfence.adapters.stream_records import StreamDecoding, Streamed
    from ringfence.events.bad import BadRecord
    from ringfence.ports.sources import StreamSource

OPTIONS: Final[dict[str, tuple[str, ...] | None]] = {"control": None}
"""What an address may say beside what it may of any source."""

_NOTHING: Final = StreamBatch(NO_EVENTS, None, [], (), 0, None)
_NO_PAYMENTS: Final = "a control topic has no payments: send them to a topic of payments"


class ControlReading:
    """Reads records of a control topic; rules that they put in force are gathered until they are `taken`."""

    enveloped = needs_row_ids = False

    def __init__(
        self,
        decoding: StreamDecoding,
        is_change: Callable[[bytes], bool],
        change: Callable[[bytes, int], EventBatch | None],
    ) -> None:
        """`decoding` reads what else is there, such as list entries.

        `change` gives what to put in force by a record and the time at which the broker took it, in ms; None
        where there is nothing to do. `RuleError` says what is wrong with the record.
        """
        self.keep = decoding.keep | {"timestamp"}
        self._decoding = decoding
        self._is_change = is_change
        self._change = change
        self._found: EventBatch | None = None

    def taken(self) -> EventBatch | None:
        """The last of what has been gathered: what came before it is in force no more."""
        found, self._found = self._found, None
        return found

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
                if fault := self._fault(value, int(record.kept.get(TIMESTAMP, now_ms))):
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
        of_ours = {TIMESTAMP} - ({TIMESTAMP} if "timestamp" in self._decoding.keep else set())
        return {name: value for name, value in record.kept.items() if name not in of_ours}

    def _fault(self, value: bytes, append_ms: int) -> Fault | None:
        try:
            self._found = self._change(value, append_ms) or self._found
        except RuleError as error:
            return Fault(Reason.MALFORMED, "activation", str(error))
        return None


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
        self._reading.taken()

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
        """Rules to be put in force, then where the control topic goes on behind them."""
        change = self._reading.taken()
        if change is not None:
            yield replace(_NOTHING, events=change)
        if told.positions or told.bad:
            yield told
