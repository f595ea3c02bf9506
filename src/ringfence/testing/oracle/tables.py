"""The log as two DuckDB tables: `tx`, one row per transaction, and `label`, one row per label event."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

import duckdb
import numpy as np
import pyarrow as pa

from ringfence.events.model import AMOUNT_SCALE, Kind
from ringfence.events.values.currencies import currency_exponent
from ringfence.features.kinds import CATEGORICAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.features.calendar import Calendar
    from ringfence.features.spec import FeatureSpec

_LARGEST_EXACT = 2.0**53


class OracleTables:
    """An open DuckDB connection that holds the log, and the scale of each fixed-point column."""

    def __init__(self, batch: EventBatch, spec: FeatureSpec) -> None:
        self._spec = spec
        # One thread: these joins are small, and many tests run side by side.
        self._connection = duckdb.connect(config={"threads": 1})
        self._load("tx", _transactions(batch, spec))
        self._load("label", _labels(batch))

    def _load(self, name: str, rows: pa.Table) -> None:
        self._connection.register("incoming", rows)
        self._connection.table("incoming").create(name)
        self._connection.unregister("incoming")

    def execute(self, sql: str, values: dict[str, Any]) -> duckdb.DuckDBPyConnection:
        """Run one query."""
        return self._connection.execute(sql, values)

    def scale(self, field: str) -> int:
        """Integer units of a fixed-point column in one unit of the field."""
        return _scale(field, self._spec)

    def close(self) -> None:
        self._connection.close()


@contextmanager
def connect(batch: EventBatch, spec: FeatureSpec) -> Iterator[OracleTables]:
    """The log in DuckDB, for as long as the block runs."""
    tables = OracleTables(batch, spec)
    try:
        yield tables
    finally:
        tables.close()


_DAY_MS = 86_400_000


def _scale(field: str, spec: FeatureSpec) -> int:
    if field == "amount":
        return AMOUNT_SCALE
    return int(10 ** spec.decimals.get(field, 6))


def _transactions(batch: EventBatch, spec: FeatureSpec) -> pa.Table:
    rows = np.flatnonzero(batch.is_transaction)
    ids = [i for i in batch.column("transaction_id").take(pa.array(rows)).to_pylist() if i is not None]
    if len(set(ids)) < len(ids):
        raise ValueError("a transaction id occurs twice: deduplicate the log first")
    time_ms = batch.event_time_ms[rows]
    local = [datetime.fromtimestamp(int(ms) // 1000, ZoneInfo(spec.zone)) for ms in time_ms]
    columns: dict[str, Any] = {
        "position": rows,
        "time_ms": time_ms,
        "transaction_id": batch.column("transaction_id").take(pa.array(rows)),
        "watermark_ms": np.array(_clock(time_ms.tolist()), np.int64),
        "number:hour": np.array([moment.hour for moment in local], np.float64),
        "number:weekday": np.array([moment.weekday() for moment in local], np.float64),
        "lat": _null_for_nan(batch.number("lat")[rows]),
        "lon": _null_for_nan(batch.number("lon")[rows]),
    }
    for feature in spec.features:
        if feature.calendar:
            columns[f"start:{feature.name}"] = _starts(batch.take(rows), feature.calendar, spec.zone)
    for field in sorted(_text_fields(spec)):
        columns[f"text:{field}"] = batch.column(field).cast(pa.string()).take(pa.array(rows))
    for field in sorted(_number_fields(spec) - {"hour", "weekday"}):
        columns[f"number:{field}"] = _number(batch, field).take(pa.array(rows))
        columns[f"fixed:{field}"] = _fixed(batch, field, spec).take(pa.array(rows))
    return pa.table(columns)


def _starts(batch: EventBatch, calendar: Calendar, zone: str) -> NDArray[np.int64]:
    """When each transaction's day, week or month began, one by one, by the clock on the wall."""
    own: list[Any] = [None] * len(batch)
    if calendar.zone_field:
        own = batch.column(calendar.zone_field).to_pylist()
    found = []
    for time_ms, name in zip(batch.event_time_ms.tolist(), own, strict=True):
        where = ZoneInfo(name if name in available_timezones() else calendar.zone or zone)
        day = datetime.fromtimestamp(time_ms // 1000, where).date()
        if calendar.period != "day":
            day = day.replace(day=1) if calendar.period == "month" else day - timedelta(day.weekday())
        found.append(int(datetime(day.year, day.month, day.day, tzinfo=where).timestamp()) * 1000)
    return np.array(found, np.int64)


def _clock(times: list[int]) -> list[int]:
    """The stream's clock after each transaction, by its definition; a day is the most that one moves it.

    The greatest time that two transactions in a row have reached, or one that is at most a day ahead of it.
    The first counts until the second is more than a day behind it.
    """
    clock: list[int] = []
    for at, time in enumerate(times):
        now = clock[-1] if at else time
        if at == 1 and time < now - _DAY_MS:
            now = time
        both = min(time, times[at - 1]) if at else time
        if both > now + _DAY_MS:
            now = both
        clock.append(max(now, time) if time <= now + _DAY_MS else now)
    return clock


def _labels(batch: EventBatch) -> pa.Table:
    rows = np.flatnonzero(batch.kind == Kind.LABEL)
    chosen = batch.take(rows)
    return pa.table(
        {"position": rows, "transaction_id": chosen.column("transaction_id"), "fraud": chosen.column("label")}
    )


def _text_fields(spec: FeatureSpec) -> set[str]:
    keys = {key for entity in spec.entities for key in entity.keys}
    values = {f.field for f in spec.features if f.field and f.kind in CATEGORICAL}
    conditions = {f.where.field for f in spec.features if f.where and _is_text(f.where.value)}
    return keys | values | conditions


def _number_fields(spec: FeatureSpec) -> set[str]:
    values = {f.field for f in spec.features if f.field and f.kind not in CATEGORICAL}
    conditions = {f.where.field for f in spec.features if f.where and not _is_text(f.where.value)}
    return values | conditions


def _is_text(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, tuple) and isinstance(value[0], str))


def _fixed(batch: EventBatch, field: str, spec: FeatureSpec) -> pa.Array:
    """The field as integers: amounts in thousandths, attributes rounded half to even, null if too large."""
    if field == "amount":
        return pa.array(_thousandths(batch), pa.int64())
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.rint(batch.number(field) * float(_scale(field, spec)))
    unfit = ~(np.abs(scaled) <= _LARGEST_EXACT)
    return pa.array(np.where(unfit, 0, scaled).astype(np.int64), mask=unfit)


def _number(batch: EventBatch, field: str) -> pa.Array:
    if field == "amount":
        return pa.array([None if x is None else x / AMOUNT_SCALE for x in _thousandths(batch)], pa.float64())
    return _null_for_nan(batch.number(field))


def _thousandths(batch: EventBatch) -> list[int | None]:
    """Amounts one by one, not as the batch's own accessor has them."""
    paid = zip(batch.column("amount_minor").to_pylist(), batch.column("currency").to_pylist(), strict=True)
    return [
        None if minor is None else minor * AMOUNT_SCALE // 10 ** currency_exponent(currency or "")
        for minor, currency in paid
    ]


def _null_for_nan(values: NDArray[np.float64]) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))
