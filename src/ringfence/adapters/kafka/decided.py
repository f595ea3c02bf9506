"""Topics of payments that another host decides: each payment waits for its decision in a topic beside them.

    payments  ──► held ─────┐
                            ├──► batch with its decisions and the positions of both
    decisions ──► waiting ──┘

The positions of payments commit with them. Those of decisions commit once all before them have been used, so
what is read again after a crash is whole.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import islice, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from ringfence.adapters.files.readers import FilePiece
from ringfence.decisions.given import read_given
from ringfence.events.bad import Fault, Reason
from ringfence.events.decoding.decode import NO_EVENTS
from ringfence.ports.sources import StreamBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ringfence.adapters.kafka.source import KafkaSource
    from ringfence.adapters.stream_records import Streamed
    from ringfence.decisions.given import Kin
    from ringfence.events.bad import BadRecord
    from ringfence.ports import Position

OPTIONS: Final[dict[str, tuple[str, ...] | None]] = {"decisions": None}
"""What an address may say beside what it may of any source."""

_MOST_HELD: Final = 16  # batches of payments
_MOST_WAITING: Final = 131_072  # decisions of some 2 kB
_NOTHING: Final = StreamBatch(NO_EVENTS, None, [], (), 0, None)


class _Waiting(NamedTuple):
    """A decision whose payment has not come yet, as JSON."""

    line: bytes
    kin: Kin


class DecisionReading:
    """Reads records as decisions, and gathers them until they are `taken`."""

    keep: frozenset[str] = frozenset()
    enveloped = needs_row_ids = False

    def __init__(self, refused: Callable[[Streamed, Fault], BadRecord]) -> None:
        """`refused` as of `StreamDecoding`."""
        self._refused = refused
        self._found: dict[str, _Waiting] = {}

    def taken(self) -> dict[str, _Waiting]:
        """What has been gathered, by payment."""
        found, self._found = self._found, {}
        return found

    def plain(self, _values: Sequence[bytes], _now_ms: int) -> FilePiece | None:
        """Nothing is left to be told by shape: each is looked at."""
        return None

    def __call__(self, records: Iterable[Streamed], _now_ms: int) -> FilePiece:
        """What is no decision, as bad records; no events."""
        bad: list[BadRecord] = []
        skipped = 0
        for record in records:
            if record.value is None:
                skipped += 1
            elif isinstance(record.value, Fault):
                bad.append(self._refused(record, record.value))
            else:
                try:
                    name, kin = read_given(record.value)
                except (msgspec.MsgspecError, RecursionError) as error:
                    fault = Fault(Reason.MALFORMED, "", f"this is no decision: {error}")
                    bad.append(self._refused(record._replace(raw=record.value), fault))
                else:
                    self._found[name] = _Waiting(record.value, kin)
        return FilePiece(NO_EVENTS, None, bad, skipped)


class _Read(NamedTuple):
    """The payments of some decisions as they were read, and where their partitions go on after them."""

    names: list[str]
    positions: tuple[Position, ...]


class DecidedSource:
    """Payments of one source with the decisions of another. One thread at a time, but for what it tells."""

    def __init__(
        self,
        payments: KafkaSource,
        decisions: KafkaSource,
        reading: DecisionReading,
        is_known: Callable[[str], bool],
        say: Callable[[str], None],
    ) -> None:
        """`reading` is what reads `decisions`. `is_known` says whether the log has a payment."""
        self._payments = payments
        self._decisions = decisions
        self._reading = reading
        self._is_known = is_known
        self._say = say
        self._held: deque[StreamBatch] = deque()
        self._waiting: dict[str, _Waiting] = {}
        self._read: deque[_Read] = deque()
        self._bad: list[BadRecord] = []

    @property
    def name(self) -> str:
        """For people, without options."""
        return self._payments.name

    @property
    def is_open(self) -> bool:
        """Whether both have been taken up."""
        return self._payments.is_open and self._decisions.is_open

    @property
    def problem(self) -> str:
        """Why nothing comes although something may be there."""
        return self._payments.problem or self._decisions.problem

    @property
    def lag(self) -> int:
        """Records that have not been taken, and events that wait for a decision."""
        return self._payments.lag + sum(len(batch.events) for batch in tuple(self._held))

    @property
    def behind_ms(self) -> int:
        """0: brokers count the messages that wait."""
        return 0

    @property
    def parts(self) -> int:
        """Partitions of payments that are read."""
        return self._payments.parts

    @property
    def moves(self) -> int:
        """How often the partitions of payments have changed."""
        return self._payments.moves

    def open(self) -> None:
        """Take up both where the journal says; errors as of `KafkaSource.open`."""
        self.close()
        self._payments.open()
        self._decisions.open()

    def close(self) -> None:
        """Leave the brokers; what was held is read again."""
        self._payments.close()
        self._decisions.close()
        self._held.clear()
        self._waiting.clear()
        self._read.clear()
        self._bad.clear()
        self._reading.taken()

    def batches(
        self, rows: int, *, until_end: bool = False, wait_seconds: float = 0.1, is_over: Callable[[], bool]
    ) -> Iterator[StreamBatch]:
        """Batches of payments that are decided, each with its decisions.

        With `until_end` up to the first payment that has no decision yet: it comes next time.
        """
        payments, decisions = (
            one.batches(rows, until_end=until_end, wait_seconds=wait_seconds / 2, is_over=is_over)
            for one in (self._payments, self._decisions)
        )
        while not is_over():
            fresh = next(payments, None) if len(self._held) < _MOST_HELD else _NOTHING
            if fresh is not None and fresh.positions:
                self._held.append(fresh)
            told: StreamBatch | None = _NOTHING
            if self._held and self._undecided():
                told = next(decisions, None)
                if told is not None:
                    self._take(told)
            if self._held and not self._undecided():
                yield from self._decided(self._held.popleft())
            elif told is None or (fresh is None and not self._held):
                self._say_undecided()
                return
            else:
                yield _NOTHING

    def _undecided(self) -> bool:
        """Whether a payment of the first batch has neither a decision nor a place in the log."""
        return any(
            name not in self._waiting and not self._is_known(name) for name in _payments_in(self._held[0])
        )

    def _take(self, told: StreamBatch) -> None:
        fresh = {name: one for name, one in self._reading.taken().items() if not self._is_known(name)}
        self._waiting |= fresh
        self._read.append(_Read(list(fresh), told.positions))
        self._bad += told.bad
        surplus = list(islice(self._waiting, max(0, len(self._waiting) - _MOST_WAITING)))
        if surplus:
            self._say(
                f"Warning: {len(surplus):,} decisions are passed over, that of {surplus[0]} first: their "
                f"payments do not come from {self.name}"
            )
        for name in surplus:
            del self._waiting[name]

    def _decided(self, batch: StreamBatch) -> Iterator[StreamBatch]:
        """A batch with its decisions, cut where other versions decided; positions are with the last part."""
        names = {name: row for row, name in reversed([*enumerate(_payments_in(batch))])}  # the first of each
        rows = np.flatnonzero(batch.events.is_transaction)
        told = {name: self._waiting.pop(name) for name in names if name in self._waiting}
        kin = [(int(rows[row]), told[name].kin) for name, row in names.items() if name in told]
        kin.sort(key=itemgetter(0))
        cuts = [0, *(after[0] for before, after in pairwise(kin) if before[1] != after[1])]
        lines = {name: one.line for name, one in told.items()}
        for begin, end in pairwise([*cuts, len(batch.events)]):
            piece = replace(batch, events=batch.events.slice(begin, end), decided=lines)
            if end < len(batch.events):
                yield replace(piece, labels=None, bad=(), positions=())
        positions = [*batch.positions]
        while self._read and self._waiting.keys().isdisjoint(self._read[0].names):
            positions += self._read.popleft().positions
        bad, self._bad = [*batch.bad, *self._bad], []
        yield replace(piece, bad=bad, positions=tuple(positions))

    def _say_undecided(self) -> None:
        waiting = sum(map(len, map(_payments_in, self._held)))
        if waiting:
            self._say(
                f"Note: {waiting:,} payments of {self.name} are not decided in {self._decisions.name} yet: "
                "the next run reads them again"
            )


def _payments_in(batch: StreamBatch) -> list[str]:
    """Ids of the payments of a batch, in order."""
    events = batch.events
    ids = events.column("transaction_id").filter(pa.array(events.is_transaction))
    found: list[str] = ids.to_pylist()
    return found
