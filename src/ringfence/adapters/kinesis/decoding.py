"""Records of some shards to events, in the order in which they came."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa

from ringfence.adapters.files.json_reader import JsonReader
from ringfence.adapters.files.readers import FilePiece
from ringfence.adapters.kinesis.aggregates import AggregateError, is_aggregate, taken_apart
from ringfence.adapters.streamed import LONGEST, json_in, with_attributes
from ringfence.events.bad import ORIGINAL_LIMIT, BadRecord, Fault, Reason
from ringfence.events.decode import NO_EVENTS
from ringfence.events.decode_block import BlockDecoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ringfence.events.tokens import Tokenizer
    from ringfence.events.vocabulary import Mapping as FieldMapping

KEY: Final = "kinesis_key"
TIMESTAMP: Final = "kinesis_timestamp"
_CANONICAL: Final = "canonical"


class Got(NamedTuple):
    """A record, or one of the `parts` that an aggregate holds: number `part`, from 1 on."""

    stream: str
    shard: str
    sequence: str
    key: str
    arrived_ms: int
    value: bytes
    part: int = 0
    parts: int = 0
    fault: Fault | None = None

    @property
    def place(self) -> str:
        """Where it stands, for people: `payments/shardId-000000000003/4965...`."""
        return f"{self.stream}/{self.shard}/{self.sequence}"


def records_of(stream: str, shard: str, answer: Iterable[Mapping[str, Any]]) -> Iterator[Got]:
    """The records of an answer to GetRecords, aggregates taken apart."""
    for record in answer:
        value, sequence = bytes(record["Data"]), str(record["SequenceNumber"])
        arrived_ms = int(record["ApproximateArrivalTimestamp"].timestamp() * 1000)
        key = str(record["PartitionKey"])
        if not is_aggregate(value):
            yield Got(stream, shard, sequence, key, arrived_ms, value)
            continue
        try:
            parts = taken_apart(value)
        except AggregateError as error:
            fault = Fault(Reason.MALFORMED, "", f"an aggregate of the Kinesis Producer Library: {error}")
            yield Got(stream, shard, sequence, key, arrived_ms, value, fault=fault)
            continue
        for number, (own_key, data) in enumerate(parts, 1):
            yield Got(stream, shard, sequence, own_key, arrived_ms, data, number, len(parts))


class Decoding:
    """Reads values by one mapping. One thread at a time."""

    def __init__(
        self,
        mapping: FieldMapping,
        tokenizer: Tokenizer,
        *,
        keep: frozenset[str] = frozenset(),
        enveloped: bool = False,
    ) -> None:
        """`keep` of `key` and `timestamp`; what the mapping names is kept in any case."""
        self._mapping = mapping
        self._tokenizer = tokenizer
        self._enveloped = enveloped
        self._is_canonical = mapping.name == _CANONICAL
        self._blocks = BlockDecoder(tokenizer)
        named = "" if self._is_canonical else " ".join(mapping.columns)
        self._keep = keep | {
            what for what, name in zip(("key", "timestamp"), (KEY, TIMESTAMP), strict=True) if name in named
        }

    def __call__(self, records: Iterable[Got], now_ms: int) -> FilePiece:
        """Events of the good ones in order; `skipped` counts what the mapping leaves out.

        A bad record has `stream/shard/sequence number` as its source, and its number in the aggregate as its
        position.
        """
        lines: list[bytes] = []
        own: list[Got] = []  # the record of each line
        bad: list[BadRecord] = []
        for got in records:
            value = got.fault or json_in(got.value, enveloped=self._enveloped)
            if isinstance(value, Fault):
                bad.append(self._refused(got, value))
            else:
                kept = self._kept(got)
                lines.append(with_attributes(value, kept, canonical=self._is_canonical))
                own.append(got)
        piece = self._read(lines, own, now_ms) if lines else FilePiece(NO_EVENTS, None, [])
        for record in piece.bad:
            got = own[record.position - 1]
            bad.append(replace(record, source=got.place, position=got.part))
        return FilePiece(piece.events, piece.labels, bad, piece.skipped)

    def _read(self, lines: list[bytes], own: list[Got], now_ms: int) -> FilePiece:
        if self._is_canonical:
            events, refused = self._blocks.decode(b"\n".join(lines), now_ms, "kinesis")
            return FilePiece(events, None, refused)
        reader = JsonReader(self._mapping, self._tokenizer, now_ms, max(len(lines), 1), None, 0)
        ids = pa.array([f"{got.place}/{got.part}" if got.part else got.place for got in own], pa.string())
        return reader.records("kinesis", lines, ids)

    def _kept(self, got: Got) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        if "key" in self._keep:
            kept[KEY] = got.key[:LONGEST]
        if "timestamp" in self._keep:
            kept[TIMESTAMP] = got.arrived_ms
        return kept

    def _refused(self, got: Got, fault: Fault) -> BadRecord:
        """A value that holds no record; bytes that are no text are kept as they are, if they may be."""
        whole, mapping = got.value, self._mapping
        clean = self._tokenizer.sanitize_json(
            whole[: 2 * ORIGINAL_LIMIT], mapping.card_columns, mapping.id_columns
        )
        faults = [fault]
        if len(whole) > ORIGINAL_LIMIT:
            said = f"the first {ORIGINAL_LIMIT} of {len(whole)} bytes are kept"
            faults.append(Fault(Reason.TOO_LARGE, "", said))
        return BadRecord(got.place, got.part, tuple(faults), clean[:ORIGINAL_LIMIT], "json", mapping.name)
