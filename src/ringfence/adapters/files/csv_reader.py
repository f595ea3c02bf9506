"""CSV files."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

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
from ringfence.adapters.files.layout import Trailers, open_table, trailer_fault
from ringfence.adapters.files.readers import FilePiece, TextReader
from ringfence.events.decoding.decode import NO_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.adapters.files.paths import OpenedFile
    from ringfence.events.bad import BadRecord, Fault
    from ringfence.events.decoding.binding import Binding


class CsvReader(TextReader):
    """RFC 4180 with a header; the delimiter is what separates the header's names."""

    original_format: Literal["json", "csv"] = "csv"
    _row = 0  # of this source

    @cached_property
    def _trailers(self) -> Trailers:
        return Trailers(tuple(self._mapping.file.trailers))

    def pieces(self, source: OpenedFile) -> Iterator[FilePiece]:
        header, chunks = open_table(source, self._mapping.file)
        schema = pa.schema([(name, pa.string()) for name in header.names])
        binding = self._bind(schema, source.path)
        for block in csv_blocks(chunks, self._block_bytes, header.delimiter):
            if block.fault is not None:
                yield self._cut_off(source.path, block, header)
            elif block.data.strip(b"\r\n"):
                yield from self._rows_of(source.path, block.data, header, binding)

    def _rows_of(self, path: str, block: bytes, header: Header, binding: Binding) -> Iterator[FilePiece]:
        data, dropped = self._trailers.drop(block, header.delimiter)
        if dropped:
            yield FilePiece(NO_EVENTS, None, [], dropped)
        parsed = parse_block(data, header, binding.columns)
        count = parsed.table.num_rows
        self._saw(len(data), count)
        records = records_of(data, header.delimiter) if binding.needs_row_ids else None
        for start in range(0, count, self._batch_rows):
            part = take_rows(parsed, start, min(start + self._batch_rows, count))
            rows = part.table.num_rows
            ids = None if records is None else self._ids_of(records[start : start + rows], header)
            mapped = binding.apply(part.table, self._row_numbers(rows), part.faults, ids)
            if mapped.faults and records is None:
                records = records_of(data, header.delimiter)
            bad = [
                self._refused(
                    path, self._row + at + 1, mapped.faults[at], (records or [])[start + at], header
                )
                for at in sorted(mapped.faults)
            ]
            self._count(part)
            yield FilePiece(mapped.events, mapped.labels, bad, mapped.skipped)

    def _refused(
        self, path: str, position: int, faults: tuple[Fault, ...], record: bytes, header: Header
    ) -> BadRecord:
        trailer = trailer_fault(record, header.delimiter)
        found = faults if trailer is None else (trailer,)
        return self._bad(path, position, found, self._clean(record, header))

    def _cut_off(self, path: str, block: Block, header: Header) -> FilePiece:
        assert block.fault is not None
        self._row += 1
        self.rows += 1
        clean = self._clean(block.data, header)
        return FilePiece(NO_EVENTS, None, [self._bad(path, self._row, (block.fault,), clean)])

    def _count(self, part: CsvRows) -> None:
        self._row += part.table.num_rows
        self.rows += part.table.num_rows

    def _ids_of(self, records: Sequence[bytes], header: Header) -> Any:
        """Of the rows as quarantine keeps them, so that one read again from there has the same."""
        head = header.line() + b"\n"
        return self._ids.of(
            [self._clean(record, header, counted=False).removeprefix(head) for record in records]
        )

    def _clean(self, record: bytes, header: Header, *, counted: bool = True) -> bytes:
        return clean_record(record, header, self._mapping, self._tokenizer, counted=counted)
