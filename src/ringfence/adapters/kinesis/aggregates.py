"""Records that the Kinesis Producer Library has packed into one, taken apart.

The form is Amazon's: four magic bytes, a protobuf message, and the MD5 of the message. Of the message this
reads what it needs: `partition_key_table` (1), `explicit_hash_key_table` (2), and `records` (3) with
`partition_key_index` (1), `explicit_hash_key_index` (2) and `data` (3).

Source: "KPL Aggregated Record Format" in aws/kinesis-producer (aggregation-format.md).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC: Final = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES: Final = 16
_VARINT, _LENGTH, _FIXED_64, _FIXED_32 = 0, 2, 1, 5
_KEYS, _HASH_KEYS, _RECORDS = 1, 2, 3
_KEY_OF, _HASH_KEY_OF, _DATA = 1, 2, 3
_VARINT_BYTES: Final = 10
_HASH_KEY_DIGITS: Final = 39  # of 2^128


class AggregateRecord(NamedTuple):
    """One record of an aggregate; `hash_key` is the number that its producer chose, empty for none."""

    key: str
    hash_key: str
    data: bytes


class AggregateError(ValueError):
    """What begins as an aggregate is none."""


def is_aggregate(value: bytes) -> bool:
    """Whether a record says that it holds others."""
    return value.startswith(MAGIC)


def taken_apart(value: bytes) -> list[AggregateRecord]:
    """The records in an aggregate; `AggregateError` where it is damaged."""
    body, digest = value[len(MAGIC) : -_DIGEST_BYTES], value[-_DIGEST_BYTES:]
    if len(value) < len(MAGIC) + _DIGEST_BYTES or hashlib.md5(body, usedforsecurity=False).digest() != digest:
        raise AggregateError("its checksum does not match")
    tables: dict[int, list[str]] = {_KEYS: [], _HASH_KEYS: []}
    packed: list[bytes] = []
    for number, content in _fields(body):
        if number in tables and isinstance(content, bytes):
            tables[number].append(content.decode("utf-8", "replace"))
        elif number == _RECORDS and isinstance(content, bytes):
            packed.append(content)
    return [_part(one, tables[_KEYS], tables[_HASH_KEYS]) for one in packed]


def hash_key(part: AggregateRecord) -> int:
    """The number by which Kinesis finds a record's shard."""
    if part.hash_key.isascii() and part.hash_key.isdigit():
        return int(part.hash_key[:_HASH_KEY_DIGITS])
    return int.from_bytes(hashlib.md5(part.key.encode(), usedforsecurity=False).digest(), "big")


def _part(content: bytes, keys: list[str], hash_keys: list[str]) -> AggregateRecord:
    index, chosen, data = 0, None, None
    for number, value in _fields(content):
        if number == _KEY_OF and isinstance(value, int):
            index = value
        elif number == _HASH_KEY_OF and isinstance(value, int):
            chosen = value
        elif number == _DATA and isinstance(value, bytes):
            data = value
    if data is None or index >= len(keys) or (chosen is not None and chosen >= len(hash_keys)):
        raise AggregateError("a record of it has no value, or no key")
    return AggregateRecord(keys[index], "" if chosen is None else hash_keys[chosen], data)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and content of each field of a protobuf message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _LENGTH:
            size, at = _varint(message, at)
        elif kind in (_FIXED_64, _FIXED_32):
            size = 8 if kind == _FIXED_64 else 4
        else:
            raise AggregateError("it is no message of the library")
        if at + size > len(message):
            raise AggregateError("it ends too early")
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends."""
    value = 0
    for count, byte in enumerate(message[at : at + _VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, at + count + 1
    raise AggregateError("it ends too early")
