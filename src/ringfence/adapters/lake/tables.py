"""One topic as a table: the files that the follower wrote, and the log's end that is in none of them yet."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from ringfence.adapters.lake.files import TopicFiles
from ringfence.adapters.lake.shapes import concat, rows_in
from ringfence.errors import CatchingUpError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from ringfence.ports import EventLog

_SHORT: Final = 8 * 1024


class TopicTable:
    """Files and tail of one topic. `refresh` brings both up to the end of the log."""

    def __init__(self, folder: Path, log: EventLog, topic: str, live_rows: int) -> None:
        self.files: list[Path] = []
        self.tail = concat(topic, [])
        self._log = log
        self._topic = topic
        self._stored = TopicFiles(folder, log, topic)
        self._live_rows = live_rows
        self._group: list[tuple[int, pa.Table]] = []  # base offset and rows, of batches not in files
        self.end = 0
        """How far the log has been read."""
        self.behind = 0
        """Records of the log that the last `refresh` left, as its time was up."""

    def refresh(self, seconds: float | None = None) -> bool:
        """Take in what the log has gained, for about so long; whether anything has changed.

        Some of it is taken in however short the time is, and the next `refresh` goes on from there.
        `CatchingUpError` where the files are so far behind the log that their follower has to come first.
        """
        before = (self.files, self.end)
        until = None if seconds is None else monotonic() + seconds
        self._find_files()
        self.behind = 0
        for rows in rows_in(self._topic, self._log.read(self._topic, self.end)):
            self._append(rows.begin, rows.table)
            self.end = rows.end
            if until is not None and monotonic() >= until:
                self.behind = self._log.end_offset(self._topic) - self.end
                break
        if before == (self.files, self.end):
            return False
        self.tail = concat(self._topic, [rows for _, rows in self._group])
        return True

    def mend(self) -> bool:
        """Take away files that cannot be read through, to be made again; whether there were any."""
        return self._stored.mend(self.files)

    def _find_files(self) -> None:
        self.files, start = self._stored.look()
        waiting = self._log.end_offset(self._topic) - start
        if waiting > self._live_rows:
            raise CatchingUpError(
                f"the analysis tables are {waiting:,} records of {self._topic} behind the log: the follower "
                "`lake` is at it, or paused, or fails (`ringfence followers list`). Ask again"
            )
        self._group = [one for one in self._group if one[0] >= start]
        if not self._group or self._group[0][0] != start:  # files were deleted: read them again
            self._group = []
            self.end = start

    def _append(self, base: int, rows: pa.Table) -> None:
        """Live traffic leaves batches of a few rows: together with the one before while both are short."""
        while self._group and len(rows) < _SHORT and len(self._group[-1][1]) <= 2 * len(rows):
            base, before = self._group.pop()
            rows = concat(self._topic, [before, rows]).combine_chunks()
        self._group.append((base, rows))
