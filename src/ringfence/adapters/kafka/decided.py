"""Topics of payments that another host decides: each payment waits for its decision in a topic beside them.

    payments  ──► held ─────┐
                            ├──► batch with its decisions and the positions of both
    decisions ──► waiting ──┘

The positions of payments commit with them. Those of decisions commit once all before them have been used, so
what is read again after a crash is whole. Where those that wait take up their room, the oldest are left in
their topic: it is read again from the last position that has been committed, once a payment may need them.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from ringfence.adapters.files.readers import FilePiece
from ringfence.decisions.given import MOST_MODELS, given_of, read_given
from ringfence.events.bad import Fault, Reason
from ringfence.events.decoding.decode import NO_EVENTS
from ringfence.events.repeated import may_repeat, repeated_fault
from ringfence.masking import list_ids
from ringfence.ports.sources import StreamBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ringfence.adapters.kafka.source import KafkaSource
    from ringfence.adapters.stream_records import Streamed
    from ringfence.decisions.given import Told
    from ringfence.events.bad import BadRecord
    from ringfence.ports import Position

OPTIONS: Final[dict[str, tuple[str, ...] | None]] = {"decisions": None}
"""What an address may say beside what it may of any source."""

_MOST_HELD: Final = 16  # batches of payments, and of those on their way to the log
_MOST_WAITING: Final = 131_072  # decisions of some 2 kB
_MOST_BYTES: Final = 256 << 20  # of them
_MOST_NAMED: Final = 3  # in a warning
_PATIENCE_SECONDS: Final = 3600.0  # with a decision whose payment does not come
_NOTHING: Final = StreamBatch(NO_EVENTS, None, [], (), 0, None)


class _Given(NamedTuple):
    """A decision as JSON, and what is to be known of it."""

    line: bytes
    told: Told


class DecisionReading:
    """Reads records as decisions, and gathers them until they are `taken`."""

    keep: frozenset[str] = frozenset()
    enveloped = needs_row_ids = False

    def __init__(self, refused: Callable[[Streamed, Fault], BadRecord]) -> None:
        """`refused` as of `StreamDecoding`."""
        self._refused = refused
        self._found: dict[str, _Given] = {}

    def taken(self) -> dict[str, _Given]:
        """What has been gathered, by payment: the first decision on each."""
        found, self._found = self._found, {}
        return found

    def plain(self, _values: Sequence[bytes], _now_ms: int) -> FilePiece | None:
        """Nothing is left to be told by shape: each is looked at."""
        return None

    def __call__(self, records: Iterable[Streamed], _now_ms: int) -> FilePiece:
        """What is no decision, as bad records; no events."""
        bad: list[BadRecord] = []
        empty = 0
        for record in records:
            if record.value is None:
                empty += 1
            elif isinstance(record.value, Fault):
                bad.append(self._refused(record, record.value))
            elif fault := self._fault(record.value):
                bad.append(self._refused(record._replace(raw=record.value), fault))
        return FilePiece(NO_EVENTS, None, bad, empty=empty)

    def _fault(self, line: bytes) -> Fault | None:
        """What is wrong with a decision; one that is good is gathered."""
        try:
            told = read_given(line)
        except (msgspec.MsgspecError, RecursionError) as error:
            return Fault(Reason.MALFORMED, "", f"this is no decision: {error}")
        fault = repeated_fault(line) if may_repeat([line]) else None
        if fault is None:
            self._found.setdefault(told.name, _Given(line, told))
        return fault


@dataclass(slots=True, eq=False)
class _Read:
    """Decisions that were read within a second, and where their partitions go on after them.

    `open` of them wait for their payments. Payments have been logged `since`; where that is long ago, those
    `until` this number of records have to be logged yet.
    """

    begun: float
    positions: tuple[Position, ...]
    open: int = 0
    since: float | None = None
    until: int | None = None


class _Waiting(NamedTuple):
    """A decision whose payment has not come yet."""

    one: _Given
    read: _Read


class DecidedSource:
    """Payments of one source with the decisions of another. One thread at a time, but for what it tells."""

    def __init__(
        self,
        payments: KafkaSource,
        decisions: KafkaSource,
        reading: DecisionReading,
        is_known: Callable[[str], bool],
        say: Callable[[str], None],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`reading` is what reads `decisions`. `is_known` says whether the log has a payment."""
        self._payments = payments
        self._decisions = decisions
        self._reading = reading
        self._in_log = is_known
        self._say = say
        self._seconds = seconds
        self._held: deque[StreamBatch] = deque()
        self._came = 0  # batches that have been held
        self._behind = 0  # records of payments, as far as the topics are known
        self._handed: deque[frozenset[str]] = deque(maxlen=_MOST_HELD)
        self._waiting: dict[str, _Waiting] = {}
        self._bytes = 0
        self._read: deque[_Read] = deque()
        self._logged = 0  # records of payments that have been handed over
        self._left_to: float = 0  # payments up to this record may need a decision that was let go
        self._came_before = 0  # batches that had been held when decisions were read again
        self._passed = 0
        self._warning = ""

    @property
    def warning(self) -> str:
        """Decisions that have been passed over."""
        return self._warning

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
        return self._payments.problem or (self._decisions.problem if self._held else "")

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
        self._handed.clear()
        self._came = self._behind = self._logged = 0
        self._forget_decisions()

    def batches(
        self, rows: int, *, until_end: bool = False, wait_seconds: float = 0.1, is_over: Callable[[], bool]
    ) -> Iterator[StreamBatch]:
        """Batches of payments that are decided, each with its decisions.

        With `until_end` up to the first payment that has no decision yet: it comes next time.
        """

        def read(source: KafkaSource) -> Iterator[StreamBatch]:
            return source.batches(rows, until_end=until_end, wait_seconds=wait_seconds / 2, is_over=is_over)

        payments, decisions = read(self._payments), read(self._decisions)
        while not is_over():
            fresh = next(payments, None) if len(self._held) < _MOST_HELD else _NOTHING
            if fresh is not None and fresh.positions:
                self._held.append(fresh)
                self._came += 1
                self._behind = fresh.total or fresh.position
                self._left_to = self._behind if self._left_to == inf else self._left_to
            told: StreamBatch | None = _NOTHING
            if self._held and self._undecided():
                told = next(decisions, None)
                if told is not None and told.positions:
                    self._take(told)
                    if told.bad:  # at once: a payment may wait for what is wrong with its decision
                        yield replace(_NOTHING, bad=told.bad)
                elif self._may_have_left():
                    self._forget_decisions()
                    self._decisions.open()
                    decisions, told = read(self._decisions), _NOTHING
            if self._held and not self._undecided():
                yield from self._decided(self._held.popleft())
            elif told is None or (fresh is None and not self._held):
                self._say_undecided()
                return
            else:
                yield _NOTHING

    def _is_known(self, name: str) -> bool:
        """Whether a payment is in the log, or on its way there."""
        return any(name in names for names in self._handed) or self._in_log(name)

    def _undecided(self) -> bool:
        """Whether a payment of the first batch has neither a decision nor a place in the log."""
        return any(
            name not in self._waiting and not self._is_known(name) for name in _payments_in(self._held[0])
        )

    def _may_have_left(self) -> bool:
        """Whether a decision that the first batch lacks may have gone by before its payment was held."""
        return self._logged < self._left_to and self._came - len(self._held) >= self._came_before

    def _forget_decisions(self) -> None:
        """What was read and not used is read again."""
        self._waiting.clear()
        self._read.clear()
        self._reading.taken()
        self._bytes = 0
        self._left_to, self._came_before = 0, self._came

    def _take(self, told: StreamBatch) -> None:
        now, found = self._seconds(), self._reading.taken()
        fresh = [name for name in found if name not in self._waiting and not self._is_known(name)]
        last = self._read[-1] if self._read else None
        if last is None or last.since is not None or now - last.begun > 1:
            last = _Read(now, ())
            self._read.append(last)
        last.positions = _latest(*last.positions, *told.positions)
        last.open += len(fresh)
        for name in fresh:
            self._waiting[name] = _Waiting(found[name], last)
            self._bytes += len(found[name].line)
        if len(self._waiting) > _MOST_WAITING or self._bytes > _MOST_BYTES:
            self._let_go()

    def _let_go(self) -> None:
        """Keep an eighth less than there is room for, the latest; those of held payments stay."""
        wanted = {name for batch in self._held for name in _payments_in(batch)}
        for name in [name for name in self._waiting if name not in wanted]:
            if len(self._waiting) <= _MOST_WAITING * 7 // 8 and self._bytes <= _MOST_BYTES * 7 // 8:
                return
            self._bytes -= len(self._waiting.pop(name).one.line)
            self._left_to = inf  # until payments tell how many are in the topics by now

    def _given(self, name: str) -> _Given:
        """A decision that waits no longer."""
        waiting = self._waiting.pop(name)
        waiting.read.open -= 1
        self._bytes -= len(waiting.one.line)
        return waiting.one

    def _decided(self, batch: StreamBatch) -> Iterator[StreamBatch]:
        """A batch with its decisions, cut so that those fit together; positions are with the last part."""
        names = {name: row for row, name in reversed([*enumerate(_payments_in(batch))])}  # the first of each
        rows = np.flatnonzero(batch.events.is_transaction)
        given = {name: self._given(name) for name in names if name in self._waiting}
        self._handed.append(frozenset(given))
        told = [(int(rows[names[name]]), one) for name, one in given.items()]
        told.sort(key=itemgetter(0))
        parts = _parts(told)
        cuts = [0, *(part[0][0] for part in parts[1:]), len(batch.events)]
        for number, (begin, end) in enumerate(pairwise(cuts)):
            lines = [one.line for _, one in parts[number]] if parts else []
            piece = replace(
                batch, events=batch.events.slice(begin, end), decided=given_of(lines) if lines else None
            )
            if end < len(batch.events):
                yield replace(piece, labels=None, bad=(), positions=())
        self._logged = batch.position
        self._pass_over()
        yield replace(piece, positions=(*batch.positions, *self._used()))

    def _used(self) -> tuple[Position, ...]:
        """Where decisions go on after those before all that wait; one position stays of others in a row."""
        joined: deque[_Read] = deque()
        for read in self._read:
            if joined and not joined[-1].open and not read.open:
                read.positions = _latest(*joined.pop().positions, *read.positions)
            joined.append(read)
        used = joined.popleft().positions if joined and not joined[0].open else ()
        self._read = joined
        return used

    def _pass_over(self) -> None:
        """Let go of decisions that waited an hour, once all is logged that was in the topics by then."""
        now = self._seconds()
        late: list[_Read] = []
        for read in self._read:
            if read.since is None:
                read.since = now
            elif read.until is None:
                read.until = self._behind if now - read.since > _PATIENCE_SECONDS else None
            elif read.open and self._logged >= read.until:
                late.append(read)
        if not late:
            return
        names = [name for name, waiting in self._waiting.items() if waiting.read in late]
        for name in names:
            self._bytes -= len(self._waiting.pop(name).one.line)
        count = sum(read.open for read in late)
        for read in late:
            read.open = 0
        self._passed += count
        listed = list_ids(names[:_MOST_NAMED]) or "those that there was no room for"
        self._warning = (
            f"source {self.name}: {self._passed:,} decisions have been passed over, because their payments "
            f"did not come within an hour, {count:,} of them just now, among {listed}"
        )
        self._say(f"Warning: {self._warning}")

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


def _latest(*positions: Position) -> tuple[Position, ...]:
    """The last of each partition."""
    return tuple({(one.source, one.part): one for one in positions}.values())


def _parts(told: list[tuple[int, _Given]]) -> list[list[tuple[int, _Given]]]:
    """Decisions in order of their rows, cut so that each part fits into one batch."""
    parts: list[list[tuple[int, _Given]]] = []
    models: set[str | None] = set()
    for row, one in told:
        is_new = not parts or parts[-1][0][1].told.kin != one.told.kin
        if is_new or len(models | {one.told.model}) > MOST_MODELS:
            parts.append([])
            models = set()
        models.add(one.told.model)
        parts[-1].append((row, one))
    return parts
