"""Batches of the log as rows of the relational tables: columns all the way, one Arrow table a portion."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.adapters.lake.free_attributes import objects_of
from ringfence.adapters.lake.shapes import events_in, rows_in
from ringfence.events.batch import NULL_INT
from ringfence.events.model import ATTRIBUTE_PREFIX, EVENT_SCHEMA, Kind
from ringfence.ports import DECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.events.batch import EventBatch
    from ringfence.ports import LogBatch

_TIME: Final = pa.timestamp("ms")  # UTC
_MONEY: Final = pa.decimal128(22, 3)
_HOME: Final = {  # columns of an address by the attributes that may say it, the first that does
    "home_street": ("home_street", "street"),
    "home_city": ("home_city",),
    "home_state": ("home_state", "state"),
    "home_zip": ("home_zip", "zip"),
}
_HOME_NUMBERS: Final = ("home_lat", "home_lon", "city_pop")
_PERSON: Final = ("gender", "job", "dob")
_EARTH_KM: Final = 6371.0088
_REPLACEMENT: Final = "\ufffd"
_KEYS: Final = frozenset(
    {
        *("transaction_id", "customer_id", "card_id", "account_id", "merchant_id", "device_id", "entity_id"),
        *("merchant_category", "channel", "country", "home_state"),
    }
)
"""Columns that are, or are counted by, the key of a table."""

_KEY_BYTES: Final = 1024  # an index of PostgreSQL takes up to 2,704 bytes a row
_KEPT_BYTES: Final = 512


def event_rows(batches: Sequence[LogBatch]) -> pa.Table:
    """All events of these batches: canonical columns, money as decimals, times in UTC.

    Beside them what attributes say of the payer: `gender`, `job`, `dob`, the `home_*` columns, and
    `home_distance_km` from there to the payment.
    """
    return pa.concat_tables(
        [_rows(events, np.arange(begin, end)) for begin, end, events in events_in(batches)],
        promote_options="permissive",
    )


def _rows(events: EventBatch, offsets: Any) -> pa.Table:
    columns: dict[str, Any] = {"offset": pa.array(offsets)}
    columns["kind"] = pa.array(events.kind)
    for field in EVENT_SCHEMA:
        if field.name.endswith("_ms"):
            columns[field.name.removesuffix("_ms")] = _times(events.column(field.name))
        elif field.name not in {"kind", "amount_minor"}:
            columns[field.name] = _key(field.name, _plain(events.column(field.name), field.type))
    columns["amount"] = _money(events)
    columns["attributes"] = _json(objects_of(events))
    columns |= _of_the_payer(events)
    columns["state"] = columns["home_state"]
    columns["home_distance_km"] = _home_distance(events)
    return pa.table(columns)


def _of_the_payer(events: EventBatch) -> dict[str, Any]:
    found: dict[str, Any] = {name: _texts(events, (name,)) for name in _PERSON}
    found |= {name: _key(name, _texts(events, sources)) for name, sources in _HOME.items()}
    return found | {
        name: pa.array(events.number(ATTRIBUTE_PREFIX + name), from_pandas=True) for name in _HOME_NUMBERS
    }


def _texts(events: EventBatch, names: Sequence[str]) -> Any:
    """The first of these attributes that a row has."""
    known = [name for name in names if ATTRIBUTE_PREFIX + name in events.attribute_names]
    if not known:
        return pa.nulls(len(events), pa.string())
    return pc.coalesce(*(_clean(events.text(ATTRIBUTE_PREFIX + name).cast(pa.string())) for name in known))


def _home_distance(events: EventBatch) -> Any:
    """Kilometres from the payer's home to the payment, null where one of them is not known."""
    home_lat, home_lon = (
        np.radians(events.number(ATTRIBUTE_PREFIX + name)) for name in ("home_lat", "home_lon")
    )
    lat, lon = (np.radians(_floats(events.column(name))) for name in ("lat", "lon"))
    half = np.sin((lat - home_lat) / 2) ** 2
    half += np.cos(home_lat) * np.cos(lat) * np.sin((lon - home_lon) / 2) ** 2
    return pa.array(2 * _EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1))), from_pandas=True)


def _floats(column: Any) -> Any:
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)


def _money(events: EventBatch) -> Any:
    """Thousandths of a major unit, read as a decimal with three places."""
    fixed = events.amount_fixed
    whole = pa.array(fixed, mask=fixed == NULL_INT).cast(pa.decimal128(22, 0))
    return pa.Array.from_buffers(_MONEY, len(whole), whole.buffers(), whole.null_count)


def _times(column: Any) -> Any:
    return column.cast(pa.int64()).cast(_TIME)


def _plain(column: Any, kind: Any) -> Any:
    column = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    column = column.cast(kind)
    return _clean(column) if pa.types.is_string(kind) else column


def _clean(texts: Any) -> Any:
    """PostgreSQL's texts cannot hold the character of code 0: a replacement character stands for it."""
    texts = texts.dictionary_decode() if pa.types.is_dictionary(texts.type) else texts
    if not pc.any(pc.match_substring(texts, "\0"), min_count=0).as_py():
        return texts
    return pc.replace_substring(texts, "\0", _REPLACEMENT)


def _key(name: str, texts: Any) -> Any:
    """One that an index would refuse becomes its beginning and its SHA-256: the same everywhere."""
    if name not in _KEYS or (pc.max(pc.binary_length(texts)).as_py() or 0) <= _KEY_BYTES:
        return texts
    return pa.array([None if text is None else _shortened(text) for text in texts.to_pylist()], pa.string())


def _shortened(text: str) -> str:
    encoded = text.encode()
    if len(encoded) <= _KEY_BYTES:
        return text
    return f"{encoded[:_KEPT_BYTES].decode(errors='ignore')}…{hashlib.sha256(encoded).hexdigest()}"


def _json(objects: Any) -> Any:
    """The same for JSON, where it is escaped."""
    hit = pc.fill_null(pc.match_substring(objects, "\\u0000"), False)
    if not pc.any(hit, min_count=0).as_py():
        return objects
    cleaned = [_cleaned(told) if found else told for told, found in zip(*_lists(objects, hit), strict=True)]
    return pa.array(cleaned, pa.string())


def _lists(*columns: Any) -> list[list[Any]]:
    return [column.to_pylist() for column in columns]


def _cleaned(told: str) -> str:
    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("\0", _REPLACEMENT)
        if isinstance(value, dict):
            return {clean(key): clean(each) for key, each in value.items()}
        return [clean(each) for each in value] if isinstance(value, list) else value

    return msgspec.json.encode(clean(msgspec.json.decode(told))).decode()


def of_kind(rows: pa.Table, kind: Kind) -> pa.Table:
    """The events of one kind."""
    return rows.filter(pc.equal(rows["kind"], int(kind)))


def decisions_of(batches: Sequence[LogBatch]) -> pa.Table:
    """Decisions of these batches, times in UTC."""
    tables = [found.table for found in rows_in(DECISIONS, batches)]
    wanted = [
        *("offset", "transaction_id", "event_time_ms", "decided_at_ms", "outcome", "score", "probability"),
        *("model", "control", "reasons", "rules", "shadow_rules", "typologies", "degraded", "latency_us"),
        *("features_digest", "rules_digest"),
    ]
    parts = []
    for table in tables:
        columns = {name: table[name].combine_chunks() for name in wanted}
        for name in ("event_time_ms", "decided_at_ms"):
            columns[name.removesuffix("_ms")] = _times(columns.pop(name))
        for name, column in columns.items():
            if pa.types.is_dictionary(column.type):
                columns[name] = column.dictionary_decode()
        columns["transaction_id"] = _key("transaction_id", _clean(columns["transaction_id"]))
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)
