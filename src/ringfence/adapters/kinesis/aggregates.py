"""Records that the Kinesis Producer Library has packed into one, taken apart.

The form is Amazon's: four magic bytes, a protobuf message, and the MD5 of the message. Of the message this
reads what it needs: `partition_key_table` (1), and `records` (3) with `partition_key_index` (1) and `data`
(3).

Source: "KPL Aggregated Record Format" in aws/kinesis-producer (aggregation-format.md).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC: Final = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES: Final = 16
_VARINT, _LENGTH, _FIXED_64, _FIXED_32 = 0, 2, 1, 5
_KEYS, _RECORDS = 1, 3
_KEY_OF, _DATA = 1, 3
_VARINT_BYTES: Final = 10


class AggregateError(ValueError):
    """What begins as an aggregate is none."""


def is_aggregate(value: bytes) -> bool:
    """Whether a record says that it holds others."""
    return value.startswith(MAGIC)


def taken_apart(value: bytes) -> list[tuple[str, bytes]]:
    """Partition key and value of each record in an aggregate; `AggregateError` where it is damaged."""
    body, digest = value[len(MAGIC) : -_DIGEST_BYTES], value[-_DIGEST_BYTES:]
    if len(value) < len(MAGIC) + _DIGEST_BYTES or hashlib.md5(body, usedforsecurity=False).digest() != digest:
        raise AggregateError("its checksum does not match")
    keys: list[str] = []
    packed: list[bytes] = []
    for number, content in _fields(body):
        if number == _KEYS and isinstance(content, bytes):
            keys.append(content.decode("utf-8", "replace"))
        elif number == _RECORDS and isinstance(content, bytes):
            packed.append(content)
    return [_record(one, keys) for one in packed]


def _record(content: bytes, keys: list[str]) -> tuple[str, bytes]:
    index, data = 0, None
    for number, value in _fields(content):
        if number == _KEY_OF and isinstance(value, int):
            index = value
        elif number == _DATA and isinstance(value, bytes):
            data = value
    if data is None or index >= len(keys):
        raise AggregateError("a record of it has no value, or no key")
    return keys[index], data


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
