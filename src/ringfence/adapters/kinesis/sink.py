"""Decisions, and flag matches, as records of streams: a follower that writes to Kinesis.

PutRecords may refuse a record of a call and take the next one of the same key. So a call has one record of a
key at most, and the next one goes once that is taken: each key stays in order. The position is in a file of
the data folder, written once all records before it are taken. After a crash the records behind the position
are sent again: each says its log and its offset, by which a receiver knows it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from ringfence.adapters.aws.clients import explained
from ringfence.adapters.sink_messages import QUARANTINE, OutgoingMessage, SentUpTo, StreamSink
from ringfence.errors import InputError, StoreError
from ringfence.ports import DECISIONS, FLAG_MATCHES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ringfence.adapters.kinesis.address import KinesisAddress
    from ringfence.ports import EventLog, Quarantine

OPTIONS: Final[dict[str, tuple[str, ...] | None]] = {
    "flag_matches": None,
    "quarantine": None,
    "pack": ("lines",),
}
"""What the address of a sink may say beside the stream of decisions."""

FILE_NAME: Final = "kinesis-sink.json"
_AT_ONCE: Final = 500  # records that PutRecords takes
_BYTES_AT_ONCE: Final = 4 << 20  # of its 5 MiB
_PACKED_BYTES: Final = 256 << 10  # of a record that holds several messages
_ENVELOPE_BYTES: Final = 160  # of log, offset and topic around a message
_KEY_CHARACTERS: Final = 256
_TRIES: Final = 8
_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 5.0


class _Put(NamedTuple):
    offset: int
    key: str
    entry: dict[str, Any]


class _Record(msgspec.Struct):
    """What a record says."""

    log: str
    offset: int
    topic: str
    data: msgspec.Raw


class KinesisSink(StreamSink):
    """`ringfence.follow.Follower` on streams."""

    name = "kinesis"

    def __init__(
        self,
        log: EventLog,
        client: Any,
        address: KinesisAddress,
        folder: Path,
        *,
        sleep: Callable[[float], None],
        quarantine: Quarantine | None = None,
    ) -> None:
        """`client` is boto3's of Kinesis; `address` names one stream; `sleep` waits so many seconds."""
        if len(address.streams) != 1:
            raise InputError("kinesis_sink names one stream; flag_matches names another")
        routes = {DECISIONS: address.streams[0]}
        for topic, option in ((FLAG_MATCHES, "flag_matches"), (QUARANTINE, "quarantine")):
            if stream := address.options.get(option):
                routes[topic] = stream
        super().__init__(log, SentUpTo(folder / FILE_NAME), routes, quarantine)
        self._client, self._sleep = client, sleep
        self._packs = "pack" in address.options

    def close(self) -> None:
        """See `Follower.close`. Connections of boto3 close by themselves."""

    def _settle(self) -> None:
        """See `StreamSink`: a stream has what `_send` has sent."""

    def _send(self, topic: str, messages: list[OutgoingMessage]) -> None:
        waiting = [self._entry(topic, some) for some in self._together(messages)]
        wait, tries = _FIRST_WAIT, 0
        while waiting:
            now, later = _first_of_each_key(waiting)
            refused, code = self._call(self._routes[topic], now)
            waiting = sorted([*refused, *later], key=lambda record: record.offset)
            tries = tries + 1 if len(refused) == len(now) else 0
            wait = wait if tries else _FIRST_WAIT
            if tries == _TRIES:
                raise StoreError(
                    f"stream {self._routes[topic]}: PutRecords takes none of {len(waiting)} records "
                    f"({code}): give the stream more shards, or its on-demand mode"
                )
            if refused:
                self._sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)

    def _call(self, stream: str, records: list[_Put]) -> tuple[list[_Put], str]:
        """Send some; those that were refused, and the last reason."""
        with explained(f"stream {stream}"):
            answer = self._client.put_records(StreamName=stream, Records=[one.entry for one in records])
        told = zip(records, answer["Records"], strict=True)
        failed = [(record, str(result["ErrorCode"])) for record, result in told if result.get("ErrorCode")]
        return [record for record, _ in failed], failed[-1][1] if failed else ""

    def _together(self, messages: list[OutgoingMessage]) -> list[list[OutgoingMessage]]:
        """What goes into a record: one message, or with `pack` those of a key as far as they fit."""
        if not self._packs:
            return [[message] for message in messages]
        records: list[list[OutgoingMessage]] = []
        last: dict[str, tuple[list[OutgoingMessage], int]] = {}  # of each key: its latest record and bytes
        for message in messages:
            size = len(message.value) + _ENVELOPE_BYTES
            record, before = last.get(message.key, ([], _PACKED_BYTES))
            if before + size > _PACKED_BYTES:
                record, before = [], 0
                records.append(record)
            record.append(message)
            last[message.key] = record, before + size
        return records

    def _entry(self, topic: str, messages: list[OutgoingMessage]) -> _Put:
        lines = [
            msgspec.json.encode(_Record(self._log.identity, one.offset, topic, msgspec.Raw(one.value)))
            for one in messages
        ]
        key = messages[0].key[:_KEY_CHARACTERS] or "-"
        return _Put(messages[0].offset, key, {"Data": b"\n".join(lines), "PartitionKey": key})


def _first_of_each_key(records: list[_Put]) -> tuple[list[_Put], list[_Put]]:
    """What goes with the next call, and the rest; both in order."""
    now: list[_Put] = []
    later: list[_Put] = []
    keys: set[str] = set()
    size = 0
    for record in records:
        size += len(record.entry["Data"]) + len(record.key.encode())
        is_next = record.key not in keys and len(now) < _AT_ONCE and (size <= _BYTES_AT_ONCE or not now)
        (now if is_next else later).append(record)
        keys.add(record.key)
    return now, later
