"""From files to batches of events: the source is read once, in order; bad records leave as values.

for batch in read(["payments.csv"], load_mapping("sparkov"), tokenizer, ingest_time_ms=now):
    ...
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from ringfence.adapters.files.csv_reader import CsvReader
from ringfence.adapters.files.json_reader import JsonReader
from ringfence.adapters.files.paths import OpenedFile, opened, resolve, size_of
from ringfence.adapters.files.tables import ParquetReader
from ringfence.errors import InputError
from ringfence.events.values.vocabulary import Layout
from ringfence.ports.sources import Format, SourceBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from ringfence.adapters.files.readers import FilePiece, FileReader
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.events.values.vocabulary import Mapping

_READERS: Final[dict[Format, type[FileReader]]] = {
    "csv": CsvReader,
    "ndjson": JsonReader,
    "parquet": ParquetReader,
}


def read(
    paths: Sequence[str],
    mapping: Mapping,
    tokenizer: Tokenizer,
    ingest_time_ms: int,
    *,
    batch_rows: int = 8192,
    label_delay: str | None = None,
    fmt: Format | None = None,
    unusable: Callable[[InputError], None] | None = None,
) -> Generator[SourceBatch]:
    """Batches of at most `batch_rows` rows from files, folders, globs or "-", in that order.

    `InputError` when a source cannot be used at all: missing, without the mapping's columns, not of its
    format. `unusable` is told instead, where it is given, and the other sources are read.
    """
    files = _resolved(paths, unusable)
    sizes = [size_of(file) for file in files]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    done, rows = 0, 0
    for file, size in zip(files, sizes, strict=True):
        with _noted(unusable), opened(file, fmt) as source:
            reader = _READERS[source.format](
                mapping, tokenizer, ingest_time_ms, batch_rows, label_delay, rows
            )
            try:
                for piece in reader.pieces(source):
                    yield _source_batch(file, piece, done + source.read_bytes, total)
            finally:
                rows = reader.rows
                done += size if size is not None else source.read_bytes


def _resolved(paths: Sequence[str], unusable: Callable[[InputError], None] | None) -> list[str]:
    files: list[str] = [] if paths else resolve(paths)
    for path in paths:
        with _noted(unusable):
            files += resolve([path])
    return files


@contextmanager
def _noted(unusable: Callable[[InputError], None] | None) -> Iterator[None]:
    """An unusable source ends here where somebody wants to hear of it."""
    try:
        yield
    except InputError as error:
        if unusable is None:
            raise
        unusable(error)


def read_original(
    original: bytes,
    original_format: Literal["json", "csv"],
    mapping: Mapping,
    tokenizer: Tokenizer,
    ingest_time_ms: int,
    row: int = 0,
) -> SourceBatch:
    """A quarantined record read again, as when it first came as this row of its source, counted from 0."""
    fmt: Format = "ndjson" if original_format == "json" else "csv"
    mapping = msgspec.structs.replace(
        mapping, file=Layout(each=mapping.file.each)
    )  # it has a header of its own
    source = OpenedFile("quarantine", fmt, None, io.BytesIO(original), [])
    piece = next(pieces_of(source, mapping, tokenizer, ingest_time_ms, batch_rows=1, rows=row))
    return _source_batch("quarantine", piece, len(original), len(original))


def pieces_of(
    source: OpenedFile,
    mapping: Mapping,
    tokenizer: Tokenizer,
    ingest_time_ms: int,
    *,
    batch_rows: int = 8192,
    rows: int = 0,
) -> Iterator[FilePiece]:
    """The rows of an open source, which come after `rows` others."""
    reader = _READERS[source.format](mapping, tokenizer, ingest_time_ms, batch_rows, None, rows)
    yield from reader.pieces(source)


def _source_batch(source: str, piece: FilePiece, position: int, total: int | None) -> SourceBatch:
    return SourceBatch(source, piece.events, piece.labels, piece.bad, position, total, piece.skipped)
