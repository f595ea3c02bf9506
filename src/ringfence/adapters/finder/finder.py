"""Decisions found by what they have to do with, without reading the others.

    decision log ──► pieces on disk (many rows, sorted terms) ··· pieces in memory (the latest rows)

A projection of the log: `refresh` takes in what the log has gained; the folder may be deleted at any time.
Which rows make up a piece follows from the log alone.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from ringfence.adapters.finder import disk
from ringfence.adapters.finder.piece import Piece, TableListing, in_memory
from ringfence.adapters.finder.query import Found, Term, Wanted
from ringfence.adapters.finder.rows import SCHEMA, leading, rows_of
from ringfence.decisions.decision import DecisionBatch
from ringfence.errors import CorruptError
from ringfence.ports import DECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ringfence.ports import EventLog

READER: Final = "finder"
PIECE_ROWS: Final = 131_072
_STEP_ROWS: Final = 65_536  # taken in at once, so that others get a turn
_ORDER: Final = ("event_time_ms", "offset")


class Place(NamedTuple):
    """Where a row is; `when` are its event time and offset."""

    when: tuple[int, int]
    piece: Piece
    row: int


class Finder:
    """The index of one log. Any thread may ask; one at a time takes in."""

    def __init__(self, log: EventLog, folder: Path, seed: int, piece_rows: int = PIECE_ROWS) -> None:
        self._log = log
        self._folder = folder
        self._seed = seed
        self._piece_rows = piece_rows
        self._lock = Lock()
        self._is_open = False
        self._stored: list[Piece] = []
        self._first = self._end = self._read_to = 0
        self._fresh: list[pa.Table] = []  # rows from `_end` to `_read_to`, not in order yet
        self._tail: list[Piece] = []  # each more than twice as long as the next one

    @property
    def behind(self) -> int:
        """Decisions of the log that are not in the index yet."""
        if not self._is_open:
            with self._lock:
                self._open()
        return self._log.end_offset(DECISIONS) - self._end

    def refresh(self) -> None:
        """Take in what the log has gained."""
        while self.step():
            pass

    def step(self, most: int | None = None) -> bool:
        """Take in some of what the log has gained, `most` batches of it; whether there may be more.

        Rows of a few batches are only laid by: they are put in order together, once the end is reached.
        """
        with self._lock:
            self._open()
            fresh: list[pa.Table] = []
            end, at_end = self._read_to, False
            enough = min(self._end + _STEP_ROWS, self._first + self._piece_rows)
            for batch in self._log.read(DECISIONS, end):
                fresh.append(leading(DecisionBatch.decode(batch.payload)))
                end = batch.next_offset
                if end >= enough or len(fresh) == most:
                    break
            else:
                at_end = True
            if fresh:
                self._fresh.append(rows_of(fresh, self._log))
                self._read_to = end
            if self._fresh and (at_end or end >= enough):
                self._fold()
            return not at_end

    def _fold(self) -> None:
        """Put in order what was laid by; it stays laid by where that fails."""
        if self._read_to - self._first >= self._piece_rows:
            self._store([*self._tables(), *self._fresh], self._read_to)
        else:
            self._append(pa.concat_tables(self._fresh))
        self._fresh = []
        self._end = self._read_to

    def points(self, wanted: Wanted, most: int) -> dict[str, list[Any]]:
        """Event times, amounts and strictness of the newest rows that are wanted, ascending: for a plot."""
        keys = self._keys(wanted.terms)
        chosen = [(piece, piece.matching(wanted, keys)[-most:]) for piece in self._pieces()]
        time = np.concatenate([np.empty(0, np.int64), *(piece.time[rows] for piece, rows in chosen)])
        order = np.argsort(time, kind="stable")[-most:]
        amount = np.concatenate([np.empty(0), *(piece.amount[rows] for piece, rows in chosen)])[order]
        outcome = np.concatenate([np.empty(0, np.int8), *(piece.outcome[rows] for piece, rows in chosen)])
        return {
            "time_ms": time[order].tolist(),
            "amount": [None if np.isnan(value) else value for value in amount.tolist()],
            "outcome": outcome[order].tolist(),
        }

    def find(self, wanted: Wanted, limit: int = 50, columns: tuple[str, ...] | None = None) -> Found:
        """The newest rows that are wanted, by event time; `columns` where not all of `SCHEMA` are needed."""
        keys = self._keys(wanted.terms)
        pieces = self._pieces()
        matching = [piece.matching(wanted, keys) for piece in pieces]
        newest = [
            piece.before(rows, wanted.before)[-limit - 1 :]
            for piece, rows in zip(pieces, matching, strict=True)
        ]
        places = _latest(pieces, newest, limit + 1)
        after = places[limit - 1].when if len(places) > limit else None
        return Found(_fetch(places[:limit], columns), sum(map(len, matching)), after)

    def count(self, wanted: Wanted) -> int:
        """How many rows are wanted."""
        keys = self._keys(wanted.terms)
        if len(keys) == 1 and wanted == Wanted(terms=wanted.terms):
            return sum(len(piece.posting(keys[0])) for piece in self._pieces())
        return sum(len(piece.matching(wanted, keys)) for piece in self._pieces())

    def histogram(self, wanted: Wanted, edges_ms: Sequence[int]) -> NDArray[np.int64]:
        """How many rows are wanted in each span between two times."""
        keys = self._keys(wanted.terms)
        counts = np.zeros(len(edges_ms) - 1, np.int64)
        for piece in self._pieces():
            if piece.time[-1] < edges_ms[0] or piece.time[0] >= edges_ms[-1]:
                continue
            times = piece.time[piece.matching(wanted, keys)]
            counts += np.diff(times.searchsorted(edges_ms))
        return counts

    def span_ms(self) -> tuple[int, int] | None:
        """Event times of the first and of the last decision."""
        pieces = [piece for piece in self._pieces() if len(piece)]
        if not pieces:
            return None
        return min(int(piece.time[0]) for piece in pieces), max(int(piece.time[-1]) for piece in pieces)

    def _keys(self, terms: Sequence[Term]) -> list[int]:
        return [term.key(self._seed) for term in terms]

    def _pieces(self) -> list[Piece]:
        with self._lock:
            self._open()
            return [*self._stored, *self._tail]

    def _tables(self) -> list[pa.Table]:
        return [piece.listing.table for piece in self._tail if isinstance(piece.listing, TableListing)]

    def _append(self, table: pa.Table) -> None:
        """Merge with pieces that are not much longer, so that there are few and little is done twice."""
        tail = list(self._tail)
        while tail and len(tail[-1]) <= 2 * len(table):
            last = tail.pop().listing
            assert isinstance(last, TableListing)
            table = pa.concat_tables([last.table, table])
        self._tail = [*tail, in_memory(table, self._seed)]

    def _store(self, tables: list[pa.Table], end: int) -> None:
        name = disk.name_of(self._first, end)
        path = disk.save(self._folder, name, pa.concat_tables(tables), self._seed)
        self._stored = [*self._stored, disk.load(path, self._seed)]
        self._tail = []
        self._first = end
        self._log.commit_reader(READER, DECISIONS, end)

    def _open(self) -> None:
        """Take in the stored pieces that follow on without a gap; with the lock held, once.

        What is damaged, or of another log, goes: it is made again from the log.
        """
        if self._is_open:
            return
        begin, end = self._log.start_offset(DECISIONS), self._log.end_offset(DECISIONS)
        spans = disk.spans(self._folder)
        at = min(begin, spans[0][0]) if spans else begin
        for first, after in spans:
            if first != at or after > end:
                continue
            path = self._folder / disk.name_of(first, after)
            try:
                self._stored.append(disk.load(path, self._seed))
            except CorruptError:
                disk.remove(path)
                if after > begin:
                    break
                self._stored.clear()  # its rows are trimmed: the index begins after them
            at = after
        self._first = self._end = self._read_to = max(at, begin) if not self._stored else at
        self._is_open = True


def _latest(pieces: Sequence[Piece], rows: Sequence[NDArray[np.int64]], most: int) -> list[Place]:
    """The latest of some rows of each piece, newest first."""
    time = np.concatenate([np.empty(0, np.int64), *(p.time[r] for p, r in zip(pieces, rows, strict=True))])
    offset = np.concatenate([time[:0], *(p.offset[r] for p, r in zip(pieces, rows, strict=True))])
    number = np.repeat(np.arange(len(pieces)), [len(one) for one in rows])
    row = np.concatenate([time[:0], *rows])
    return [
        Place((int(time[at]), int(offset[at])), pieces[number[at]], int(row[at]))
        for at in np.lexsort((offset, time))[::-1][:most]
    ]


def _fetch(places: Sequence[Place], columns: tuple[str, ...] | None = None) -> list[dict[str, Any]]:
    """The rows themselves, newest first."""
    members: dict[int, tuple[Piece, list[int]]] = {}
    for place in places:
        members.setdefault(id(place.piece), (place.piece, []))[1].append(place.row)
    wanted = None if columns is None else tuple(n for n in SCHEMA.names if n in {*columns, *_ORDER})
    batches = [b for piece, rows in members.values() for b in piece.listing.take(sorted(rows), wanted)]
    schema = SCHEMA if wanted is None else pa.schema([SCHEMA.field(name) for name in wanted])
    found: list[dict[str, Any]] = pa.Table.from_batches(batches, schema).to_pylist()
    found.sort(key=lambda row: (row["event_time_ms"], row["offset"]), reverse=True)
    return found
