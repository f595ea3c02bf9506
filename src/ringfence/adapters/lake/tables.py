"""Projection of one topic: whole files of rows, and the tail that does not fill a file yet.

A file is named after the offsets that it covers, and where one ends follows from the log alone: two processes
that project at the same time write the same files, and a deleted file is made again.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ringfence.adapters.lake.shapes import ROWS, concat
from ringfence.errors import StoreError
from ringfence.ports import DECISIONS, EVENTS, FLAG_MATCHES

if TYPE_CHECKING:
    from pathlib import Path

    from ringfence.ports import EventLog

_NAME: Final = re.compile(r"(\d{20})-(\d{20})\.parquet")
READER: Final = "lake"
FOLDERS: Final = {EVENTS: "events-2", DECISIONS: "decisions", FLAG_MATCHES: "flag_matches"}
"""Under `tables`, by topic. A number follows where rows have changed their shape."""

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
        self._sound: set[Path] = set()  # files that have been looked at
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
        """The files that follow on from the first record without a gap; a damaged one is made again."""
        named = ((_NAME.fullmatch(path.name), path) for path in self._folder.glob("*-*.parquet"))
        spans = sorted((int(name[1]), int(name[2]), path) for name, path in named if name)
        start = self._log.start_offset(self._topic)
        if spans:
            start = min(start, spans[0][0])
        files = []
        for first, after, path in spans:
            if first == start and (path in self._sound or _rows_of(path) == after - first):
                self._sound.add(path)
                files.append(path)
                start = after
            elif first == start:
                _remove(path)
        self.files = files
        self._first = start
        self._group = [one for one in self._group if one[0] >= start]
        if not self._group or self._group[0][0] != start:  # files were deleted: read them again
            self._group = []
            self._end = start

    def mend(self) -> bool:
        """Take away files that cannot be read through, to be made again; whether there were any."""
        damaged = [path for path in self.files if not _is_readable(path)]
        for path in damaged:
            self._sound.discard(path)
            _remove(path)
        return bool(damaged)

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
        rows = concat(self._topic, [rows for _, rows in self._group])
        _write(rows, self._folder / _name(self._first, self._end))
        self._log.commit_reader(READER, self._topic, self._end)


def _rows_of(path: Path) -> int:
    """How many rows a file says it has, -1 for what is no Parquet file."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        return -1


def _is_readable(path: Path) -> bool:
    try:
        with pq.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                file.read_row_group(number)
    except (OSError, pa.ArrowException):
        return False
    return True


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"{path} is damaged and cannot be taken away ({error.strerror}): delete it, it is made again"
        ) from error


def forget(tables: Path, log: EventLog) -> None:
    """Take what the log has forgotten out of the files, too."""
    for topic, name in FOLDERS.items():
        start = log.start_offset(topic)
        for path in (tables / name).glob("*-*.parquet"):
            named = _NAME.fullmatch(path.name)
            if named is None:
                continue
            first, after = int(named[1]), int(named[2])
            if after <= start:
                path.unlink(missing_ok=True)
            elif first < start:
                rows = concat(topic, [ROWS[topic](batch) for batch in log.read(topic, start, after)])
                _write(rows, path.with_name(_name(start, after)))
                path.unlink(missing_ok=True)


def _name(first: int, after: int) -> str:
    return f"{first:020d}-{after:020d}.parquet"


def _write(rows: pa.Table, path: Path) -> None:
    """All of a file or nothing; `StoreError` where there is no room."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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
