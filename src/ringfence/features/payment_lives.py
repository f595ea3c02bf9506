"""What became of payments: which payment an action belongs to, and how much money it moves.

An action finds its payment if that stands before it in the log and the stream's clock has gone on by at most
`MEMORY_MS` since. One in another currency than its payment moves nothing that could be added up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ringfence.compiling import compiled
from ringfence.events.batch import NULL_INT
from ringfence.events.model import ACTIONS
from ringfence.features.durations import DAY_MS
from ringfence.features.spec import ACTED, MOVED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MEMORY_MS: Final = 200 * DAY_MS
"""How long a payment is remembered: longer than a chargeback may take."""

_FIELDS: Final = (*MOVED, *ACTED)
_AUTHORISED, _CAPTURED, _REVERSED, _REFUNDED, _CHARGED_BACK, _REPRESENTED, _NET = (
    _FIELDS.index(name)
    for name in ("authorised", "captured", "reversed", "refunded", "charged_back", "represented", "net")
)
_FIRST_COUNT: Final = len(MOVED)
_INCREMENT, _CAPTURE, _REVERSAL, _REFUND, _CHARGEBACK, _REPRESENTMENT = range(len(ACTIONS))
_FIRST_ROOM: Final = 1024


class KnownPayments(NamedTuple):
    """Some payments: hashes of their ids, hashes of their keys (n, keys), of their currencies; amounts."""

    ids: NDArray[np.int64]
    keys: NDArray[np.int64]
    currencies: NDArray[np.int64]
    amounts: NDArray[np.int64]  # thousandths of a major unit, NULL_INT for null
    clock: NDArray[np.int64]  # the stream's after each, ms


class Remembered:
    """Payments of the last `MEMORY_MS`, in log order, found by the hash of their id.

    Rows are numbered from the beginning of the log on. The index is sorted runs whose sizes double: to add n
    payments costs O(n log n) in total, whatever the batches.
    """

    def __init__(self, keys: int) -> None:
        self._first = 0  # number of the oldest row kept
        self._end = 0
        self._rows = np.empty((_FIRST_ROOM, 6 + keys), np.int64)
        self._runs: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []

    @property
    def end(self) -> int:
        """Number of the next payment."""
        return self._end

    def add(self, payments: KnownPayments, now_ms: int | None) -> None:
        """Remember these, and forget those whose time had come when the stream's clock was `now_ms`."""
        count = len(payments.ids)
        if not count:
            return
        if now_ms is not None:
            self._forget(now_ms - MEMORY_MS)
        at = self._room(count)
        new = self._rows[at : at + count]
        new[:, 0], new[:, 1], new[:, 2] = payments.ids, payments.clock, payments.currencies
        new[:, 3] = np.where(payments.amounts == NULL_INT, 0, payments.amounts)
        new[:, 4:6] = 0
        new[:, 6:] = payments.keys
        self._index(payments.ids, np.arange(self._end, self._end + count))
        self._end += count

    def find(
        self, ids: NDArray[np.int64], before: NDArray[np.int64], clock: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The row of each payment as of a place in the log and a time, -1 where it is not known, int64 (n,).

        `before` is the number of the first payment behind the place.
        """
        found = np.full(len(ids), -1)
        for sorted_ids, numbers in self._runs:
            at = np.minimum(np.searchsorted(sorted_ids, ids), len(sorted_ids) - 1)
            found = np.where(sorted_ids[at] == ids, np.maximum(found, numbers[at]), found)
        known = (found >= self._first) & (found < before)
        places = np.where(known, found - self._first, 0)
        known &= clock - self._rows[places, 1] <= MEMORY_MS
        return np.where(known, places, -1)

    def keys(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Hashes of the keys of payments that were found, (n, keys)."""
        return self._rows[places, 6:]

    def act(
        self,
        places: NDArray[np.int64],
        actions: NDArray[np.int64],
        amounts: NDArray[np.int64],
        currencies: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """What actions on payments that were found move, in order: (fields of `FIELDS`, n)."""
        out = np.full((len(_FIELDS), len(places)), NULL_INT)
        _act(self._rows, places, actions, amounts, currencies, out)
        return out

    def _forget(self, until_ms: int) -> None:
        """What is too old; rows move only once half of them are."""
        kept = self._rows[: self._end - self._first, 1]
        old = int(np.searchsorted(kept, until_ms))
        if old > _FIRST_ROOM and 2 * old > len(kept):
            self._rows[: len(kept) - old] = self._rows[old : len(kept)].copy()
            self._first += old
            numbers = np.arange(self._first, self._end)
            self._runs = []
            if len(numbers):
                self._index(self._rows[: len(numbers), 0].copy(), numbers)

    def _room(self, count: int) -> int:
        used = self._end - self._first
        if used + count > len(self._rows):
            larger = np.empty((max(2 * len(self._rows), used + count), self._rows.shape[1]), np.int64)
            larger[:used] = self._rows[:used]
            self._rows = larger
        return used

    def _index(self, ids: NDArray[np.int64], numbers: NDArray[np.int64]) -> None:
        order = np.argsort(ids, kind="stable")
        ids, numbers = ids[order], numbers[order]
        while self._runs and len(self._runs[-1][0]) <= 2 * len(ids):
            older_ids, older = self._runs.pop()
            ids, numbers = np.append(older_ids, ids), np.append(older, numbers)
            order = np.argsort(ids, kind="stable")
            ids, numbers = ids[order], numbers[order]
        self._runs.append((ids, numbers))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it, for a snapshot."""
        return {"rows": self._rows[: self._end - self._first], "place": np.array([self._first, self._end])}

    @classmethod
    def from_arrays(cls, keys: int, arrays: Mapping[str, NDArray[Any]]) -> Remembered:
        """The one whose `arrays` these were."""
        made = cls(keys)
        made._first, made._end = arrays["place"].tolist()
        rows = np.array(arrays["rows"], np.int64).reshape(-1, 6 + keys)
        if made._end - made._first != len(rows):
            raise ValueError("rows of payments and their numbers do not fit together")
        if len(rows):  # otherwise the room of a new one stays: `find` looks at a row in any case
            made._rows = rows
            made._index(rows[:, 0].copy(), np.arange(made._first, made._end))
        return made


FIELDS: Final = _FIELDS
"""Rows of what `Remembered.act` gives."""


@compiled(nogil=True)
def _net(authorised: int, captured: int, reversed_: int) -> int:
    """What captures bring; a reversal takes first what was not captured."""
    return captured - max(0, reversed_ - max(0, authorised - captured))


@compiled(nogil=True)
def _act(
    rows: NDArray[np.int64],
    places: NDArray[np.int64],
    actions: NDArray[np.int64],
    amounts: NDArray[np.int64],
    currencies: NDArray[np.int64],
    out: NDArray[np.int64],
) -> None:
    for at in range(len(places)):
        payment, action, amount = rows[places[at]], actions[at], amounts[at]
        if action >= _CAPTURE:
            out[_FIRST_COUNT + action - _CAPTURE, at] = 1
        if amount == NULL_INT or (currencies[at] != payment[2] and currencies[at] != 0 and payment[2] != 0):
            continue
        before = _net(payment[3], payment[4], payment[5])
        if action == _INCREMENT:
            payment[3] += amount
            out[_AUTHORISED, at] = amount
        elif action == _CAPTURE:
            payment[4] += amount
            out[_CAPTURED, at] = amount
        elif action == _REVERSAL:
            payment[5] += amount
            out[_AUTHORISED, at] = -amount
            out[_REVERSED, at] = amount
        net = _net(payment[3], payment[4], payment[5]) - before
        if action == _REFUND:
            out[_REFUNDED, at] = amount
            net -= amount
        elif action == _CHARGEBACK:
            out[_CHARGED_BACK, at] = amount
            net -= amount
        elif action == _REPRESENTMENT:
            out[_REPRESENTED, at] = amount
            net += amount
        out[_NET, at] = net
