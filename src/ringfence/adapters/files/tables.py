"""Parquet files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ringfence.adapters.files.paths import STDIN, CutShortError
from ringfence.adapters.files.readers import Piece, Reader
from ringfence.errors import InputError
from ringfence.events.bad import Fault, Reason
from ringfence.events.decode import NO_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.adapters.files.paths import Opened
    from ringfence.events.binding import Binding


class ParquetReader(Reader):
    """Reads row groups one after the other; one that is damaged costs its own rows only."""

    def pieces(self, source: Opened) -> Iterator[Piece]:
        file = open_parquet(source)
        size = source.read_bytes or _size(source)
        binding = self._bind(file.schema_arrow, source.path)
        columns = file.schema_arrow.names if binding.needs_row_ids else binding.columns
        total = max(file.metadata.num_rows, 1)
        row = 0
        for group in range(file.num_row_groups):
            end = row + file.metadata.row_group(group).num_rows
            try:
                for table in file.iter_batches(self._batch_rows, [group], columns, use_threads=False):
                    source.read_bytes = size * (row + table.num_rows) // total
                    yield self._piece(source.path, table, row, binding)
                    row += table.num_rows
            except (pa.ArrowInvalid, OSError) as error:
                said = f"rows {row + 1} to {end} cannot be read ({error}); get a whole copy of the file"
                lost = self._bad(source.path, row + 1, (Fault(Reason.TRUNCATED, "", said),), b"")
                yield Piece(NO_EVENTS, None, [lost])
                self.rows += end - row
            row = end

    def _piece(self, path: str, table: pa.RecordBatch, row: int, binding: Binding) -> Piece:
        ids = None
        if binding.needs_row_ids:
            ids = self._ids.of([self._original(table, at) for at in range(table.num_rows)])
        mapped = binding.apply(table, self._row_numbers(table.num_rows), row_ids=ids)
        self.rows += table.num_rows
        bad = [
            self._bad(path, row + at + 1, mapped.faults[at], self._original(table, at))
            for at in sorted(mapped.faults)
        ]
        return Piece(mapped.events, mapped.labels, bad, mapped.skipped)

    def _original(self, table: pa.RecordBatch, row: int) -> bytes:
        cells = {
            name: value for name, value in table.slice(row, 1).to_pylist()[0].items() if value is not None
        }
        return self._tokenizer.sanitize_json(
            msgspec.json.encode(cells, enc_hook=str), self._mapping.card_columns, self._mapping.id_columns
        )


def open_parquet(source: Opened) -> Any:
    """The file behind a source; `InputError` when it cannot be read at all."""
    try:
        if source.packing or source.path == STDIN:
            return pq.ParquetFile(io.BytesIO(b"".join(source.chunks())))
        return pq.ParquetFile(source.path)
    except (pa.ArrowInvalid, OSError, CutShortError) as error:
        said = "it is truncated, damaged or no Parquet: get a whole copy, or name its format with --format"
        raise InputError(f"{source.path} cannot be read as Parquet: {said}") from error


def _size(source: Opened) -> int:
    at = source.raw.seek(0, io.SEEK_END)
    source.raw.seek(0)
    return at
