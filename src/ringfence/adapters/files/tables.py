"""Parquet files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ringfence.adapters.files.bytes_as_text import holds_bytes, spelled, without_bytes
from ringfence.adapters.files.csv_rows import COLUMNS_LIMIT
from ringfence.adapters.files.json_rows import to_table
from ringfence.adapters.files.paths import STDIN, CutShortError
from ringfence.adapters.files.readers import FilePiece, FileReader
from ringfence.errors import InputError
from ringfence.events.bad import Fault, Reason
from ringfence.events.decoding.decode import NO_EVENTS
from ringfence.events.values.paths import look_up, steps, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.adapters.files.paths import OpenedFile
    from ringfence.events.decoding.binding import Binding
    from ringfence.events.values.vocabulary import Mapping


GROUP_BYTES: Final = 256 * 1024 * 1024  # unpacked pages of a row group that packs more than honest ones do
GROUP_RATIO: Final = 100
_BATCH_BYTES: Final = 64 * 1024 * 1024
_NESTED_BYTES: Final = 4096  # of a text within a list


class ParquetReader(FileReader):
    """Reads row groups one after the other; one that is damaged costs its own rows only."""

    def pieces(self, source: OpenedFile) -> Iterator[FilePiece]:
        file, probe = open_twice(source)
        size = source.read_bytes or _size(source)
        nested = _Nested(file.schema_arrow, self._mapping)
        binding = self._bind(nested.schema, source.path)
        columns = file.schema_arrow.names if binding.needs_row_ids else nested.read(binding.columns)
        total = max(file.metadata.num_rows, 1)
        row = 0
        for group in range(file.num_row_groups):
            end = row + file.metadata.row_group(group).num_rows
            try:
                rows = rows_at_once(probe, group, columns, self._batch_rows)
                if not rows:
                    yield self._too_large(source.path, row, end)
                    row = end
                    continue
                for table in file.iter_batches(rows, [group], columns, use_threads=False):
                    source.read_bytes = size * (row + table.num_rows) // total
                    yield self._piece(source.path, table, row, binding, nested)
                    row += table.num_rows
            except (pa.ArrowInvalid, OSError) as error:
                said = f"rows {row + 1} to {end} cannot be read ({error}); get a whole copy of the file"
                lost = self._bad(source.path, row + 1, (Fault(Reason.TRUNCATED, "", said),), b"")
                yield FilePiece(NO_EVENTS, None, [lost])
                self.rows += end - row
            row = end

    def _piece(
        self, path: str, table: pa.RecordBatch, row: int, binding: Binding, nested: _Nested
    ) -> FilePiece:
        ids = None
        if binding.needs_row_ids:
            ids = self._ids.of([self._original(table, at, counted=False) for at in range(table.num_rows)])
        mapped = binding.apply(nested.flat(table), self._row_numbers(table.num_rows), row_ids=ids)
        self.rows += table.num_rows
        bad = [
            self._bad(path, row + at + 1, mapped.faults[at], self._original(table, at))
            for at in sorted(mapped.faults)
        ]
        return FilePiece(mapped.events, mapped.labels, bad, mapped.skipped)

    def _too_large(self, path: str, row: int, end: int) -> FilePiece:
        said = (
            f"rows {row + 1} to {end} are not read: they unpack to more than a hundred times their size, and "
            "to more than memory should hold; write the file again in smaller row groups"
        )
        self.rows += end - row
        lost = self._bad(path, row + 1, (Fault(Reason.TOO_LARGE, "", said),), b"")
        return FilePiece(NO_EVENTS, None, [lost])

    def _original(self, table: pa.RecordBatch, row: int, *, counted: bool = True) -> bytes:
        cells = {
            name: spelled(value)
            for name, value in table.slice(row, 1).to_pylist()[0].items()
            if value is not None
        }
        return self._tokenizer.sanitize_json(
            msgspec.json.encode(cells, enc_hook=str),
            self._mapping.card_columns,
            self._mapping.id_columns,
            self._mapping.personal_columns,
            counted=counted,
        )


class _Nested:
    """Paths that a mapping names into columns of objects and lists, as columns of their own."""

    def __init__(self, schema: pa.Schema, mapping: Mapping) -> None:
        wanted = {column: steps(column) for column in mapping.columns if column not in schema.names}
        if any(record.attributes == "*" for record in mapping.records):
            wanted |= {path: steps(path) for field in schema for path in _leaves(field)}
        self._paths = {path: str(way[0]) for path, way in wanted.items() if way and way[0] in schema.names}
        named = mapping.columns
        flat = [field for field in schema if not pa.types.is_nested(field.type) or field.name in named]
        flat = [field.with_type(pa.string()) if holds_bytes(field.type) else field for field in flat]
        self.schema = pa.schema([*flat, *(pa.field(path, pa.null()) for path in self._paths)])

    def read(self, columns: Sequence[str]) -> list[str]:
        """Columns to read of the file for these."""
        return list(dict.fromkeys(self._paths.get(name, name) for name in columns))

    def flat(self, table: pa.RecordBatch) -> pa.RecordBatch:
        """The table with a column for each path, and texts in place of bytes."""
        if not self._paths:
            columns = [without_bytes(column) for column in table.columns]
            return pa.RecordBatch.from_arrays(columns, names=table.schema.names)
        tops = table.select([name for name in table.schema.names if name in self._paths.values()]).to_pylist()
        found = [{path: look_up(row, path) for path in self._paths} for row in tops]
        more = to_table(found, self._paths)
        names = [*table.schema.names, *more.schema.names]
        columns = [without_bytes(column) for column in (*table.columns, *more.columns)]
        return pa.RecordBatch.from_arrays(columns, names=names)


def _leaves(field: pa.Field, before: str = "") -> list[str]:
    """Paths of what stands in an object and is neither an object nor a list."""
    path = f"{before}.{written(field.name)}" if before else written(field.name)
    if pa.types.is_struct(field.type):
        return [leaf for inner in field.type for leaf in _leaves(inner, path)]
    return [path] if before and not pa.types.is_nested(field.type) else []


def open_parquet(source: OpenedFile) -> Any:
    """The file behind a source; `InputError` when it cannot be read at all."""
    return open_twice(source)[0]


def open_twice(source: OpenedFile) -> tuple[Any, Any]:
    """The file, and the same with texts as dictionaries, for `rows_at_once`; `InputError` if unreadable."""
    try:
        data = _unpacked(source) if source.packing or source.path == STDIN else None
        file = pq.ParquetFile(source.path if data is None else io.BytesIO(data))
        if file.metadata.num_columns > COLUMNS_LIMIT:
            raise InputError(
                f"{source.path}: {file.metadata.num_columns:,} columns, at most {COLUMNS_LIMIT:,} are read: "
                "check the file, or take out the columns that nobody needs"
            )
        texts = [leaf.path for leaf in _leaves_of(file) if leaf.physical_type == "BYTE_ARRAY"]
        return file, pq.ParquetFile(source.path if data is None else io.BytesIO(data), read_dictionary=texts)
    except (pa.ArrowInvalid, OSError, CutShortError) as error:
        said = "it is truncated, damaged or no Parquet: get a whole copy, or name its format with --format"
        raise InputError(f"{source.path} cannot be read as Parquet: {said}") from error


def _unpacked(source: OpenedFile) -> bytes:
    parts, size = [], 0
    for chunk in source.chunks():
        parts.append(chunk)
        size += len(chunk)
        if size > GROUP_BYTES:
            raise InputError(
                f"{source.path}: Parquet that unpacks to more than {GROUP_BYTES >> 20} MiB is read from a "
                "file only: unpack it first (Parquet packs its pages itself)"
            )
    return b"".join(parts)


def _leaves_of(file: Any) -> list[Any]:
    return [file.schema.column(at) for at in range(len(file.schema))]


def rows_at_once(probe: Any, group: int, columns: Sequence[str], most: int) -> int:
    """How many rows of a row group may be in memory at once, at most `most`; 0 where not even its pages may.

    A value that is in the file once can stand in each row: the longest value of each dictionary counts.
    """
    meta = probe.metadata.row_group(group)
    count = max(meta.num_rows, 1)
    packed, size, row_bytes = 0, 0, 1.0
    flat = []
    for at, leaf in enumerate(_leaves_of(probe)):
        chunk = meta.column(at)
        if leaf.path.split(".")[0] not in columns and leaf.path not in columns:
            continue
        packed, size = packed + chunk.total_compressed_size, size + chunk.total_uncompressed_size
        if leaf.max_repetition_level:
            is_text = leaf.physical_type == "BYTE_ARRAY"
            each = min(chunk.total_uncompressed_size, _NESTED_BYTES) if is_text else 8
            row_bytes += each * chunk.num_values / count
        elif leaf.physical_type == "BYTE_ARRAY" and leaf.path in probe.schema_arrow.names:
            flat.append(leaf.path)
    if size > GROUP_BYTES and size > GROUP_RATIO * packed:
        return 0
    first = next(probe.iter_batches(1, [group], flat, use_threads=False), None) if flat else None
    for column in first.columns if first is not None else ():
        if pa.types.is_dictionary(column.type):
            row_bytes += pc.max(pc.binary_length(column.dictionary)).as_py() or 0
    return int(min(max(_BATCH_BYTES // row_bytes, 1), most))


def _size(source: OpenedFile) -> int:
    at = source.raw.seek(0, io.SEEK_END)
    source.raw.seek(0)
    return at
