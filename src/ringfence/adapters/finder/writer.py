"""The follower that makes the index: short pieces as decisions come, and long ones of many short ones."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from ringfence.adapters.finder import disk
from ringfence.adapters.finder.rows import SCHEMA, leading, rows_of
from ringfence.decisions.decision import DecisionBatch
from ringfence.errors import CorruptError, StoreError
from ringfence.follow.spans import chain
from ringfence.ports import DECISIONS, EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ringfence.ports import EventLog, LogBatch

PIECE_ROWS: Final = 131_072
SHORT_ROWS: Final = 8192
"""What a question reads from the log at most while the follower keeps up."""


class IndexFollower:
    """`ringfence.follow.Follower`: a folder of pieces, whose names are the position.

    A piece is there whole or not at all. Short pieces are merged once they make up a long one: the long one
    comes first, then the short ones go, so that whoever reads meanwhile finds all.
    """

    name: Final = "index"
    topics: Final = (DECISIONS,)

    def __init__(
        self,
        log: EventLog,
        folder: Path,
        seed: int,
        piece_rows: int = PIECE_ROWS,
        short_rows: int = SHORT_ROWS,
    ) -> None:
        self.least = short_rows
        self.most = piece_rows
        self._log = log
        self._folder = folder
        self._seed = seed
        self._is_tidy = False

    def positions(self) -> dict[str, int]:
        """See `Follower.positions`. Payments of decisions are looked up."""
        if not self._is_tidy:
            self._tidy()
            self._is_tidy = True
        spans = self._spans()
        if not spans:
            return {DECISIONS: 0, EVENTS: 0}
        last = disk.last_payment(self._folder / disk.name_of(*spans[-1]))
        return {DECISIONS: spans[-1][1], EVENTS: last + 1}

    def take(self, _topic: str, batches: Iterable[LogBatch]) -> None:
        """See `Follower.take`. Stops where the next piece begins, if one in between was damaged."""
        fresh: list[pa.Table] = []
        first = after = 0
        for batch in batches:
            if not fresh:
                first = batch.base_offset
                later = min((at for at, _ in disk.spans(self._folder) if at > first), default=None)
            fresh.append(leading(DecisionBatch.decode(batch.payload)))
            after = batch.next_offset
            if later is not None and after >= later:
                break
        if fresh:
            disk.save(self._folder, disk.name_of(first, after), rows_of(fresh, self._log), self._seed)
            self._merge()

    def reset(self) -> None:
        """See `Follower.reset`."""
        try:
            shutil.rmtree(self._folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StoreError(f"{self._folder} cannot be emptied ({error.strerror}): delete it") from error

    def close(self) -> None:
        """See `Follower.close`."""
        self._is_tidy = False

    def _tidy(self) -> None:
        """Take away what a process that was killed left, and what is damaged or of another log."""
        disk.tidy(self._folder)
        for span in disk.spans(self._folder):
            path = self._folder / disk.name_of(*span)
            try:
                disk.load(path, self._seed)
            except CorruptError:
                disk.remove(path)
        kept = self._spans()
        for span in disk.spans(self._folder):
            if span not in kept and kept and span[1] <= kept[-1][1]:
                disk.remove(self._folder / disk.name_of(*span))

    def _merge(self) -> None:
        """Make one of the short pieces at the end, once they are as long as a long one."""
        short: list[tuple[int, int]] = []
        for span in reversed(self._spans()):
            if span[1] - span[0] >= self.most or (short and span[1] != short[0][0]):
                break
            short.insert(0, span)
        if len(short) < 2 or short[-1][1] - short[0][0] < self.most:
            return
        paths = [self._folder / disk.name_of(*span) for span in short]
        try:
            tables = [disk.rows(path) for path in paths]
        except (OSError, pa.ArrowInvalid) as error:
            raise CorruptError(f"the index in {self._folder} cannot be read ({error}): delete it") from error
        name = disk.name_of(short[0][0], short[-1][1])
        merged = pa.concat_tables([SCHEMA.empty_table(), *tables], promote_options="default")
        disk.save(self._folder, name, merged, self._seed)
        for path in paths:
            disk.remove(path)

    def _spans(self) -> list[tuple[int, int]]:
        return chain(
            disk.spans(self._folder), self._log.start_offset(DECISIONS), self._log.end_offset(DECISIONS)
        )
