"""Columns of bytes as texts: many writers of Parquet do not say that their bytes are text, or an id."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import pyarrow as pa

_UUID: Final = "arrow.uuid"
_UUID_BYTES: Final = 16


def holds_bytes(kind: pa.DataType) -> bool:
    """Whether values of a type are bytes to Arrow."""
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or _is_uuid(kind)
    )


def without_bytes(values: Any) -> Any:
    """A column with texts in place of bytes; any other column as it is."""
    if not holds_bytes(values.type):
        return values
    return pa.array(map(spelled, values.to_pylist()), pa.string())


def spelled(value: Any) -> Any:
    r"""A value with texts in place of the bytes in it: UTF-8, otherwise a UUID, otherwise hexadecimal digits.

    >>> spelled(b"t1"), spelled({"id": [b"\xff\x00"]}), spelled(bytes(15) + b"\x01")
    ('t1', {'id': ['ff00']}, '00000000-0000-0000-0000-000000000001')
    """
    if isinstance(value, dict):
        return {spelled(name): spelled(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [spelled(inner) for inner in value]
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, bytes):
        return value
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    if text.isprintable():
        return text
    return str(UUID(bytes=value)) if len(value) == _UUID_BYTES else value.hex()


def _is_uuid(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == _UUID
