"""Conditions on events, and the hours and weekdays of a time zone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.features.spec import Where

_COMPARE: dict[str, Any] = {
    "=": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "in": lambda actual, wanted: np.isin(actual, np.array(wanted)),
}
_COMPARE_TEXT: dict[str, Any] = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def holds(batch: EventBatch, where: Where, zone: str) -> NDArray[np.bool_]:
    """Where the condition is true, its hours and weekdays taken in an IANA zone; never for null."""
    wanted = where.value if isinstance(where.value, tuple) else (where.value,)
    if where.field in ("hour", "weekday"):
        actual: Any = local_hour(batch, zone) if where.field == "hour" else local_weekday(batch, zone)
    elif all(isinstance(item, str) for item in wanted):
        return _text_holds(batch.written(where.field), where)
    else:
        actual = batch.number(where.field)
    with np.errstate(invalid="ignore"):
        return _COMPARE[where.op](actual, where.value) & ~np.isnan(actual)


def _text_holds(values: Any, where: Where) -> NDArray[np.bool_]:
    if where.op == "in":
        held = pc.and_(pc.is_in(values, pa.array(where.value, pa.string())), pc.is_valid(values))
    else:
        held = pc.fill_null(_COMPARE_TEXT[where.op](values, where.value), False)
    result: NDArray[np.bool_] = held.to_numpy(zero_copy_only=False)
    return result


def local_hour(batch: EventBatch, zone: str) -> NDArray[np.int64]:
    """Hour of day, 0 to 23, of each event in an IANA zone."""
    if zone == "UTC":
        return batch.event_time_ms // 3_600_000 % 24
    hours: NDArray[np.int64] = pc.hour(_local(batch, zone)).to_numpy(zero_copy_only=False)
    return hours


def local_weekday(batch: EventBatch, zone: str) -> NDArray[np.int64]:
    """Day of the week of each event in an IANA zone, 0 for Monday."""
    if zone == "UTC":
        return (batch.event_time_ms // 86_400_000 + 3) % 7
    days: NDArray[np.int64] = pc.day_of_week(_local(batch, zone)).to_numpy(zero_copy_only=False)
    return days


def _local(batch: EventBatch, zone: str) -> Any:
    return pa.array(batch.event_time_ms, pa.timestamp("ms", tz=zone))
