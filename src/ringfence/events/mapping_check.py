"""What is wrong with a mapping, said by file, key and nearest valid key."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.errors import InputError
from ringfence.events.values.durations import parse_delay_ms
from ringfence.events.values.times import NUMBERED
from ringfence.events.values.vocabulary import (
    FIELDS,
    TIMES,
    FieldSource,
    JoinedColumn,
    LabelColumn,
    Layout,
    MappedRecord,
    Mapping,
    nearest,
)
from ringfence.events.values.zones import check_zone

if TYPE_CHECKING:
    from collections.abc import Iterator

_FORMATS: Final = ("iso", *NUMBERED)
_NEEDED: Final = {
    "transaction": ("transaction_id", "event_time", "amount"),
    "label": ("transaction_id", "label", "event_time"),
    "lifecycle": ("transaction_id", "action", "amount", "event_time"),
}
_ONLY_AMOUNTS: Final = (
    "credit",
    "debit",
    "decimal",
    "thousands",
    "sign",
    "other_sign",
    "digits",
    "unit",
    "scale",
)
_ONLY_TIMES: Final = ("format", "zone", "zone_column", "repeated_hour", "year", "offset_s")
_PLAIN: Final = FieldSource()


def read_mapping(data: dict[str, Any], where: str) -> Mapping:
    """The mapping that a TOML document describes. `InputError` names the key that is wrong."""
    for place, table, struct in _tables(data):
        known = [field.name for field in msgspec.structs.fields(struct)]
        for key in table:
            if key not in known:
                said = f"{_dotted(place, key)} is no key of a mapping{nearest(key, known)}"
                raise InputError(f"mapping {where}: {said}; the keys here are {', '.join(known)}")
        if struct is not Mapping and struct is not MappedRecord:
            _convert(table, struct, place, where)
    mapping: Mapping = _convert(data, Mapping, "", where)
    if not mapping.records:
        raise InputError(f"mapping {where} has no records: add a [[records]] table")
    _check_file(mapping, where)
    for at, record in enumerate(mapping.records):
        _check_record(record, f"records[{at}]", where, mapping)
    return mapping


def _tables(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], type[msgspec.Struct]]]:
    """All tables of the document with their places and what they describe, the innermost first."""
    if isinstance(data.get("file"), dict):
        yield "file", data["file"], Layout
    records = data.get("records")
    for at, record in enumerate(records if isinstance(records, list) else []):
        if not isinstance(record, dict):
            continue
        place = f"records[{at}]"
        for section in ("fields", "attributes"):
            fields = record.get(section)
            for name, item in fields.items() if isinstance(fields, dict) else ():
                if isinstance(item, dict):
                    yield from _parts(item, f"{place}.{section}.{name}")
                    yield f"{place}.{section}.{name}", item, FieldSource
        if isinstance(record.get("label"), dict):
            yield f"{place}.label", record["label"], LabelColumn
        yield place, record, MappedRecord
    yield "", data, Mapping


def _parts(item: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any], type[msgspec.Struct]]]:
    parts = item.get("join")
    for at, part in enumerate(parts if isinstance(parts, list) else []):
        if isinstance(part, dict):
            yield f"{place}.join[{at}]", part, JoinedColumn


def _convert(table: dict[str, Any], struct: type[Any], place: str, where: str) -> Any:
    try:
        return msgspec.convert(table, struct)
    except msgspec.ValidationError as error:
        said, _, at = str(error).partition(" - at ")
        key = at.strip("`").removeprefix("$").removeprefix(".")
        raise InputError(f"mapping {where}: {_dotted(place, key) or 'the file'}: {said}") from error


def _dotted(place: str, key: str) -> str:
    return f"{place}.{key}" if place and key else place or key


def _check_file(mapping: Mapping, where: str) -> None:
    layout = mapping.file
    try:
        codecs.lookup(layout.encoding)
    except LookupError as error:
        raise InputError(
            f"mapping {where}: file.encoding: no encoding {layout.encoding!r}: "
            "use utf-8, latin-1, cp1252 or utf-16"
        ) from error
    if len(layout.delimiter.encode()) > 1 or layout.delimiter in ('"', "\n", "\r"):
        raise InputError(f"mapping {where}: file.delimiter is one ASCII character, such as ; or a tab (\\t)")
    if layout.header_starts and layout.columns:
        raise InputError(f"mapping {where}: file.columns names what has no header: leave header_starts out")
    if layout.skip_lines < 0:
        raise InputError(f"mapping {where}: file.skip_lines is not below 0")
    twice = {name for name in layout.columns if name and layout.columns.count(name) > 1}
    if twice:
        raise InputError(f"mapping {where}: file.columns names {min(twice)!r} twice")
    for name, zone in mapping.zone_names.items():
        _check_zone(zone, mapping, f"zone_names.{name}", where)


def _check_record(record: MappedRecord, place: str, where: str, mapping: Mapping) -> None:
    sources = record.sources()
    for name, source in sources.items():
        if name not in FIELDS:
            raise InputError(
                f"mapping {where}: {place}.fields: no field {name!r}{nearest(name, FIELDS)}; "
                "free fields go under attributes"
            )
        _check_source(name, source, f"{place}.fields.{name}", where, mapping)
        if source.field is not None and source.field not in FIELDS:
            hint = nearest(source.field, sources)
            raise InputError(f"mapping {where}: {place}.fields.{name}: no field {source.field!r}{hint}")
    for name, source in record.attribute_sources(()).items():
        _check_source(name, source, f"{place}.attributes.{name}", where, mapping)
    for name in _NEEDED.get(record.kind, ("event_time",)):
        if name not in sources:
            raise InputError(f"mapping {where}: {place}: a {record.kind} needs the field {name!r}")
    if record.label is None:
        return
    if record.kind not in ("transaction", "lifecycle"):
        raise InputError(f"mapping {where}: {place}: only a transaction or an action has a label column")
    try:
        parse_delay_ms(record.label.delay)
    except InputError as error:
        raise InputError(f"mapping {where}: {place}.label.delay: {error}") from error


def _check_source(name: str, source: FieldSource, place: str, where: str, mapping: Mapping) -> None:
    given = [
        source.column is not None,
        source.constant is not None,
        source.field is not None,
        bool(source.first),
        bool(source.join),
        source.credit is not None or source.debit is not None,
    ]
    if sum(given) != 1 and not ((source.row_number or source.row_id) and sum(given) == 0):
        raise InputError(
            f"mapping {where}: {place} needs one of column, constant, field, first, join, row_id, "
            "or credit and debit"
        )
    for keys, fits, words in (
        (_ONLY_AMOUNTS, name == "amount", "an amount"),
        (_ONLY_TIMES, name in TIMES, "a time"),
        (("masked",), name == "card_number", "a card number"),
    ):
        for key in keys:
            if not fits and getattr(source, key) != getattr(_PLAIN, key):
                raise InputError(f"mapping {where}: {place}.{key} is for {words} alone: leave it out")
    if name in TIMES:
        _check_time(source, place, where, mapping)
    if source.thousands and source.thousands == source.decimal:
        raise InputError(f"mapping {where}: {place}: thousands and decimal are both {source.decimal!r}")
    if source.otherwise != "keep" and not source.values:
        raise InputError(f"mapping {where}: {place}.otherwise needs values: the words that are known")


def _check_time(source: FieldSource, place: str, where: str, mapping: Mapping) -> None:
    if source.format not in _FORMATS and "%" not in source.format:
        raise InputError(
            f"mapping {where}: {place}: no format {source.format!r}{nearest(source.format, _FORMATS)}: "
            f"use {', '.join(_FORMATS)} or a pattern such as %d.%m.%Y %H:%M"
        )
    if (
        source.year is None
        and "%" in source.format
        and not any(code in source.format for code in ("%Y", "%y", "%G", "%c", "%x"))
    ):
        raise InputError(
            f'mapping {where}: {place}.format has no year: say year = "received", or which one, year = 2025'
        )
    _check_zone(source.zone, mapping, f"{place}.zone", where)


def _check_zone(zone: str, mapping: Mapping, place: str, where: str) -> None:
    try:
        check_zone(zone, mapping.zone_names if not place.startswith("zone_names") else {})
    except InputError as error:
        raise InputError(f"mapping {where}: {place}: {error}") from error
