"""The first rows of a file of which nothing is known: where its table begins and ends, and its columns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ringfence.adapters.drafts.moments import MomentGuess, clock_of, moments_of
from ringfence.adapters.drafts.money import AmountStyle, money_of
from ringfence.adapters.drafts.objects import OBJECT_BYTES, begins_lines, objects_in
from ringfence.adapters.drafts.tables import table_in
from ringfence.adapters.drafts.words import meanings_of, words_of
from ringfence.adapters.files.bytes_as_text import without_bytes
from ringfence.adapters.files.paths import STDIN, CutShortError, opened, resolve
from ringfence.adapters.files.tables import open_twice, rows_at_once
from ringfence.errors import InputError
from ringfence.events.values.paths import written

if TYPE_CHECKING:
    from ringfence.adapters.files.paths import OpenedFile
    from ringfence.ports.sources import Format

HEAD_BYTES: Final = 4 << 20
ROWS: Final = 3000
_TAIL_BYTES: Final = 1 << 16
PLACEHOLDERS: Final = frozenset(
    """nan null none n/a na nil unknown undefined - -- ? #n/a (null) unbekannt desconocido inconnu
    \u2013 \u2014 \u2015 \u2212 \u2010 \u2013\u2013 \u2014\u2014 n.a. k.a. s/d <na> nat \\n
    #null! #value! #ref! #name? #num! #div/0!
    00000000-0000-0000-0000-000000000000 0.0.0.0 0""".split()  # noqa: SIM905
)
"""Texts that stand where nothing is known, in small letters."""
_NAMED_TIME: Final = frozenset({"date", "time", "when", "created", "booked", "later"})


@dataclass(slots=True)
class SampleLayout:
    """How a file is laid out, as the `[file]` of a mapping says it."""

    options: dict[str, Any] = field(default_factory=dict)
    delimiter: str = ","
    remarks: list[str] = field(default_factory=list)
    unnamed: bool = False  # there is no header


class Column:
    """A column's values, and what they look like; everything is worked out once."""

    def __init__(self, name: str, values: list[Any], *, comma: bool = False, unnamed: bool = False) -> None:
        self.name = name
        self.unnamed = unnamed  # the source gives it no name
        self.words = () if unnamed else words_of(name)
        self.meanings = frozenset[str]() if unnamed else meanings_of(name)
        self.rows = len(values)
        self.kinds = {type(value) for value in values if value is not None}
        self._values = values
        self._comma = comma

    @cached_property
    def texts(self) -> list[str]:
        """The values that say anything, as texts."""
        texts = (_text(value) for value in self._values if value is not None)
        return [text for text in texts if text.strip() and text.strip().lower() not in PLACEHOLDERS - {"0"}]

    @cached_property
    def different(self) -> list[str]:
        return list(dict.fromkeys(self.texts))

    @cached_property
    def money(self) -> AmountStyle | None:
        if self.kinds & {bool}:
            return None
        return money_of(self.different[:2000], comma=self._comma)

    @cached_property
    def moments(self) -> MomentGuess | None:
        return moments_of(self.texts, named=bool(self.meanings & _NAMED_TIME))

    @property
    def is_dated(self) -> bool:
        """Whether its values are times: written as such, or numbers under a name that says so.

        Ids count up through the seconds since 1970, too.
        """
        moments = self.moments
        numeric = moments is not None and moments.form.startswith(("epoch", "excel"))
        return moments is not None and (not numeric or bool(self.meanings & _NAMED_TIME))

    @cached_property
    def clock(self) -> str | None:
        return clock_of(self.texts)

    @property
    def filled(self) -> float:
        """The share of rows that have a value."""
        return len(self.texts) / max(self.rows, 1)

    @property
    def unique(self) -> float:
        """The share of the values that are different."""
        return len(self.different) / max(len(self.texts), 1)

    @property
    def natural(self) -> bool:
        """The source's own types say that these are whole numbers, not texts."""
        return self.kinds == {int}

    @cached_property
    def may_name(self) -> bool:
        """Whether its values can be ids, which are floats where some are missing: no flags, no fractions."""
        floats = [value for value in self._values if isinstance(value, float) and not math.isnan(value)]
        return bool not in self.kinds and all(map(float.is_integer, floats))

    @cached_property
    def placeholders(self) -> dict[str, int]:
        """Texts that stand for nothing, as they are written, and how often each does."""
        found: dict[str, int] = {}
        for value in self._values:
            text = "" if value is None else _text(value).strip()
            if text and text.lower() in PLACEHOLDERS:
                found[text] = found.get(text, 0) + 1
        return found

    def at(self, row: int) -> Any:
        """The value of one row."""
        return self._values[row]


@dataclass(slots=True)
class FileSample:
    """What is known of a file before its mapping."""

    path: str
    format: Format
    columns: dict[str, Column]
    layout: SampleLayout
    rows: int

    @property
    def comma(self) -> bool:
        """The source writes commas before decimals, as far as its layout tells."""
        return self.layout.delimiter == ";"


def sample_of(path: str, fmt: Format | None = None, encoding: str | None = None) -> FileSample:
    """The columns of a file's first rows; in CSV they are told by the bytes unless `encoding` is given.

    `InputError` for a file without rows.
    """
    with opened(resolve([path])[0], fmt) as source:
        names, rows, layout = _rows_of(source, encoding)
        if not rows:
            raise InputError(f"{source.path} has no rows: there is nothing to tell the columns from")
        comma = layout.delimiter == ";"
        columns = {
            name: Column(name, [row[at] for row in rows], comma=comma, unnamed=layout.unnamed)
            for at, name in enumerate(names)
        }
        return FileSample(source.path, source.format, columns, layout, len(rows))


def _rows_of(source: OpenedFile, encoding: str | None) -> tuple[list[str], list[Any], SampleLayout]:
    if source.format == "parquet":
        file, probe = open_twice(source)
        most = rows_at_once(probe, 0, file.schema_arrow.names, ROWS) if file.num_row_groups else ROWS
        if not most:
            raise InputError(f"{source.path} unpacks to far more than its size: write smaller row groups")
        table = pa.Table.from_batches(islice(file.iter_batches(most), 1), file.schema_arrow)
        leaves = [
            one
            for field, column in zip(table.schema, table.columns, strict=True)
            for one in _flat(field, column)
        ]
        lists = [name for name, column in leaves if pa.types.is_nested(column.type)]
        flat = {name: _plain(column) for name, column in leaves if name not in lists}
        said = [f"lists are left out: {', '.join(lists)}"] if lists else []
        return list(flat), list(zip(*flat.values(), strict=True)), SampleLayout(remarks=said)
    head, most = b"", HEAD_BYTES
    try:
        for chunk in source.chunks():
            head += chunk
            if len(head) >= most:
                if most > HEAD_BYTES or source.format != "ndjson" or begins_lines(head):
                    break
                most = OBJECT_BYTES
    except CutShortError as error:
        if not head.strip():
            raise InputError(f"{source.path}: {error}: get a whole copy") from error
    whole = len(head) < HEAD_BYTES
    if source.format == "ndjson":
        names, rows, options = objects_in(head, source.path, ROWS)
        return names, rows, SampleLayout(options)
    first = head.partition(b"\n")[0].strip()
    if first.startswith(b"{") and first.endswith(b"}"):
        raise InputError(f"{source.path} holds JSON, whatever its name says: say --format ndjson")
    tail = b"" if whole else _tail(source)
    found = table_in(head, tail, source.path, whole=whole, limit=ROWS, encoding=encoding)
    layout = SampleLayout(found.options, found.delimiter, found.remarks, found.unnamed)
    return found.names, found.rows, layout


def _tail(source: OpenedFile) -> bytes:
    """The last bytes of a plain file."""
    if source.packing or source.path == STDIN:
        return b""
    with open(source.path, "rb") as file:  # noqa: PTH123  # its own handle: the source is being read
        file.seek(-_TAIL_BYTES, 2)
        return file.read().partition(b"\n")[2]


def _flat(field: Any, column: Any, path: str = "") -> list[tuple[str, Any]]:
    """A column under its name; of objects each member by its path, as a mapping names it."""
    if not pa.types.is_struct(field.type):
        return [(path or field.name, column)]
    here = path or written(field.name)
    inner = [(one, pc.struct_field(column, [place])) for place, one in enumerate(field.type)]
    return [leaf for one, values in inner for leaf in _flat(one, values, f"{here}.{written(one.name)}")]


def _plain(column: Any) -> list[Any]:
    kind = column.type
    if pa.types.is_timestamp(kind):
        text = pc.cast(column, pa.timestamp("ms"), safe=False).cast(pa.string()).to_pylist()
        return [None if one is None else one + "Z" * bool(kind.tz) for one in text]
    if pa.types.is_date(kind):
        return list(column.cast(pa.string()).to_pylist())
    return list(without_bytes(column).to_pylist())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value)) if abs(value) >= 1e6 else repr(value)
    return value if isinstance(value, str) else str(value)
