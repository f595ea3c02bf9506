"""Blocks of CSV as Arrow rows, with the faults of records that are none, and the bytes of any record."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import csv as arrow_csv

from ringfence.adapters.files.blocks import record_ends
from ringfence.errors import InputError
from ringfence.events.bad import ORIGINAL_LIMIT, Fault, Reason
from ringfence.events.personal_names import PersonalClass
from ringfence.events.privacy.nameless import kept_cell
from ringfence.events.privacy.sensitive import named
from ringfence.events.values.visible import visible
from ringfence.events.values.vocabulary import EVERY_COLUMN
from ringfence.masking import find_cards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.events.values.vocabulary import Mapping

COLUMNS_LIMIT: Final = 4096
_DELIMITERS: Final = ",;\t|"
_NOT_UTF8: Final = Fault(
    Reason.INVALID_UTF8,
    "",
    'is not UTF-8 text: say the encoding in the mapping, [file] encoding = "cp1252", or convert the source',
)


@dataclass(frozen=True, slots=True)
class Header:
    """The first record of a CSV source."""

    names: list[str]
    delimiter: str

    @classmethod
    def parse(cls, line: bytes, where: str, delimiter: str = "") -> Header:
        """Column names and the delimiter, told from what separates the names."""
        try:
            text = line.decode().strip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{where}: the header is not UTF-8 text: `ringfence sources --sniff FILE --draft NEW.toml` "
                'writes a mapping that reads it; in a mapping of your own, [file] encoding = "cp1252" does'
            ) from error
        if "\r" in text:
            raise InputError(
                f"{where}: its lines end in carriage returns alone, as on old Macs: convert the file, with "
                "tr '\\r' '\\n' for example"
            )
        if "\0" in text or not text.strip():
            raise InputError(
                f"{where}: the first line is no CSV header: check the file, or name its format with --format"
            )
        delimiter = delimiter or max(_DELIMITERS, key=text.count)
        names = [visible(name) for name in _header_cells(text, delimiter, where)]
        columns = [name or f"column_{at}" for at, name in enumerate(names, 1)]
        if len(columns) > COLUMNS_LIMIT:
            raise InputError(
                f"{where}: the header has {len(columns):,} columns, at most {COLUMNS_LIMIT:,} are read: "
                "check the file, or take out the columns that nobody needs"
            )
        if any(map(find_cards, columns)):
            raise InputError(
                f"{where}: the first line holds a card number, so it is a payment and no header: put a line "
                "with the names of the columns before it"
            )
        twice = {name for name in columns if columns.count(name) > 1}
        if twice:
            raise InputError(
                f"{where}: two columns are named {min(twice)!r}: rename one in the header, or name all "
                "in the mapping, [file] skip_lines = 1 and columns = [...]"
            )
        return cls(columns, delimiter)

    @classmethod
    def of(cls, columns: Sequence[str], delimiter: str, first: bytes) -> Header:
        """The header that a file lacks; the delimiter is told from its first record unless it is said."""
        text = first.decode("utf-8", "replace")
        named = [name or f"column_{at}" for at, name in enumerate(columns, 1)]
        return cls(named, delimiter or max(_DELIMITERS, key=text.count))

    def line(self) -> bytes:
        """The header as CSV."""
        return _line(self.names, self.delimiter)


@dataclass(frozen=True, slots=True)
class CsvRows:
    """The records of a block: `table` has one row per record, all null for one with a fault."""

    table: pa.RecordBatch
    faults: dict[int, tuple[Fault, ...]]


def _header_cells(text: str, delimiter: str, where: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter))
    except csv.Error as error:
        raise InputError(f"{where}: the first line is no CSV header ({error}): check the file") from error


def parse_block(data: bytes, header: Header, columns: Sequence[str]) -> CsvRows:
    """Records of a block as text columns with empty cells as null. Blank lines are no records."""
    if data.isascii() or _is_utf8(data):
        try:
            return _parse_fast(data, header, columns)
        except pa.ArrowInvalid:
            pass
    return _parse_slowly(records_of(data, header.delimiter), header, columns)


def records_of(data: bytes, delimiter: str) -> list[bytes]:
    """The records of a block without blank lines and line ends."""
    ends = record_ends(data, delimiter).tolist()
    records = [data[start:end].rstrip(b"\r\n") for start, end in zip([0, *ends], ends, strict=False)]
    return [record for record in records if record]


def clean_record(
    record: bytes, header: Header, mapping: Mapping, tokenizer: Tokenizer, *, counted: bool = True
) -> bytes:
    """A header and the record with tokens for card numbers; where there is no telling, digits are masked."""
    text = record.decode(errors="surrogateescape")  # comes back as it was
    cells = _cells(text, header.delimiter)
    first = header.line() + b"\n"
    if cells is None or len(cells) != len(header.names) or len(record) > ORIGINAL_LIMIT:
        has_secret = any((meant := named(name)) and meant.surely for name in header.names)
        return first + tokenizer.masked(record, every=has_secret)
    clean = [
        _clean(name, cell, mapping, tokenizer, counted=counted)
        for name, cell in zip(header.names, cells, strict=True)
    ]
    clean = _without_persons(header.names, clean, mapping, tokenizer, counted=counted)
    return first + (record if clean == cells else _line(clean, header.delimiter, "surrogateescape"))


def _clean(name: str, cell: str, mapping: Mapping, tokenizer: Tokenizer, *, counted: bool) -> str:
    if not cell or tokenizer.is_dropped(name, cell, counted=counted):
        return ""
    if name in mapping.card_columns:
        return tokenizer.card_or_text(cell, counted=counted)
    return tokenizer.guard_text(cell, strict=name in mapping.id_columns, counted=counted)


def _without_persons(
    names: Sequence[str], cells: list[str], mapping: Mapping, tokenizer: Tokenizer, *, counted: bool
) -> list[str]:
    """Cells with tokens for personal data; what a mapping calls secret is left out."""
    fields = mapping.personal_columns
    told = [fields.get(name, (name, None)) for name in names]
    kept = [
        ("", None)
        if kind is PersonalClass.SECRET
        else kept_cell(
            tokenizer.personal, field, kind, cell, is_read=EVERY_COLUMN in fields or name in fields
        )
        for name, (field, kind), cell in zip(names, told, cells, strict=True)
    ]
    if counted and tokenizer.personal is not None:
        rows = zip(told, kept, cells, strict=True)
        tokenizer.personal.record([(one[0], kind, cell) for one, (_, kind), cell in rows if kind is not None])
    return [cell for cell, _ in kept]


def _parse_fast(data: bytes, header: Header, columns: Sequence[str]) -> CsvRows:
    table = arrow_csv.read_csv(
        pa.BufferReader(data),
        read_options=arrow_csv.ReadOptions(
            column_names=header.names, use_threads=False, block_size=max(len(data) + 1, 1024)
        ),
        parse_options=arrow_csv.ParseOptions(delimiter=header.delimiter, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(header.names, pa.string()),
            include_columns=list(columns),
            check_utf8=False,
            strings_can_be_null=True,
            null_values=[""],
        ),
    )
    return CsvRows(_one_batch(table), {})


def _parse_slowly(records: list[bytes], header: Header, columns: Sequence[str]) -> CsvRows:
    faults: dict[int, tuple[Fault, ...]] = {}
    rows: list[Sequence[str | None]] = []
    nothing: Sequence[None] = [None] * len(header.names)
    for row, record in enumerate(records):
        parsed = _parse_record(record, header)
        if isinstance(parsed, Fault):
            faults[row] = (parsed,)
            rows.append(nothing)
        else:
            rows.append([cell or None for cell in parsed])
    places = [header.names.index(name) for name in columns]
    arrays = [pa.array([row[place] for row in rows], pa.string()) for place in places]
    return CsvRows(pa.RecordBatch.from_arrays(arrays, names=list(columns)), faults)


def _parse_record(record: bytes, header: Header) -> list[str] | Fault:
    try:
        text = record.decode()
    except UnicodeDecodeError:
        return _NOT_UTF8
    cells = _cells(text, header.delimiter)
    if cells is None:
        return Fault(Reason.MALFORMED, "", "no CSV record: check its quotes")
    if len(cells) != len(header.names):
        return Fault(Reason.MALFORMED, "", f"{len(cells)} cells, but the header has {len(header.names)}")
    return cells


def _cells(text: str, delimiter: str) -> list[str] | None:
    # The reader has a process-wide limit on a cell; what is beyond it is too large for us as well.
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _line(cells: Sequence[str], delimiter: str, errors: str = "strict") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator="").writerow(cells)
    return out.getvalue().encode(errors=errors)


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    if batches:
        return batches[0]
    empty = [pa.array([], field.type) for field in table.schema]
    return pa.RecordBatch.from_arrays(empty, schema=table.schema)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def take_rows(parsed: CsvRows, start: int, stop: int) -> CsvRows:
    """Some rows of a block, faults counted from the first of them."""
    inside = {row - start: found for row, found in parsed.faults.items() if start <= row < stop}
    return CsvRows(parsed.table.slice(start, stop - start), inside)
