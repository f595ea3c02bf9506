"""Looking after landed files: small ones become one, old ones go, a table over them is declared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import types

from ringfence.adapters.landing.shapes import SCHEMAS, read_back, written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.adapters.landing.place import Place
    from ringfence.adapters.landing.shapes import Layout

_FILE: Final = re.compile(r"(?P<folder>.+)/(?P<first>\d{20})-(?P<after>\d{20})\.parquet")
_DAY: Final = re.compile(r"/(?:dt=(\d{4})-(\d\d)-(\d\d)|(\d{4})/(\d\d)/(\d\d))/")
_SMALL: Final = 2  # files of a day that are worth being one
_MOST_BYTES: Final = 512 * 1024 * 1024  # of files that become one, together


@dataclass(frozen=True, slots=True)
class Compacted:
    """What was done: days, files that went, files that came."""

    days: int = 0
    removed: int = 0
    made: int = 0


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    first: int
    after: int
    size: int


def compact(place: Place, before: date) -> Compacted:
    """Make one Parquet file of the small ones of each day before this one.

    A row keeps its offset. While a day is being done, readers may find its rows twice for a moment: the new
    file is there before the old ones go, so that none is ever missing. A crash in between is put right by
    the next call.
    """
    days = removed = made = 0
    for folder, files in _by_folder(place, before):
        whole = _whole(files)
        covered = [one for one in files if one not in whole]
        if covered:
            place.remove(one.name for one in covered)
            removed += len(covered)
        topic, merged = folder.partition("/")[0], 0
        for group in _groups(whole):
            contents = (place.read(one.name) or b"" for one in group)
            table = pa.concat_tables([read_back(content, "parquet", topic) for content in contents])
            first, after = group[0].first, group[-1].after
            place.create(f"{folder}/{first:020d}-{after:020d}.parquet", written(table, "parquet"))
            place.remove(one.name for one in group)
            removed, merged = removed + len(group), merged + 1
        days, made = days + (merged > 0), made + merged
    return Compacted(days, removed, made)


def expire(place: Place, before: date) -> int:
    """Take away the files of days before this one; how many. Manifests stay, so that nothing comes back."""
    old = [
        name for topic in SCHEMAS for name in place.names(topic) if (day := _day_of(name)) and day < before
    ]
    place.remove(old)
    return len(old)


def _by_folder(place: Place, before: date) -> Iterator[tuple[str, list[_File]]]:
    for topic in SCHEMAS:
        folders: dict[str, list[_File]] = {}
        for name, size in place.sizes(topic).items():
            found, day = _FILE.fullmatch(name), _day_of(name)
            if found is not None and day is not None and day < before:
                file = _File(name, int(found["first"]), int(found["after"]), size)
                folders.setdefault(found["folder"], []).append(file)
        yield from folders.items()


def _groups(files: list[_File]) -> Iterator[list[_File]]:
    """Files that follow on each other and fit into one: what a new name covers, the new file has to hold."""
    group: list[_File] = []
    for one in files:
        if group and sum(part.size for part in group) + one.size > _MOST_BYTES:
            if len(group) >= _SMALL:
                yield group
            group = []
        group.append(one)
    if len(group) >= _SMALL:
        yield group


def _whole(files: list[_File]) -> list[_File]:
    """Those whose offsets no other file covers, in order."""
    kept: list[_File] = []
    for one in sorted(files, key=lambda file: (file.first, -file.after)):
        if not kept or one.after > kept[-1].after:
            kept.append(one)
    return kept


def _day_of(name: str) -> date | None:
    found = _DAY.search(name)
    if found is None:
        return None
    year, month, day = (int(part) for part in found.groups() if part is not None)
    return date(year, month, day)


def ddl(address: str, layout: Layout, fmt: str, database: str) -> str:
    """Statements that declare the tables for Athena and Glue; days are projected, no crawler is needed."""
    return "\n\n".join(_table(topic, address.rstrip("/"), layout, fmt, database) for topic in SCHEMAS)


_FORMATS: Final = {
    "parquet": "STORED AS PARQUET",
    "ndjson": "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'",
    "csv": "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'",
}


def _table(topic: str, address: str, layout: Layout, fmt: str, database: str) -> str:
    columns = ",\n".join(
        f"  `{field.name}` {'string' if fmt == 'csv' else _hive(field.type, fmt)}" for field in SCHEMAS[topic]
    )
    template = "dt=${dt}" if layout == "hive" else "${dt}"
    form = "yyyy-MM-dd" if layout == "hive" else "yyyy/MM/dd"
    start = "2020-01-01" if layout == "hive" else "2020/01/01"
    properties = {
        "projection.enabled": "true",
        "projection.dt.type": "date",
        "projection.dt.format": form,
        "projection.dt.range": f"{start},NOW+1DAYS",
        "projection.dt.interval": "1",
        "projection.dt.interval.unit": "DAYS",
        "storage.location.template": f"{address}/{topic}/{template}",
    } | ({"skip.header.line.count": "1"} if fmt == "csv" else {})
    told = ",\n".join(f"  '{name}' = '{value}'" for name, value in properties.items())
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS `{database}`.`{topic}` (\n{columns}\n)\n"
        f"PARTITIONED BY (`dt` string)\n{_FORMATS[fmt]}\nLOCATION '{address}/{topic}/'\n"
        f"TBLPROPERTIES (\n{told}\n);"
    )


def _hive(kind: pa.DataType, fmt: str) -> str:
    if types.is_timestamp(kind):
        return "timestamp" if fmt == "parquet" else "string"
    if types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if types.is_list(kind):
        return "array<string>"
    names = {"int64": "bigint", "double": "double", "bool": "boolean", "uint8": "smallint"}
    return names.get(str(kind), "string")
