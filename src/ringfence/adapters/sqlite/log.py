"""The embedded event log: one row per batch in SQLite."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ringfence.adapters.sqlite.database import Database
from ringfence.adapters.sqlite.lock import WriterLock
from ringfence.adapters.sqlite.meta import load_meta
from ringfence.adapters.sqlite.problems import explain
from ringfence.adapters.sqlite.soundness import RESTORE, check_not_lost, check_whole
from ringfence.adapters.sqlite.statements import SQL
from ringfence.adapters.sqlite.wal import check_log
from ringfence.errors import CorruptError, StoreError
from ringfence.ports import LogBatch, end_offsets_after
from ringfence.store import WRITER

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class SqliteLog:
    """`ringfence.ports.EventLog` in one file: one process writes (`writer.lock` names it), any number read.

    Args:
        path: the file; made, with its folder, unless `read_only`.
        read_only: for a process that only follows: reads and its own reader offsets.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.remarks: list[str] = []  # what somebody should know who opens it
        self._lock = None if read_only else WriterLock(path.parent / WRITER)
        try:
            self._look_before(path, read_only=read_only)
            self.database = Database(path, read_only=read_only)
        except BaseException:
            self._release()
            raise
        try:
            check_whole(self.database)
            self.meta = load_meta(self.database)
        except BaseException:
            self.close()
            raise

    def _look_before(self, path: Path, *, read_only: bool) -> None:
        """What opening the database would hide."""
        try:
            check_not_lost(path)
            torn = None if read_only else check_log(path.with_name(f"{path.name}-wal"))
        except OSError as error:
            raise explain(error, path) from error
        if torn is not None:
            self.remarks.append(torn)

    @property
    def identity(self) -> str:
        return self.meta.store_id

    def append(self, batches: Sequence[LogBatch]) -> None:
        with self.transaction() as connection:
            write_batches(connection, batches)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """What the writer commits together with an append."""
        if self.database.read_only:
            raise StoreError(
                f"{self.database.path} is open for reading: only the process that runs the pipeline appends"
            )
        with self.database.transaction() as connection:
            yield connection

    def end_offset(self, topic: str) -> int:
        return int(self.database.fetch_value("topic_end", {"topic": topic}, 0))

    def start_offset(self, topic: str) -> int:
        return int(self.database.fetch_value("topic_start", {"topic": topic}, 0))

    def read(self, topic: str, offset: int = 0, end: int | None = None) -> Iterator[LogBatch]:
        while end is None or offset < end:
            rows = self.database.fetch("next_batch", {"topic": topic, "offset": offset})
            if not rows or (end is not None and rows[0][0] >= end):
                return
            base, offset, first_ms, last_ms, checksum, payload = rows[0]
            batch = LogBatch(topic, base, offset - base, first_ms, last_ms, payload)
            if batch.checksum() != checksum:
                raise CorruptError(
                    f"topic {topic!r}, batch at offset {base} of {self.database.path}: "
                    f"its checksum does not match. {RESTORE}"
                )
            yield batch

    def topics(self) -> list[str]:
        return [name for (name,) in self.database.fetch("topics")]

    def commit_reader(self, reader: str, topic: str, offset: int) -> None:
        with self.database.transaction() as connection:
            connection.execute(SQL["commit_reader"], {"reader": reader, "topic": topic, "offset": offset})

    def reader_offset(self, reader: str, topic: str) -> int:
        return int(self.database.fetch_value("reader_offset", {"reader": reader, "topic": topic}, 0))

    def forget_reader(self, reader: str) -> None:
        with self.database.transaction() as connection:
            connection.execute(SQL["forget_reader"], {"reader": reader})

    def readers(self) -> list[tuple[str, str, int]]:
        return self.database.fetch("readers")

    def trim(self, topic: str, before_offset: int) -> int:
        which = {"topic": topic, "before": before_offset}
        with self.transaction() as connection:
            count, start = connection.execute(SQL["trimmed"], which).fetchone()
            if count is None:
                return 0
            connection.execute(SQL["trim"], which)
            connection.execute(SQL["set_topic_start"], {"topic": topic, "start": start})
            return int(count)

    def close(self) -> None:
        self.database.close()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()


def write_batches(connection: sqlite3.Connection, batches: Sequence[LogBatch]) -> None:
    """Append inside a transaction that somebody else commits."""

    def end_offset(topic: str) -> int:
        row = connection.execute(SQL["topic_end"], {"topic": topic}).fetchone()
        return int(row[0]) if row else 0

    for topic, end in end_offsets_after(batches, end_offset).items():
        connection.execute(SQL["set_topic_end"], {"topic": topic, "end": end})
    connection.executemany(SQL["append_batch"], map(_row, batches))


def _row(batch: LogBatch) -> dict[str, object]:
    return {
        "topic": batch.topic,
        "base": batch.base_offset,
        "next": batch.next_offset,
        "first_time_ms": batch.first_time_ms,
        "last_time_ms": batch.last_time_ms,
        "checksum": batch.checksum(),
        "payload": batch.payload,
    }
