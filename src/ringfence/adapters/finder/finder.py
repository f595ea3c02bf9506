"""Decisions found by what they have to do with, without reading the others.

    decision log ──► pieces on disk (many rows, sorted terms) ··· pieces in memory (the latest rows)
                     `writer.IndexFollower` makes them             read from the log when somebody asks

Whoever asks writes nothing: what no piece holds yet is read from the log, up to a bound.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from ringfence.adapters.finder import disk
from ringfence.adapters.finder.piece import Piece, TableListing, in_memory
from ringfence.adapters.finder.rows import SCHEMA, leading, rows_of
from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.index import Found, Term, Wanted
from ringfence.errors import CorruptError
from ringfence.follow.spans import chain
from ringfence.ports import DECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ringfence.ports import EventLog

LIVE_ROWS: Final = 131_072
"""Decisions that no piece holds yet, of which so many are read from the log."""

_ORDER: Final = ("event_time_ms", "offset")


class RowPlace(NamedTuple):
    """Where a row is; `when` are its event time and offset."""

    when: tuple[int, int]
    piece: Piece
    row: int


class Finder:
    """The index of one log, and the log's end. Any thread may ask.

    Every question first takes in what is new: pieces that were stored since, and the latest decisions.
    """

    def __init__(self, log: EventLog, folder: Path, seed: int, live_rows: int = LIVE_ROWS) -> None:
        self._log = log
        self._folder = folder
        self._seed = seed
        self._live_rows = live_rows
        self._lock = Lock()
        self._stored: dict[tuple[int, int], Piece] = {}
        self._end = 0  # of what answers are made of
        self._tail: list[Piece] = []  # each more than twice as long as the next one

    @property
    def behind(self) -> int:
        """Decisions that no answer has, because the index is too far behind the log."""
        spans = self._spans()
        stored = spans[-1][1] if spans else self._log.start_offset(DECISIONS)
        return max(0, self._log.end_offset(DECISIONS) - stored - self._live_rows)

    def refresh(self) -> None:
        """Take in what is new, as every question does."""
        self._pieces()

    def _look(self) -> None:
        """Take in the pieces that are there; where they have changed, the tail is read again."""
        spans = self._spans()
        if spans == list(self._stored) and self._end >= self._log.start_offset(DECISIONS):
            return
        loaded: dict[tuple[int, int], Piece] = {}
        for span in spans:
            try:
                loaded[span] = self._stored.get(span) or disk.load(
                    self._folder / disk.name_of(*span), self._seed
                )
            except CorruptError:
                disk.remove(self._folder / disk.name_of(*span))  # or replaced by a longer one just now
                break
        self._stored = loaded
        self._end = max([self._log.start_offset(DECISIONS), *(after for _, after in loaded)])
        self._tail = []

    def _read(self) -> None:
        stored = max((after for _, after in self._stored), default=self._log.start_offset(DECISIONS))
        most = stored + self._live_rows
        end, fresh = self._end, []
        for batch in self._log.read(DECISIONS, end, most):
            fresh.append(leading(DecisionBatch.decode(batch.payload)))
            end = batch.next_offset
        if fresh:
            self._append(rows_of(fresh, self._log))
            self._end = end

    def _spans(self) -> list[tuple[int, int]]:
        return chain(
            disk.spans(self._folder), self._log.start_offset(DECISIONS), self._log.end_offset(DECISIONS)
        )

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

    def beginning(self, column: str, start: str, most: int) -> list[str]:
        """The first ids of a column that begin so, ascending."""
        found = {one for piece in self._pieces() for one in piece.listing.beginning(column, start, most)}
        return sorted(found)[:most]

    def histograms(self, terms: Sequence[Term], edges_ms: Sequence[int]) -> NDArray[np.int64]:
        """See `DecisionIndex.histograms`."""
        keys = self._keys(terms)
        counts = np.zeros((len(terms), len(edges_ms) - 1), np.int64)
        within = Wanted(since_ms=edges_ms[0], until_ms=edges_ms[-1])
        for piece in self._pieces():
            if piece.time[-1] < edges_ms[0] or piece.time[0] >= edges_ms[-1]:
                continue
            for row, key in enumerate(keys):
                times = piece.time[piece.matching(within, [key])]
                counts[row] += np.diff(times.searchsorted(edges_ms))
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
            self._look()
            self._read()
            return [*self._stored.values(), *self._tail]

    def _append(self, table: pa.Table) -> None:
        """Merge with pieces that are not much longer, so that there are few and little is done twice."""
        tail = list(self._tail)
        while tail and len(tail[-1]) <= 2 * len(table):
            last = tail.pop().listing
            assert isinstance(last, TableListing)
            table = pa.concat_tables([last.table, table])
        self._tail = [*tail, in_memory(table, self._seed)]


def _latest(pieces: Sequence[Piece], rows: Sequence[NDArray[np.int64]], most: int) -> list[RowPlace]:
    """The latest of some rows of each piece, newest first."""
    time = np.concatenate([np.empty(0, np.int64), *(p.time[r] for p, r in zip(pieces, rows, strict=True))])
    offset = np.concatenate([time[:0], *(p.offset[r] for p, r in zip(pieces, rows, strict=True))])
    number = np.repeat(np.arange(len(pieces)), [len(one) for one in rows])
    row = np.concatenate([time[:0], *rows])
    return [
        RowPlace((int(time[at]), int(offset[at])), pieces[number[at]], int(row[at]))
        for at in np.lexsort((offset, time))[::-1][:most]
    ]


def _fetch(places: Sequence[RowPlace], columns: tuple[str, ...] | None = None) -> list[dict[str, Any]]:
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
