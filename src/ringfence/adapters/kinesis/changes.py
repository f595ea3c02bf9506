"""Changed rows of a DynamoDB table, as its stream to Kinesis tells them, as plain records.

Source: "Kinesis Data Streams record format" in the Amazon DynamoDB Developer Guide.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ringfence.events.bad import Fault, Reason
from ringfence.events.repeated import repeated_fault

TIME: Final = "dynamodb_time"
CHANGE: Final = "dynamodb_change"
"""Columns beside those of the row: when it changed, as ISO 8601, and `INSERT` or `MODIFY`."""

_MICROSECOND: Final = "MICROSECOND"
_REMOVE: Final = "REMOVE"
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_LEAST_MS: Final = 100_000_000_000  # no change was told before 1973, and none is in seconds before 5138
_DEPTH: Final = 32  # of DynamoDB's own


class _Row(msgspec.Struct, rename={"new": "NewImage", "at": "ApproximateCreationDateTime"}):
    at: int
    new: dict[str, dict[str, Any]] = {}
    precision: str = msgspec.field(default="", name="ApproximateCreationDateTimePrecision")


class _Change(msgspec.Struct):
    change: str = msgspec.field(name="eventName")
    row: _Row = msgspec.field(name="dynamodb")


_CHANGE: Final = msgspec.json.Decoder(_Change)


def row_in(raw: bytes) -> bytes | Fault | None:
    """The row as it is after a change, as JSON on one line; None where it was removed."""
    try:
        told = _CHANGE.decode(raw)
        if (repeated := repeated_fault(raw)) is not None:
            return repeated
        if told.change == _REMOVE:
            return None
        if not told.row.new:
            why = "is missing: have the table's stream to Kinesis carry new images"
            return Fault(Reason.MISSING_FIELD, "dynamodb.NewImage", why)
        row = {name: _plain(value) for name, value in told.row.new.items()}
        seconds = told.row.at / _parts_of_a_second(told.row)
        when = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
        RecursionError,
        ValueError,
        OSError,
        OverflowError,
    ) as error:
        return Fault(Reason.MALFORMED, "", f"no change of a DynamoDB table: {error}")
    return msgspec.json.encode(row | {TIME: when.replace("+00:00", "Z"), CHANGE: told.change})


def _parts_of_a_second(row: _Row) -> int:
    """Milliseconds unless the record says otherwise, or has seconds as records of the table's own stream."""
    if row.precision == _MICROSECOND:
        return 1_000_000
    return 1 if row.at < _LEAST_MS else 1_000


def _plain(typed: Any, depth: int = 0) -> Any:
    """A value without DynamoDB's types; a number keeps its digits."""
    if not isinstance(typed, dict) or len(typed) != 1 or depth > _DEPTH:
        raise ValueError("a value is not as DynamoDB writes it")
    ((kind, value),) = typed.items()
    if kind == "NULL":
        return None
    if kind == "N" and isinstance(value, str) and _NUMBER.fullmatch(value):
        return msgspec.Raw(value.encode())
    if kind == "L" and isinstance(value, list):
        return [_plain(one, depth + 1) for one in value]
    if kind == "M" and isinstance(value, dict):
        return {name: _plain(one, depth + 1) for name, one in value.items()}
    if kind in ("S", "B", "BOOL", "SS", "NS", "BS"):
        return value
    raise ValueError("a value is not as DynamoDB writes it")
