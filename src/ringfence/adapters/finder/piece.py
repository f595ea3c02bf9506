"""One piece of the index: rows in order of event time, with sorted terms that lead to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import pyarrow as pa

from ringfence.adapters.finder import beginnings
from ringfence.adapters.finder.rows import terms_of
from ringfence.scoring.rulesets.outcomes import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ringfence.decisions.index import Wanted

ARRAYS: Final = ("time", "offset", "amount", "outcome", "score", "keys", "starts", "places")
"""What a piece consists of, beside its rows."""


class Listing(Protocol):
    """The rows themselves."""

    def take(self, rows: Sequence[int], columns: tuple[str, ...] | None = None) -> list[Any]:
        """Some of them, ascending, as Arrow record batches; of these columns, in the order of the schema."""
        ...

    def beginning(self, column: str, start: str, most: int) -> list[str]:
        """The first ids of a column that begin so, ascending."""
        ...


class TableListing:
    """Rows in memory."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def take(self, rows: Sequence[int], columns: tuple[str, ...] | None = None) -> list[Any]:
        table = self.table if columns is None else self.table.select(columns)
        found: list[Any] = table.take(pa.array(rows, pa.int64())).to_batches()
        return found

    def beginning(self, column: str, start: str, most: int) -> list[str]:
        return beginnings.scanned(self.table.column(column), start, most)


@dataclass(frozen=True, slots=True)
class Piece:
    """Arrays by row, ascending in (time, offset).

    `places[starts[i]:starts[i + 1]]` are the rows of term `keys[i]`.
    """

    time: NDArray[np.int64]
    offset: NDArray[np.int64]
    amount: NDArray[np.float64]
    outcome: NDArray[np.int8]
    score: NDArray[np.float32]
    keys: NDArray[np.int64]
    starts: NDArray[np.int64]
    places: NDArray[np.int32]
    listing: Listing

    def __len__(self) -> int:
        return len(self.time)

    def posting(self, key: int) -> NDArray[np.int32]:
        """Rows of a term, ascending."""
        at = int(self.keys.searchsorted(key))
        if at == len(self.keys) or self.keys[at] != key:
            return self.places[:0]
        return self.places[self.starts[at] : self.starts[at + 1]]

    def matching(self, wanted: Wanted, keys: Sequence[int]) -> NDArray[np.int64]:
        """Rows where every condition holds but `before`, ascending. `keys` are those of the terms."""
        since, until = self.time.searchsorted([wanted.since_ms, wanted.until_ms]).tolist()
        postings = sorted(map(self.posting, keys), key=len)
        if postings:
            few = postings[0]
            rows = few[few.searchsorted(since) : few.searchsorted(until)].astype(np.int64)
            for posting in postings[1:]:
                rows = _common(rows, posting)
            if wanted.outcomes:
                rows = rows[_asked(wanted)[self.outcome[rows]]]
        elif wanted.outcomes:
            rows = since + np.flatnonzero(_asked(wanted)[self.outcome[since:until]])
        else:
            rows = np.arange(since, until)
        if wanted.min_score > 0:
            rows = rows[self.score[rows] >= wanted.min_score]
        if wanted.since_offset:
            rows = rows[self.offset[rows] >= wanted.since_offset]
        if wanted.min_amount is not None:
            rows = rows[self.amount[rows] >= wanted.min_amount]
        return rows

    def before(self, rows: NDArray[np.int64], place: tuple[int, int] | None) -> NDArray[np.int64]:
        """Those of ascending rows that stand before an event time and offset."""
        if place is None:
            return rows
        time_ms, offset = place
        times = self.time[rows]
        earlier, same = np.searchsorted(times, time_ms), np.searchsorted(times, time_ms, "right")
        return rows[: earlier + np.searchsorted(self.offset[rows[earlier:same]], offset)]


def _asked(wanted: Wanted) -> NDArray[np.bool_]:
    """By strictness, whether an outcome is wanted."""
    return np.array([outcome in wanted.outcomes for outcome in OUTCOMES])


def _common(few: NDArray[np.int64], many: NDArray[np.int32]) -> NDArray[np.int64]:
    """Those of ascending rows that are among others, ascending too."""
    if not len(many):
        return few[:0]
    return few[many[many.searchsorted(few).clip(max=len(many) - 1)] == few]


def build(table: pa.Table, seed: int) -> tuple[pa.Table, dict[str, Any]]:
    """Rows in the order of a piece, and its arrays by name."""
    time, offset = (table.column(name).to_numpy() for name in ("event_time_ms", "offset"))
    order = np.lexsort((offset, time))
    if (order != np.arange(len(order))).any():
        table = table.take(order)
    keys, places = terms_of(table, seed)
    ranked = np.argsort(keys, kind="stable")
    keys, places = keys[ranked], places[ranked]
    firsts = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1)) if len(keys) else np.empty(0, np.int64)
    outcome = table.column("outcome").combine_chunks().dictionary_encode()
    strictness = np.array([OUTCOMES.index(name) for name in outcome.dictionary.to_pylist()], np.int8)
    return table, {
        "time": table.column("event_time_ms").to_numpy(),
        "offset": table.column("offset").to_numpy(),
        "amount": table.column("amount").to_numpy(),
        "outcome": strictness[outcome.indices.to_numpy()],
        "score": table.column("score").to_numpy().astype(np.float32),
        "keys": keys[firsts],
        "starts": np.append(firsts, len(keys)).astype(np.int64),
        "places": places,
    }


def in_memory(table: pa.Table, seed: int) -> Piece:
    """The piece of some rows."""
    ordered, arrays = build(table, seed)
    return Piece(**arrays, listing=TableListing(ordered))
