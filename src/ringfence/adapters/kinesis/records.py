"""What a record of a shard holds: one event, or several that the Kinesis Producer Library has packed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ringfence.adapters.kinesis.aggregates import AggregateError, hash_key, is_aggregate, taken_apart
from ringfence.adapters.kinesis.changes import row_in
from ringfence.adapters.stream_records import LONGEST, Streamed, json_in
from ringfence.events.bad import Fault, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ringfence.adapters.stream_records import StreamDecoding

KEY: Final = "kinesis_key"
TIMESTAMP: Final = "kinesis_timestamp"
NAMES: Final = {"key": KEY, "timestamp": TIMESTAMP}
"""What can be kept of a record beside its value, and the column of each."""


class Got(NamedTuple):
    """A record, or one of the `parts` that an aggregate holds: number `part`, from 1 on.

    One whose `value` is a fault holds nothing that can be read; one whose value is None is left out.
    """

    sequence: str
    key: str
    arrived_ms: int
    raw: bytes
    value: bytes | Fault | None
    part: int = 0
    parts: int = 0


def records_in(record: Mapping[str, Any], keys: tuple[int, int]) -> Iterator[Got]:
    """The records in one of GetRecords, for a shard whose hash keys lie between two, both included.

    An aggregate with a record of another shard is left out: its producer did not know of a split or merge,
    and sends what is in it again.
    """
    raw, sequence = bytes(record["Data"]), str(record["SequenceNumber"])
    key, arrived_ms = (
        str(record["PartitionKey"]),
        int(record["ApproximateArrivalTimestamp"].timestamp() * 1000),
    )
    if not is_aggregate(raw):
        yield Got(sequence, key, arrived_ms, raw, raw)
        return
    try:
        parts = taken_apart(raw)
    except AggregateError as error:
        fault = Fault(Reason.MALFORMED, "", f"an aggregate of the Kinesis Producer Library: {error}")
        yield Got(sequence, key, arrived_ms, raw, fault)
        return
    if not parts or any(not keys[0] <= hash_key(one) <= keys[1] for one in parts):
        yield Got(sequence, key, arrived_ms, raw, None)
        return
    for number, one in enumerate(parts, 1):
        yield Got(sequence, one.key, arrived_ms, one.data, one.data, number, len(parts))


def streamed_of(stream: str, shard: str, got: Got, decoding: StreamDecoding) -> Streamed:
    """As a record of a stream: its source is `stream/shard/sequence number`, its position the part."""
    place = f"{stream}/{shard}/{got.sequence}"
    row_id = f"{place}/{got.part}" if got.part else place
    value = got.value
    if isinstance(value, bytes):
        value = json_in(value, enveloped=decoding.enveloped)
    if isinstance(value, bytes) and decoding.changes:
        value = row_in(value)
    kept: dict[str, Any] = {}
    if "key" in decoding.keep:
        kept[KEY] = got.key[:LONGEST]
    if "timestamp" in decoding.keep:
        kept[TIMESTAMP] = got.arrived_ms
    return Streamed(place, got.part, row_id, got.raw, value, kept)
