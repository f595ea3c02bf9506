"""What a source seems to be, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.adapters.files.json_rows import FIELDS_LIMIT
from ringfence.adapters.files.json_stream import json_lines
from ringfence.adapters.files.layout import open_table
from ringfence.adapters.files.paths import CutShortError, OpenedFile, opened, resolve
from ringfence.adapters.files.tables import open_parquet
from ringfence.errors import InputError
from ringfence.events.decoding.binding import missing_columns
from ringfence.events.mapping import SHIPPED, load_mapping
from ringfence.events.privacy.sensitive import named
from ringfence.events.values.paths import places
from ringfence.masking import mask_cards
from ringfence.ports.mappings import Sniffed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.ports.sources import Format

_LOOKED_AT: Final = 20


def sniff(path: str, fmt: Format | None = None) -> Sniffed:
    """Format, columns and mapping of a source, told from its beginning; of a folder, its first file."""
    with opened(resolve([path])[0], fmt) as source:
        columns = _columns(source)
        mapping, why = _mapping_for(columns)
        shown = [mask_cards(name) for name in columns]
        dropped = [name for name in shown if (meant := named(name)) and meant.surely]
        reasons = [*source.reasons, mask_cards(why)]
        return Sniffed(
            mask_cards(source.path), source.format, source.packing, shown, mapping, reasons, dropped
        )


def _mapping_for(columns: Sequence[str]) -> tuple[str | None, str]:
    lacking = {}
    for name in (*SHIPPED[1:], SHIPPED[0]):
        mapping = load_mapping(name)
        lacking[name] = missing_columns(mapping, _within(columns, mapping.file.each))
        if not lacking[name]:
            return name, f"it has the columns of mapping {name}"
    near = min(lacking, key=lambda name: len(lacking[name]))
    if len(lacking[near]) == len(missing_columns(load_mapping(near), ())):
        return None, "no shipped mapping fits: none has any of these columns"
    return None, f"no shipped mapping fits; {near} is the nearest and lacks {', '.join(lacking[near])}"


def _within(columns: Sequence[str], each: str) -> Sequence[str]:
    """The columns as a mapping sees them for which every element of a list is a record."""
    return [name.replace(f"{each}[0]", each, 1) for name in columns] if each else columns


def _columns(source: OpenedFile) -> list[str]:
    if source.format == "parquet":
        return list(open_parquet(source).schema_arrow.names)
    if source.format == "csv":
        return open_table(source)[0].names
    try:
        head = next(json_lines(source), b"")
    except CutShortError as error:
        raise InputError(f"{source.path}: {error}: get a whole copy") from error
    if not head.strip():
        raise InputError(f"{source.path} is empty: it has no records")
    names: dict[str, None] = {}
    for line in head.split(b"\n")[:_LOOKED_AT]:
        try:
            item = msgspec.json.decode(line, type=dict[str, Any])
            names |= dict.fromkeys([*item, *places(item)])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if len(names) > FIELDS_LIMIT:
            raise InputError(
                f"{source.path}: the first records have more than {FIELDS_LIMIT:,} fields: check the "
                "file, or take out the fields that nobody needs"
            )
    if not names:
        raise InputError(
            f"{source.path}: none of the first lines is a JSON object: check the file or its format"
        )
    return list(names)
