"""How the rows of a file are ordered in time: told from all of a small file, from samples of a large one."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ringfence.adapters.files.paths import STDIN, CutShortError, OpenedFile, opened
from ringfence.adapters.files.reading import pieces_of, read
from ringfence.adapters.files.tables import open_twice, rows_at_once
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from ringfence.adapters.files.readers import FilePiece
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.events.values.vocabulary import Mapping
    from ringfence.ports.sources import Format

_FIRST_ROWS: Final = 65_536  # a file of no more rows is looked at whole
_SAMPLES: Final = 64
_SAMPLE_BYTES: Final = 64 * 1024
_SAMPLE_ROWS: Final = 1024
_MOST_STEPS_BACK: Final = 0.1  # of what arrives in order, on several lines at once
_MOST_LATE: Final = 0.01


@dataclass(frozen=True, slots=True)
class FileLook:
    """What the event times of a file look like, in the file's order.

    Attributes:
        rows: how many were looked at.
        least_ms: the earliest of them.
        greatest_ms: the latest of them.
        steps_back: share of rows that are earlier than the row before.
        late: share of rows that are more than the allowed lateness behind the greatest time before them.
    """

    path: str
    rows: int
    least_ms: int
    greatest_ms: int
    steps_back: float
    late: float

    @classmethod
    def of(cls, path: str, samples: list[NDArray[np.int64]], lateness_ms: int) -> FileLook | None:
        """Of runs of consecutive times; None without any."""
        times = np.concatenate([np.empty(0, np.int64), *samples])
        if not len(times):
            return None
        steps = np.concatenate([np.diff(one) for one in samples] or [times[:0]])
        back = float((steps < 0).mean()) if len(steps) else 0.0
        late = float((times < np.maximum.accumulate(times) - lateness_ms).mean())
        return cls(path, len(times), int(times.min()), int(times.max()), back, late)

    @property
    def in_order(self) -> bool:
        """Whether the rows stand as they came in: a few late ones are as they should be."""
        return self.steps_back <= _MOST_STEPS_BACK and self.late <= _MOST_LATE

    @property
    def newest_first(self) -> bool:
        """Whether the rows mostly go back in time."""
        return self.steps_back > 0.5


@dataclass(frozen=True, slots=True)
class Looker:
    """Looks at files as they will be read."""

    mapping: Mapping
    tokenizer: Tokenizer
    ingest_time_ms: int
    lateness_ms: int
    fmt: Format | None = None

    def look(self, path: str) -> FileLook | None:
        """How this file is ordered; None where nothing can be read, which reading it will report."""
        try:
            first, whole = self._first(path)
            samples = [first] if whole else self._samples(path)
        except InputError:
            return None
        return FileLook.of(path, samples, self.lateness_ms)

    def _first(self, path: str) -> tuple[NDArray[np.int64], bool]:
        """Times of the first rows, and whether these are all."""
        batches = read([path], self.mapping, self.tokenizer, self.ingest_time_ms, fmt=self.fmt)
        times, rows = [np.empty(0, np.int64)], 0
        for batch in batches:
            times.append(batch.events.event_time_ms)
            rows += len(batch.events)
            if rows >= _FIRST_ROWS:
                batches.close()
                return np.concatenate(times), False
        return np.concatenate(times), True

    def _samples(self, path: str) -> list[NDArray[np.int64]]:
        """Runs of times from all over the file."""
        with opened(path, self.fmt) as source:
            if source.format == "parquet":
                return [self._times(part, source) for part in _row_groups(source)]
            head, parts = _text_samples(source)
            first = self._times(head, source)
            if source.format != "csv":
                return [first, *(self._times(part, source) for part in parts)]
            return [first, *(self._times(head + part, source)[len(first) :] for part in parts)]

    def _times(self, data: bytes, source: OpenedFile) -> NDArray[np.int64]:
        """Event times of the good rows in these bytes, as far as they can be read."""
        sample = OpenedFile(STDIN, source.format, None, io.BytesIO(data), [])  # bytes in memory, no path
        pieces = _until_unusable(pieces_of(sample, self.mapping, self.tokenizer, self.ingest_time_ms))
        return np.concatenate([np.empty(0, np.int64), *(piece.events.event_time_ms for piece in pieces)])


def _until_unusable(pieces: Iterator[FilePiece]) -> Iterator[FilePiece]:
    try:
        yield from pieces
    except InputError:
        return


def _row_groups(source: OpenedFile) -> Iterator[bytes]:
    """The first rows of row groups from all over a Parquet file, as small files."""
    file, probe = open_twice(source)
    step = max(1, -(-file.num_row_groups // _SAMPLES))
    for group in range(0, file.num_row_groups, step):
        sink = io.BytesIO()
        try:
            most = rows_at_once(probe, group, file.schema_arrow.names, _SAMPLE_ROWS)
            rows = islice(file.iter_batches(most, [group], use_threads=False), 1) if most else ()
            table = pa.Table.from_batches(rows, file.schema_arrow)
        except (pa.ArrowInvalid, OSError):
            continue  # damaged: reading the file reports it
        pq.write_table(table, sink)
        yield sink.getvalue()


def _text_samples(source: OpenedFile) -> tuple[bytes, list[bytes]]:
    """The beginning of a text file, and samples of whole lines from all over it, its end included."""
    parts = _by_seeking(source) if source.packing is None and source.raw.seekable() else _by_reading(source)
    whole = [_whole_lines(part, first=not at) for at, part in enumerate(parts)]
    return whole[0], whole[1:]


def _by_seeking(source: OpenedFile) -> Iterable[bytes]:
    size = source.raw.seek(0, io.SEEK_END)
    samples = min(_SAMPLES, max(size // _SAMPLE_BYTES, 1))
    for place in np.linspace(0, max(size - _SAMPLE_BYTES, 0), samples).astype(int).tolist():
        source.raw.seek(place)
        yield source.raw.read(_SAMPLE_BYTES)


def _by_reading(source: OpenedFile) -> Iterable[bytes]:
    """The first and last piece, and one of every so many between: twice as many as the sample grows full."""
    chunks = _until_cut_short(source.chunks)
    first = next(chunks, b"")[:_SAMPLE_BYTES]
    kept: list[bytes] = []
    last, stride = b"", 1
    for at, chunk in enumerate(chunks):
        last = chunk
        if at % stride == 0:
            kept.append(chunk[:_SAMPLE_BYTES])
        if len(kept) == 2 * _SAMPLES:
            kept, stride = kept[::2], 2 * stride
    return [first, *kept, last[-_SAMPLE_BYTES:]]


def _until_cut_short(chunks: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    try:
        yield from chunks()
    except CutShortError:
        return


def _whole_lines(part: bytes, *, first: bool) -> bytes:
    begin = 0 if first else part.find(b"\n") + 1
    return part[begin : part.rfind(b"\n") + 1]
