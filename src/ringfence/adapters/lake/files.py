"""The follower that writes the analysis tables: files of rows, named after the offsets that they cover."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ringfence.adapters.lake.shapes import concat, rows_in
from ringfence.errors import StoreError
from ringfence.follow.spans import chain
from ringfence.ports import DECISIONS, EVENTS, FLAG_MATCHES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ringfence.ports import EventLog, LogBatch

FILE_ROWS: Final = 200_000
FOLDERS: Final = {EVENTS: "events-2", DECISIONS: "decisions", FLAG_MATCHES: "flag_matches"}
"""Under `tables`, by topic. A number follows where rows have changed their shape."""

_NAME: Final = re.compile(r"(\d{20})-(\d{20})\.parquet")
_PARTIAL: Final = re.compile(r".*\.(\d+)\.partial")
_GROUP_ROWS: Final = 64 * 1024  # what a look-up by id reads once the Bloom filters have spoken


class LakeFollower:
    """`ringfence.follow.Follower`: a folder of Parquet files for each topic, whose names are the position.

    A file is there whole or not at all, and where one ends follows from the log alone: two processes that
    write at the same time write the same files, and a deleted file is made again.
    """

    name: Final = "lake"
    topics: Final = tuple(FOLDERS)

    def __init__(self, log: EventLog, tables: Path, file_rows: int = FILE_ROWS) -> None:
        self.least = self.most = file_rows
        self._log = log
        self._tables = tables
        self._files = {topic: TopicFiles(tables / name, log, topic) for topic, name in FOLDERS.items()}
        self._is_tidy = False

    def positions(self) -> dict[str, int]:
        """See `Follower.positions`."""
        if not self._is_tidy:
            _tidy(self._tables)
            self._is_tidy = True
        return {topic: files.look()[1] for topic, files in self._files.items()}

    def take(self, topic: str, batches: Iterable[LogBatch]) -> None:
        """See `Follower.take`."""
        found = list(rows_in(topic, batches))
        if found:
            name = _name(found[0].begin, found[-1].end)
            _write(concat(topic, [rows.table for rows in found]), self._tables / FOLDERS[topic] / name)

    def reset(self) -> None:
        """See `Follower.reset`."""
        for name in FOLDERS.values():
            remove(self._tables / name)

    def close(self) -> None:
        """See `Follower.close`."""


class TopicFiles:
    """The files of one topic, as somebody sees them who did not write them."""

    def __init__(self, folder: Path, log: EventLog, topic: str) -> None:
        self._folder = folder
        self._log = log
        self._topic = topic
        self._sound: set[Path] = set()  # files that have been looked at

    def look(self) -> tuple[list[Path], int]:
        """The files that follow on from the first record, and where they end; a damaged one is taken away."""
        while True:
            begin, end = self._log.start_offset(self._topic), self._log.end_offset(self._topic)
            spans = chain(_spans(self._folder), begin, end)
            paths = [self._folder / _name(*span) for span in spans]
            damaged = [
                path
                for path, (first, after) in zip(paths, spans, strict=True)
                if path not in self._sound and _rows_of(path) != after - first
            ]
            self._sound.update(path for path in paths if path not in damaged)
            if not damaged:
                return paths, spans[-1][1] if spans else begin
            for path in damaged:
                remove(path)

    def mend(self, paths: Iterable[Path]) -> bool:
        """Take away those that cannot be read through, to be made again; whether there were any."""
        damaged = [path for path in paths if not _is_readable(path)]
        for path in damaged:
            self._sound.discard(path)
            remove(path)
        return bool(damaged)


def _spans(folder: Path) -> list[tuple[int, int]]:
    named = (_NAME.fullmatch(path.name) for path in folder.glob("*-*.parquet"))
    return [(int(name[1]), int(name[2])) for name in named if name]


def _tidy(tables: Path) -> None:
    """Take away what processes that were killed had begun, and files of a shape of before."""
    shutil.rmtree(tables / EVENTS, ignore_errors=True)
    for path in tables.glob("*/*.partial"):
        name = _PARTIAL.fullmatch(path.name)
        if name and not _is_alive(int(name[1])):
            remove(path)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


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


def remove(path: Path) -> None:
    """Take away a file or folder, if it is there; `StoreError` where it cannot be."""
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
                rows = concat(topic, [rows.table for rows in rows_in(topic, log.read(topic, start, after))])
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
