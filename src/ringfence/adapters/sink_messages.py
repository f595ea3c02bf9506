"""Decisions, flag matches and quarantined records as messages with a key: what sinks share."""

from __future__ import annotations

import base64
import json
import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import msgspec
import pyarrow as pa

from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.written import json_of
from ringfence.errors import StoreError
from ringfence.events import codec
from ringfence.ports import DECISIONS, EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ringfence.ports import EventLog, LogBatch, Quarantine, QuarantinedRecord

QUARANTINE: Final = "quarantine"
"""Stands for a topic of the log in routes of a sink, although these records are in none."""

_AT_ONCE: Final = 500  # quarantined records
_KEYS: Final = ("card_id", "account_id", "customer_id")  # the first that a payment has


class OutgoingMessage(NamedTuple):
    """One message: its record's offset in the log, the entity whose order it keeps, and its JSON.

    A quarantined record has an id, and for an offset its place in the quarantine.
    """

    offset: int
    key: str
    value: bytes
    id: str = ""


def decisions_of(batch: LogBatch, log: EventLog) -> tuple[list[OutgoingMessage], int]:
    """The decisions of a batch, and the offset behind the last event that one of them is on.

    The key is the payment's card, or else account, customer, and at last the payment itself.
    """
    decisions = DecisionBatch.decode(batch.payload)
    offsets = decisions.numbers("offset").tolist()
    keys = dict(_keys(log, offsets[0], offsets[-1] + 1))
    rows = zip(offsets, decisions.values("transaction_id"), json_of(decisions), strict=True)
    made = [
        OutgoingMessage(batch.base_offset + row, keys.get(offset) or payment, value)
        for row, (offset, payment, value) in enumerate(rows)
    ]
    return made, int(offsets[-1]) + 1


def matches_of(batch: LogBatch) -> list[OutgoingMessage]:
    """The flag matches of a batch; the key is the flagged entity."""
    with pa.ipc.open_stream(batch.payload) as reader:
        rows = reader.read_all().to_pylist()
    return [
        OutgoingMessage(batch.base_offset + row, match["entity_id"], msgspec.json.encode(match))
        for row, match in enumerate(rows)
    ]


def quarantined_of(place: int, record: QuarantinedRecord) -> OutgoingMessage:
    """A quarantined record; the key is its source, `payments/3`."""
    told: dict[str, Any] = {
        "id": record.id,
        "received_ms": record.received_ms,
        "source": record.source,
        "position": record.position,
        "reason": record.reason,
        "message": record.message,
        "mapping": record.mapping,
        "format": record.original_format,
    }
    try:
        told["original"] = record.original.decode()
    except UnicodeDecodeError:
        told["original_base64"] = base64.b64encode(record.original).decode()
    return OutgoingMessage(place, record.source, msgspec.json.encode(told), record.id)


def _keys(log: EventLog, begin: int, end: int) -> Iterator[tuple[int, str]]:
    """Key of each event between two offsets that has one."""
    for batch in log.read(EVENTS, begin, end):
        events = codec.decode(batch.payload)
        names = [name for name in _KEYS if name in events.table.schema.names]
        columns = [events.column(name).to_pylist() for name in names]
        for row, ids in enumerate(zip(*columns, strict=True)):
            key = next((one for one in ids if one is not None), None)
            if key is not None:
                yield batch.base_offset + row, str(key)


class Sent(Protocol):
    """Where a sink keeps how far it has come, by name; errors are those of `errors.py`."""

    def read(self) -> dict[str, int]:
        """By name; empty where nothing was sent yet."""
        ...

    def write(self, positions: dict[str, int]) -> None:
        """Durable on return."""
        ...

    def forget(self) -> None:
        """All is to be sent again."""
        ...


class SentUpTo:
    """Positions in a file of their own, replaced as a whole once what is before them has arrived."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, int]:
        """By name; empty where nothing was sent yet. `StoreError` where the file cannot be read."""
        try:
            return {name: int(at) for name, at in json.loads(self._path.read_text()).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{self._path}, which says how far messages are sent, cannot be read ({error}): remove it, "
                "and all decisions are sent again"
            ) from error

    def write(self, positions: dict[str, int]) -> None:
        """Durable on return."""
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("w") as file:
                json.dump(positions, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written ({error.strerror})") from error

    def forget(self) -> None:
        """All is to be sent again."""
        self._path.unlink(missing_ok=True)


class StreamSink(ABC):
    """A follower that sends each record on: its position moves once all before it have arrived."""

    least: Final = 1
    most = 5000

    def __init__(
        self, log: EventLog, sent: Sent, routes: dict[str, str], quarantine: Quarantine | None = None
    ) -> None:
        """`routes` say where each topic goes, and `QUARANTINE`; `sent` keeps the positions."""
        self._log = log
        self._sent = sent
        self._routes = routes
        self._quarantine = quarantine

    @property
    def topics(self) -> tuple[str, ...]:
        """What it reads."""
        return tuple(topic for topic in self._routes if topic != QUARANTINE)

    def positions(self) -> dict[str, int]:
        """See `Follower.positions`; of events, up to where those of sent decisions need not be looked up."""
        kept = self._sent.read()
        found = {topic: kept.get(self._route(topic), 0) for topic in self.topics}
        return found | {EVENTS: kept.get(EVENTS, 0)}

    def take(self, topic: str, batches: Iterable[LogBatch], /) -> None:
        """See `Follower.take`."""
        kept, end = self._sent.read(), None
        for batch in batches:
            self._send(topic, self._messages(topic, batch, kept))
            end = batch.next_offset
        if end is not None:
            self._settle()
            self._sent.write(kept | {self._route(topic): end})

    def _messages(self, topic: str, batch: LogBatch, kept: dict[str, int]) -> list[OutgoingMessage]:
        """What a batch becomes; `kept` may say up to where events are of no use any more."""
        if topic != DECISIONS:
            return matches_of(batch)
        messages, events = decisions_of(batch, self._log)
        kept[EVENTS] = max(kept.get(EVENTS, 0), events)
        return messages

    def tend(self) -> bool:
        """See `Tending`: send what has been quarantined since."""
        if QUARANTINE not in self._routes or self._quarantine is None:
            return False
        kept, route = self._sent.read(), self._route(QUARANTINE)
        found = self._quarantine.since(kept.get(route, 0), _AT_ONCE)
        if not found:
            return False
        self._send(QUARANTINE, [quarantined_of(place, record) for place, record in found])
        self._settle()
        self._sent.write(kept | {route: found[-1][0]})
        return True

    def reset(self) -> None:
        """See `Follower.reset`. What has been sent cannot be taken back: everything is sent again."""
        self._sent.forget()

    @abstractmethod
    def _send(self, topic: str, messages: list[OutgoingMessage]) -> None:
        """Send some, in order."""

    @abstractmethod
    def _settle(self) -> None:
        """Return once all has arrived; the error where something has not."""

    def _route(self, topic: str) -> str:
        """Under which a position is kept: another target begins anew."""
        return f"{topic} > {self._routes[topic]}"
