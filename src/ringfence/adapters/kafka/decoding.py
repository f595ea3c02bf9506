"""Messages of some partitions to events, in the order in which they came."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from ringfence.adapters.files.json_reader import JsonReader
from ringfence.adapters.files.readers import FilePiece
from ringfence.adapters.kafka.records import value_of, with_kept
from ringfence.events.bad import ORIGINAL_LIMIT, BadRecord, Fault, Reason
from ringfence.events.decode import NO_EVENTS
from ringfence.events.decode_block import BlockDecoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Message

    from ringfence.adapters.kafka.registry import Registry
    from ringfence.events.tokens import Tokenizer
    from ringfence.events.vocabulary import Mapping

_CANONICAL: Final = "canonical"
_KEEPS: Final = ("kafka_key", "kafka_header_", "kafka_timestamp")


class Decoding:
    """Reads values by one mapping. One thread at a time."""

    def __init__(
        self,
        mapping: Mapping,
        tokenizer: Tokenizer,
        *,
        keep: frozenset[str] = frozenset(),
        enveloped: bool = False,
        registry: Registry | None = None,
    ) -> None:
        """`keep` of `key`, `headers` and `timestamp`; what the mapping names is kept in any case.

        `registry` knows the schemas of values that name theirs.
        """
        self._registry = registry
        self._mapping = mapping
        self._tokenizer = tokenizer
        self._enveloped = enveloped
        self._is_canonical = mapping.name == _CANONICAL
        self._blocks = BlockDecoder(tokenizer)
        named = "" if self._is_canonical else " ".join(mapping.columns)
        self._keep = keep | {
            what for what, name in zip(("key", "headers", "timestamp"), _KEEPS, strict=True) if name in named
        }

    def __call__(self, messages: Sequence[Message], now_ms: int) -> FilePiece:
        """Events of the good ones in order; `skipped` counts tombstones and what the mapping leaves out.

        A bad record has `topic/partition` as its source and the message's offset as its position.
        """
        lines: list[bytes] = []
        own: list[Message] = []  # the message of each line
        bad: list[BadRecord] = []
        tombstones = 0
        for message in messages:
            value = value_of(message, enveloped=self._enveloped, registry=self._registry)
            if value is None:
                tombstones += 1
            elif isinstance(value, Fault):
                bad.append(self._refused(message, value))
            else:
                lines.append(self._kept(value, message) if self._keep else value)
                own.append(message)
        piece = self._read(lines, own, now_ms) if lines else FilePiece(NO_EVENTS, None, [])
        for record in piece.bad:
            message = own[record.position - 1]
            bad.append(replace(record, source=source_of(message), position=int(message.offset() or 0)))
        return FilePiece(piece.events, piece.labels, bad, piece.skipped + tombstones)

    def _read(self, lines: list[bytes], own: Sequence[Message], now_ms: int) -> FilePiece:
        if self._is_canonical:
            events, refused = self._blocks.decode(b"\n".join(lines), now_ms, "kafka")
            return FilePiece(events, None, refused)
        reader = JsonReader(self._mapping, self._tokenizer, now_ms, max(len(lines), 1), None, 0)
        ids = pa.array([f"{source_of(message)}/{message.offset()}" for message in own], pa.string())
        return reader.records("kafka", lines, ids)

    def _kept(self, line: bytes, message: Message) -> bytes:
        return with_kept(line, message, self._keep, canonical=self._is_canonical)

    def _refused(self, message: Message, fault: Fault) -> BadRecord:
        """A value that holds no record; bytes that are no text are kept as they are, if they may be."""
        raw = message.value()
        whole = raw if isinstance(raw, bytes) else str(raw or "").encode()
        mapping = self._mapping
        clean = self._tokenizer.sanitize_json(
            whole[: 2 * ORIGINAL_LIMIT], mapping.card_columns, mapping.id_columns
        )
        faults = [fault]
        if len(whole) > ORIGINAL_LIMIT:
            said = f"the first {ORIGINAL_LIMIT} of {len(whole)} bytes are kept"
            faults.append(Fault(Reason.TOO_LARGE, "", said))
        position = int(message.offset() or 0)
        return BadRecord(
            source_of(message), position, tuple(faults), clean[:ORIGINAL_LIMIT], "json", mapping.name
        )


def source_of(message: Message) -> str:
    """Where a message stands, for people: `payments/3`."""
    return f"{message.topic()}/{message.partition()}"
