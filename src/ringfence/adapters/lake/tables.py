"""Projection of one topic: whole files of rows, and the tail that does not fill a file yet.

A file is named after the offsets that it covers, and where one ends follows from the log alone: two processes
that project at the same time write the same files, and a deleted file is made again.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ringfence.adapters.lake.shapes import ROWS, concat
from ringfence.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from ringfence.ports import EventLog

READER: Final = "lake"
_SHORT: Final = 8 * 1024
_GROUP_ROWS: Final = 64 * 1024  # what a look-up by id reads once the Bloom filters have spoken


class TopicTable:
    """Files and tail of one topic. `refresh` brings both up to the end of the log."""

    def __init__(self, folder: Path, log: EventLog, topic: str, file_rows: int) -> None:
        self.files: list[Path] = []
        self.tail = concat(topic, [])
        self._folder = folder
        self._log = log
        self._topic = topic
        self._file_rows = file_rows
        self._group: list[tuple[int, pa.Table]] = []  # base offset and rows, of batches not in files
        self._first = 0  # where the group begins
        self._end = 0  # how far the log has been read

    def refresh(self) -> bool:
        """Take in what the log has gained; whether anything has changed."""
        before = (self.files, self._end)
        self._find_files()
        while self._read_group():
            self._write_file()
            self._find_files()
        if before == (self.files, self._end):
            return False
        self.tail = concat(self._topic, [rows for _, rows in self._group])
        return True

    def _find_files(self) -> None:
        """The files that follow on from the first record without a gap."""
        spans = sorted((*_span(path), path) for path in self._folder.glob("*-*.parquet"))
        start = self._log.start_offset(self._topic)
        if spans:
            start = min(start, spans[0][0])
        files = []
        for first, after, path in spans:
            if first == start:
                files.append(path)
                start = after
        self.files = files
        self._first = start
        self._group = [one for one in self._group if one[0] >= start]
        if not self._group or self._group[0][0] != start:  # files were deleted: read them again
            self._group = []
            self._end = start

    def _read_group(self) -> bool:
        """Read on to the end of the log, or until the rows fill a file."""
        for batch in self._log.read(self._topic, self._end):
            self._append(batch.base_offset, ROWS[self._topic](batch))
            self._end = batch.next_offset
            if self._end - self._first >= self._file_rows:
                return True
        return False

    def _append(self, base: int, rows: pa.Table) -> None:
        """Live traffic leaves batches of a few rows: together with the one before while both are short."""
        while self._group and len(rows) < _SHORT and len(self._group[-1][1]) <= 2 * len(rows):
            base, before = self._group.pop()
            rows = concat(self._topic, [before, rows]).combine_chunks()
        self._group.append((base, rows))

    def _write_file(self) -> None:
        path = self._folder / f"{self._first:020d}-{self._end:020d}.parquet"
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            rows = concat(self._topic, [rows for _, rows in self._group])
            ids = {"transaction_id"}.intersection(rows.column_names)
            pq.write_table(
                rows,
                partial,
                compression="zstd",
                compression_level=1,
                row_group_size=_GROUP_ROWS,
                bloom_filter_options={name: {"ndv": _GROUP_ROWS, "fpp": 0.01} for name in ids},
            )
            partial.rename(path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            why = error.strerror or error
            raise StoreError(f"{path} cannot be written: {why}. Free space; the log is safe") from error
        self._log.commit_reader(READER, self._topic, self._end)


def _span(path: Path) -> tuple[int, int]:
    first, after = path.stem.split("-")
    return int(first), int(after)
