"""Changes of lists as events: what somebody asks for, checked row by row, and CSV files of it.

entity_id,entity_type,expires_at,note,source
d-5,device,2030-01-01,seen in three attacks,consortium
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import pyarrow as pa

from ringfence.errors import InputError
from ringfence.events.bad import Fault, Reason
from ringfence.events.decoding.draft import Draft
from ringfence.events.model import AUTHOR, LIST_SOURCE, Kind
from ringfence.events.values.vocabulary import nearest
from ringfence.features.spec import ENTITY_KEYS
from ringfence.masking import mask_cards
from ringfence.scoring.rulesets.actions import ListKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ringfence.events.batch import EventBatch
    from ringfence.events.privacy.tokens import Tokenizer

MOST_ROWS: Final = 1_000_000
NAME_LIMIT: Final = 80
COLUMNS: Final = ("entity_id", "entity_type", "list_kind", "expires_at", "note", "source")
"""Columns of an import; all but the first may be left out."""

_FAR_MS: Final = 1 << 53


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody or something to be put on a list, or taken off it. Without a type it stands for any."""

    entity_id: str
    entity_type: str | None = None
    list_kind: ListKind | None = None  # that of the list unless given
    expires_at: str | int | None = None  # ISO 8601 with a zone, or ms since 1970
    note: str | None = None
    source: str | None = None


class RowFault(msgspec.Struct, frozen=True):
    """A row that was refused: its line (of a file) or number (from 1), and why."""

    line: int
    problem: str


class ListResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of some entries. `warnings` are of those taken that hardly do what is meant."""

    taken: int
    refused: list[RowFault]
    warnings: list[str] = []


def to_events(
    entries: Sequence[Entry],
    list_name: str,
    kind: ListKind,
    *,
    author: str,
    now_ms: int,
    tokenizer: Tokenizer,
    removed: bool = False,
    lines: Sequence[int] | None = None,
) -> tuple[EventBatch, list[RowFault]]:
    """The events that make these changes from now on, and the entries that are refused.

    `lines` are where the entries stand in a file. A card may be given by its number: its token is kept.
    Digits that no network has issued may be a card's number or its id, so that both are kept.
    """
    _check_name(list_name)
    list_name = mask_cards(list_name)
    asked = zip(entries, lines or range(1, len(entries) + 1), strict=True)
    every = [(entry, line, one) for entry, line in asked for one in _identities(entry, tokenizer)]
    entries = [entry for entry, _, _ in every]
    draft = Draft(Kind.LIST_ENTRY, len(entries), tokenizer, now_ms)
    texts = {
        "list_name": [list_name] * len(entries),
        "list_kind": [None if removed else str(entry.list_kind or kind) for entry in entries],
        "entity_type": [entry.entity_type for entry in entries],
        "entity_id": [identity for _, _, identity in every],
        "note": [entry.note for entry in entries],
        AUTHOR: [author] * len(entries),
        LIST_SOURCE: [entry.source for entry in entries],
    }
    for name, values in texts.items():
        draft.text(name, pa.array(values, pa.string()))
    draft.time("event_time_ms", pa.array([now_ms] * len(entries), pa.int64()))
    draft.time("expires_at_ms", pa.array([_time(entry.expires_at) for entry in entries], pa.string()))
    if removed:
        draft.boolean("removed", pa.array([True] * len(entries)))
    unknown = [entry.entity_type not in (None, *ENTITY_KEYS) for entry in entries]
    draft.fault(
        np.array(unknown, np.bool_),
        Reason.WRONG_TYPE,
        "entity_type",
        lambda row: (
            f"is none of {', '.join(ENTITY_KEYS)}{nearest(str(entries[row].entity_type), ENTITY_KEYS)}"
        ),
    )
    draft.require("entity_id")
    events, _ = draft.finish()
    refused = {every[row][1]: _said(found) for row, found in sorted(draft.faults.items())}
    return events, [RowFault(line, said) for line, said in refused.items()]


def read_csv(
    text: str, origin: str = "the file", most: int = MOST_ROWS
) -> tuple[list[Entry], list[int], list[RowFault]]:
    r"""Entries of a CSV text with a header, the line of each, and the lines that hold none.

    `InputError` where the file as a whole is no such text.

    >>> read_csv("entity_id,note\nd-5,twice\n,nobody\n")[0][0].note
    'twice'
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    entries: list[Entry] = []
    lines: list[int] = []
    refused: list[RowFault] = []
    try:
        header = _header(next(reader, []), origin)
        for row in reader:
            if not row:
                continue
            if len(entries) + len(refused) == most:
                raise InputError(f"{origin}: more than {most:,} rows: split it")
            try:
                entries.append(_entry(header, row))
                lines.append(reader.line_num)
            except InputError as error:
                refused.append(RowFault(reader.line_num, str(error)))
    except csv.Error as error:
        raise InputError(
            f"{origin}, line {reader.line_num}: {error}: quote fields that hold quotes"
        ) from error
    return entries, lines, refused


def _header(names: Sequence[str], origin: str) -> list[str]:
    header = [name.strip().lower() for name in names]
    for name in header:
        if name not in COLUMNS:
            raise InputError(
                f"{origin}: no column {name[:40]!r}{nearest(name[:40], COLUMNS)}: a list has "
                f"{', '.join(COLUMNS)}"
            )
    if "entity_id" not in header or len(set(header)) < len(header):
        raise InputError(f"{origin}: the first line names the columns, each once, entity_id among them")
    return header


def _entry(header: Sequence[str], row: Sequence[str]) -> Entry:
    if len(row) != len(header):
        raise InputError(f"{len(row)} fields, the header has {len(header)}")
    fields = {name: value.strip() for name, value in zip(header, row, strict=True) if value.strip()}
    if "entity_id" not in fields:
        raise InputError("entity_id is missing")
    kind = fields.get("list_kind")
    if kind is not None and kind not in list(ListKind):
        raise InputError(f"list_kind is one of {', '.join(ListKind)}")
    return msgspec.convert(fields, Entry)


def _check_name(list_name: str) -> None:
    if not 0 < len(list_name) <= NAME_LIMIT or list_name != list_name.strip():
        raise InputError(f"a list's name has 1 to {NAME_LIMIT} characters, and no space around it")


def _identities(entry: Entry, tokenizer: Tokenizer) -> tuple[str, ...]:
    return tokenizer.every_kept(ENTITY_KEYS.get(entry.entity_type or "", "entity_id"), entry.entity_id)


def _time(value: str | int | None) -> str | None:
    """As an ISO text; a date alone is midnight in UTC."""
    if value is None or isinstance(value, str):
        return f"{value}T00:00:00Z" if value and len(value) == len("2030-01-01") else value or None
    if not -_FAR_MS < value < _FAR_MS:
        return f"{value} ms"  # no time: refused as such
    return np.datetime_as_string(np.datetime64(value, "ms"), timezone="UTC")


def _said(faults: Iterable[Fault]) -> str:
    return "; ".join(f"{fault.field}: {fault.problem}" for fault in faults)
