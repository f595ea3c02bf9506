"""CSV files."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final, Literal

import pyarrow as pa

from ringfence.adapters.files.blocks import Block, csv_blocks
from ringfence.adapters.files.csv_rows import (
    CsvRows,
    Header,
    clean_record,
    parse_block,
    records_of,
    take_rows,
)
from ringfence.adapters.files.paths import CutShortError
from ringfence.adapters.files.readers import Piece, TextReader
from ringfence.errors import InputError
from ringfence.events.decode import NO_EVENTS, RECORD_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.adapters.files.paths import Opened
    from ringfence.events.binding import Binding


class CsvReader(TextReader):
    """RFC 4180 with a header; the delimiter is what separates the header's names."""

    original_format: Literal["json", "csv"] = "csv"
    _row = 0  # of this source

    def pieces(self, source: Opened) -> Iterator[Piece]:
        line, chunks = split_header(source)
        header = Header.parse(line, source.path)
        schema = pa.schema([(name, pa.string()) for name in header.names])
        binding = self._bind(schema, source.path)
        for block in csv_blocks(chunks, self._block_bytes, header.delimiter):
            if block.fault is None:
                yield from self._rows_of(source.path, block.data, header, binding)
            else:
                yield self._cut_off(source.path, block, header)

    def _rows_of(self, path: str, data: bytes, header: Header, binding: Binding) -> Iterator[Piece]:
        parsed = parse_block(data, header, binding.columns)
        count = parsed.table.num_rows
        self._saw(len(data), count)
        records: list[bytes] | None = None
        for start in range(0, count, self._batch_rows):
            part = take_rows(parsed, start, min(start + self._batch_rows, count))
            mapped = binding.apply(part.table, self._row_numbers(part.table.num_rows), part.faults)
            if mapped.faults and records is None:
                records = records_of(data, header.delimiter)
            bad = [
                self._bad(
                    path,
                    self._row + at + 1,
                    mapped.faults[at],
                    self._clean((records or [])[start + at], header),
                )
                for at in sorted(mapped.faults)
            ]
            self._count(part)
            yield Piece(mapped.events, mapped.labels, bad)

    def _cut_off(self, path: str, block: Block, header: Header) -> Piece:
        assert block.fault is not None
        self._row += 1
        self.rows += 1
        clean = self._clean(block.data, header)
        return Piece(NO_EVENTS, None, [self._bad(path, self._row, (block.fault,), clean)])

    def _count(self, part: CsvRows) -> None:
        self._row += part.table.num_rows
        self.rows += part.table.num_rows

    def _clean(self, record: bytes, header: Header) -> bytes:
        return clean_record(record, header, self._mapping.card_columns, self._tokenizer)


_NO_HEADER: Final = "the first line is no CSV header: check the file, or name its format with --format"


def split_header(source: Opened) -> tuple[bytes, Iterator[bytes]]:
    """The first line, and what comes after it."""
    head = b""
    chunks = source.chunks()
    try:
        for chunk in chunks:
            head += chunk
            if b"\n" in head or len(head) > RECORD_LIMIT:
                break
    except CutShortError as error:
        raise InputError(f"{source.path}: {error} within the header: get a whole copy") from error
    if not head.strip():
        raise InputError(f"{source.path} is empty: it has no header and no rows")
    line, newline, rest = head.partition(b"\n")
    if not newline and len(head) > RECORD_LIMIT:
        raise InputError(f"{source.path}: {_NO_HEADER}")
    return line, chain([rest], chunks)
