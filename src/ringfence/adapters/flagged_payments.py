"""Payments that a flag covers, whichever of the two came first: the join of payments and flags, as messages.

    events ──► flags in force, folded ──► payments dated inside one ──► message
    flag_matches (payments that came before their flag) ──────────────► message

Each pair of payment and entity is told once, however many flags the entity has, as in the log itself. A flag
ends when it says so, or is taken back; the log remembers payments for late flags for seven days.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from ringfence.adapters.sink_messages import OutgoingMessage
from ringfence.errors import StoreError
from ringfence.events import codec
from ringfence.events.model import Kind
from ringfence.ports import EVENTS
from ringfence.scoring.reference.recent import REMEMBERED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ringfence.events.batch import EventBatch
    from ringfence.ports import EventLog, LogBatch

_OF_PAYMENTS: Final = (
    *("transaction_id", "account_id", "customer_id", "card_id", "event_time", "amount_minor", "currency"),
    *("merchant_id", "merchant_category", "channel"),
)
_OF_FLAGS: Final = (
    *("entity_type", "entity_id", "removed", "effective_at_ms", "expires_at_ms"),
    "event_time",
)


class _Flag(NamedTuple):
    """In force for payments dated inside it that come behind its offset and before it was taken back."""

    offset: int
    since_ms: int
    until_ms: int | None
    removed: int | None = None

    def covers(self, offset: int, at_ms: int) -> bool:
        is_there = self.offset < offset and (self.removed is None or offset < self.removed)
        return is_there and self.since_ms <= at_ms and (self.until_ms is None or at_ms < self.until_ms)


class FlaggedPayment(msgspec.Struct, frozen=True):
    """A payment and the flag that covers it, as they are told.

    `late` says that the flag's message came after the payment had been decided. Amounts are in minor units.
    """

    transaction_id: str
    offset: int
    event_time_ms: int
    amount_minor: int | None
    currency: str | None
    merchant_id: str | None
    merchant_category: str | None
    channel: str | None
    entity_type: str
    entity_id: str
    flag_offset: int
    flag_since_ms: int
    late: bool


class FlagsInForce:
    """The flags of a log up to an offset, kept in a file so that retention takes none of them.

    They may be further than what has been told: which flags cover a payment is a matter of offsets, so a
    payment that comes again after a crash is told again as it was.
    """

    def __init__(self, log: EventLog, path: Path) -> None:
        self._log = log
        self._path = path
        self._flags: dict[tuple[str, str], list[_Flag]] = {}
        self._end = -1  # of the events whose flags are folded; -1 before the file has been read
        self._is_changed = False

    def up_to(self, offset: int) -> None:
        """Have the flags of all events before an offset, up to which all has been told."""
        if self._end < 0:
            self._end, self._flags = self._read()
        if self._end < offset:
            for batch in self._log.read(EVENTS, self._end, offset):
                self._fold(codec.decode(batch.payload), batch)
        for who in [who for who, every in self._flags.items() if any(_is_past(one, offset) for one in every)]:
            self._flags[who] = [one for one in self._flags[who] if not _is_past(one, offset)]
            if not self._flags[who]:
                del self._flags[who]

    def take(self, batch: LogBatch) -> list[OutgoingMessage]:
        """Fold a batch of events, and tell its payments that are flagged by then; see `up_to` before."""
        events = codec.decode(batch.payload)
        self._fold(events, batch)
        return list(self._covered(events, batch.base_offset)) if self._flags else []

    def late(self, batch: LogBatch) -> list[OutgoingMessage]:
        """Tell the payments that flags found afterwards; of those that retention has taken what is known."""
        with pa.ipc.open_stream(batch.payload) as reader:
            matches = reader.read_all().to_pylist()
        payments = dict(_payments(self._log, [match["transaction_offset"] for match in matches]))
        told = []
        for row, match in enumerate(matches):
            payment = payments.get(match["transaction_offset"], {})
            flag = _Flag(match["flag_offset"], match["flag_since_ms"], None)
            entity = match["entity_type"], match["entity_id"]
            payment = payment | {"event_time": match["transaction_time_ms"]}
            told.append(
                _told(batch.base_offset + row, match["transaction_offset"], payment, entity, flag, late=True)
            )
        return told

    def write(self) -> None:
        """Keep the flags, where they have changed."""
        if not self._is_changed:
            return
        flags = [[*who, *flag] for who, every in self._flags.items() for flag in every]
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode({"end": self._end, "flags": flags}))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written ({error.strerror})") from error
        self._is_changed = False

    def forget(self) -> None:
        """Begin anew with the log."""
        self._path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """What is in memory is read again."""
        self._end, self._flags, self._is_changed = -1, {}, False

    def _read(self) -> tuple[int, dict[tuple[str, str], list[_Flag]]]:
        try:
            found = json.loads(self._path.read_bytes())
            flags: dict[tuple[str, str], list[_Flag]] = {}
            for kind, name, *flag in found["flags"]:
                flags.setdefault((kind, name), []).append(_Flag(*flag))
            return int(found["end"]), flags
        except FileNotFoundError:
            return 0, {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self._path}, which holds flags in force, cannot be read ({error}): remove it, and they "
                "are read from the log again"
            ) from error

    def _fold(self, events: EventBatch, batch: LogBatch) -> None:
        if batch.next_offset <= self._end:
            return
        if not events.only_payments:
            for row in np.flatnonzero(events.kind == Kind.FLAG).tolist():
                if batch.base_offset + row >= self._end:
                    self._put(batch.base_offset + row, _fields(events, row, _OF_FLAGS))
        self._end = batch.next_offset

    def _put(self, offset: int, flag: dict[str, Any]) -> None:
        who, since = (flag["entity_type"], flag["entity_id"]), flag["effective_at_ms"]
        if None in who or who[0] not in REMEMBERED:
            return
        if not flag["removed"] and since is None:
            since = flag["event_time"]
        every = self._flags.setdefault(who, [])
        for number, one in enumerate(every):
            if one.removed is None and (since is None or one.since_ms == since):
                every[number] = one._replace(removed=offset)
        if not flag["removed"]:
            every.append(_Flag(offset, since, flag["expires_at_ms"]))
        self._is_changed = True

    def _covered(self, events: EventBatch, base_offset: int) -> Iterator[OutgoingMessage]:
        ids = [(kind, events.column(f"{kind}_id").to_pylist()) for kind in REMEMBERED]
        times = events.event_time_ms
        for row in np.flatnonzero(events.kind == Kind.TRANSACTION).tolist():
            offset = base_offset + row
            for kind, column in ids:
                flags = self._flags.get((kind, column[row]), ())
                covering = [flag for flag in flags if flag.covers(offset, int(times[row]))]
                if covering:
                    latest = max(covering, key=lambda flag: flag.since_ms)
                    payment = _fields(events, row, _OF_PAYMENTS)
                    yield _told(offset, offset, payment, (kind, column[row]), latest, late=False)


def _fields(events: EventBatch, row: int, names: Iterable[str]) -> dict[str, Any]:
    found = {name: events.column(name)[row].as_py() for name in names if name != "event_time"}
    return found | {"event_time": int(events.event_time_ms[row])}


def _payments(log: EventLog, offsets: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The payments at these offsets that the log still has."""
    start = log.start_offset(EVENTS)
    for offset in sorted(set(offsets)):
        for batch in log.read(EVENTS, offset, offset + 1) if offset >= start else ():
            yield offset, _fields(codec.decode(batch.payload), offset - batch.base_offset, _OF_PAYMENTS)


def _is_past(flag: _Flag, offset: int) -> bool:
    return flag.removed is not None and flag.removed < offset


def _told(
    place: int, offset: int, payment: dict[str, Any], entity: tuple[str, str], flag: _Flag, *, late: bool
) -> OutgoingMessage:
    texts = {
        name: payment.get(name)
        for name in ("amount_minor", "currency", "merchant_id", "merchant_category", "channel")
    }
    pair = FlaggedPayment(
        transaction_id=payment.get("transaction_id") or "",
        offset=offset,
        event_time_ms=payment["event_time"],
        entity_type=entity[0],
        entity_id=entity[1],
        flag_offset=flag.offset,
        flag_since_ms=flag.since_ms,
        late=late,
        **texts,
    )
    return OutgoingMessage(place, entity[1], msgspec.json.encode(pair))
