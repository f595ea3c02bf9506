"""One table of a collected history: inputs, labels with the time they became known, and who paid."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.errors import InputError
from ringfence.learning.data.history import ENTITIES, MIN_GOOD_SHARE, NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.learning.data.history import Collected, Labels
    from ringfence.learning.measures.metrics import Floats

MIN_WORD_SHARE: Final = 0.005
MOST_INDICATORS: Final = 24
"""Of one field: its most frequent values, each in at least 1 of 200 payments."""

_BLOCK: Final = 65_536  # payments scored at a time


@dataclass(frozen=True)
class Dataset:
    """Payments in log order, n of them.

    Attributes:
        names: of the inputs, k of them.
        inputs: float32 (k, n), NaN where unknown; one row per input. Half the memory of the engine's float64,
            and finer than any split that data can choose.
        time_ms: event times.
        entity: whose payment it is, a hash; 0 for nobody's.
        fraud_known_ms: when a label first said fraud, `NEVER` if none did.
        cleared_ms: when the label that counts said good, `NEVER` if it did not.
        points: risk score of the rules alone, None where no rules were asked.
        outcome: strictness of the rules' outcome alone, likewise.
        unmatched: labels whose transaction is not here.
        late: labels, out of `told`, that came behind payments made after they were known.
        left_out: payments, the oldest, for which there was no room.
        untold: text fields of which no value is frequent: no input says what theirs is.
        same: text fields that have one value wherever they have any.
        made_of: of inputs that the engine measures, the fields of events that they are made of.
        settled_ms: when a source that tells of fraud and of good alike, such as a desk that closes cases,
            first labelled the payment; `NEVER` if none did. None where there is no such source.
    """

    names: tuple[str, ...]
    inputs: NDArray[Any]
    time_ms: NDArray[np.int64]
    entity: NDArray[np.int64]
    fraud_known_ms: NDArray[np.int64]
    cleared_ms: NDArray[np.int64]
    points: NDArray[np.float64] | None = None
    outcome: NDArray[np.int8] | None = None
    unmatched: int = 0
    late: int = 0
    told: int = 0
    left_out: int = 0
    untold: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    made_of: Mapping[str, frozenset[str]] = field(default_factory=dict)
    settled_ms: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.time_ms)

    @property
    def amount(self) -> NDArray[np.float64]:
        """In major units, NaN where unknown."""
        return self.inputs[self.names.index("amount")].astype(np.float64)

    def fraud_at(self, cut_off_ms: int) -> NDArray[np.bool_]:
        """Payments known to be fraud at this time."""
        return (self.fraud_known_ms <= cut_off_ms) & (self.cleared_ms > cut_off_ms)

    def told_at(self, cut_off_ms: int) -> NDArray[np.bool_]:
        """Payments of which a label said either at this time: fraud or good."""
        return (self.fraud_known_ms <= cut_off_ms) | (self.cleared_ms <= cut_off_ms)

    def settled_at(self, cut_off_ms: int) -> NDArray[np.bool_]:
        """Payments whose label need not be waited for: a source that tells of both kinds has labelled them.

        Where labels name good payments as a rule, any label settles one.
        """
        if self.tells_good:
            return self.told_at(cut_off_ms)
        if self.settled_ms is None:
            return np.zeros(len(self), np.bool_)
        return self.told_at(cut_off_ms) & (self.settled_ms <= cut_off_ms)

    @cached_property
    def tells_good(self) -> bool:
        """Whether labels name good payments as a rule: one without a label is unknown then, not good.

        A desk that clears what it reviewed names few; a file with a word for good names many.
        """
        return float(np.mean(self.cleared_ms < NEVER)) >= MIN_GOOD_SHARE

    @cached_property
    def told_before(self) -> int:
        """Payments with a label that is older than they are."""
        return int(np.count_nonzero(np.minimum(self.fraud_known_ms, self.cleared_ms) < self.time_ms))

    @cached_property
    def maturity_ms(self) -> int:
        """How long after the payment 95 of 100 reports of fraud have come; 0 without any."""
        known = self.fraud_known_ms < NEVER
        if not known.any():
            return 0
        delays = np.maximum(self.fraud_known_ms[known] - self.time_ms[known], 0)
        return int(np.quantile(delays, 0.95, method="inverted_cdf"))

    @cached_property
    def of_known_victim(self) -> NDArray[np.bool_]:
        """Payments of an entity of which a fraud was known already when they were made."""
        known = np.flatnonzero((self.fraud_known_ms < NEVER) & (self.entity != 0))
        names, inverse = np.unique(self.entity[known], return_inverse=True)
        since = np.full(len(names) + 1, NEVER)
        np.minimum.at(since, inverse, self.fraud_known_ms[known])
        place = np.searchsorted(names, self.entity)
        found = np.append(names, 0)[place] == self.entity
        return np.asarray(found & (self.entity != 0) & (since[place] <= self.time_ms))

    def scored(
        self, score: Callable[[NDArray[np.float64]], Floats], rows: NDArray[np.int64], names: Sequence[str]
    ) -> Floats:
        """What a function makes of the inputs of some payments, in order, a block at a time."""
        blocks = [rows[at : at + _BLOCK] for at in range(0, len(rows), _BLOCK)]
        return np.concatenate([np.empty(0), *(score(self.matrix(block, names)) for block in blocks)])

    def matrix(
        self, rows: NDArray[np.int64], names: Sequence[str], dtype: type[np.floating[Any]] = np.float64
    ) -> NDArray[Any]:
        """Inputs of some payments, (len(rows), len(names)), contiguous by column."""
        found = np.empty((len(names), len(rows)), dtype)
        for place, name in enumerate(names):
            found[place] = self.inputs[self.names.index(name)][rows]
        return found.T


def dataset(kept: Collected, names: Sequence[str] | None = None) -> Dataset:
    """The table of what was collected; its batches are given up as it is made.

    `names` are the inputs wanted; by default all features but ids, numbers and frequent words.
    """
    if not kept.rows:
        raise InputError("there are no payments to learn from: check the source, its mapping and the period")
    wanted = tuple(names) if names is not None else _all_names(kept)
    bare = [name for name in kept.codes if name not in kept.numbers and not _indicators(kept, name)]
    untold = tuple(name for name in bare if len(kept.words[name]) > 1)
    same = tuple(name for name in bare if name not in untold)
    inputs = np.empty((len(wanted), kept.rows), np.float32)
    _fill_features(kept, wanted, inputs)
    for row, name in enumerate(wanted):
        if name not in kept.spec.names:
            inputs[row] = _column(kept, name)
            kept.numbers.pop(name, None)
    time_ms = np.concatenate(kept.times)
    fraud_known_ms, cleared_ms, unmatched = known_of(np.concatenate(kept.transactions), kept.labels)
    return Dataset(
        wanted,
        inputs,
        time_ms,
        _entity(kept),
        fraud_known_ms,
        cleared_ms,
        np.concatenate(kept.points) if kept.points else None,
        np.concatenate(kept.outcomes) if kept.outcomes else None,
        unmatched,
        kept.labels.late,
        sum(map(len, kept.labels.transaction)),
        kept.left_out,
        untold,
        same,
        kept.spec.fields_of,
        _settled_ms(np.concatenate(kept.transactions), kept.labels),
    )


def _settled_ms(transactions: NDArray[np.int64], labels: Labels) -> NDArray[np.int64] | None:
    """Per transaction when it was first settled; None where nothing settles any."""
    settled, known_ms = labels.settling()
    names, place = np.unique(settled, return_inverse=True)
    if not len(names):
        return None
    first = np.full(len(names) + 1, NEVER)
    np.minimum.at(first, place, known_ms)
    at = np.searchsorted(names, transactions)
    return np.where(np.append(names, 0)[at] == transactions, first[at], NEVER)


def listed(names: Sequence[str], most: int = 8) -> str:
    """Some names, and how many more.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _all_names(kept: Collected) -> tuple[str, ...]:
    indicators = [name for field in kept.codes for name in _indicators(kept, field)]
    return (*kept.spec.quantities, *kept.numbers, *indicators)


def _indicators(kept: Collected, field: str) -> list[str]:
    """`field=value` of its frequent values, most frequent first; none where one value is all there is."""
    words = list(kept.words[field])
    codes = np.concatenate([codes for _, codes in kept.codes[field]])
    counts = np.bincount(codes[codes >= 0], minlength=len(words))
    order = np.argsort(-counts, kind="stable")[:MOST_INDICATORS]
    frequent = [words[at] for at in order if MIN_WORD_SHARE * kept.rows <= counts[at] < kept.rows]
    return [f"{field}={word}" for word in frequent]


def _fill_features(kept: Collected, wanted: Sequence[str], inputs: NDArray[np.float32]) -> None:
    row_of = {name: row for row, name in enumerate(wanted)}
    pairs = [(row_of[name], place) for place, name in enumerate(kept.spec.names) if name in row_of]
    target = np.array([row for row, _ in pairs], np.int64)
    source = np.array([place for _, place in pairs], np.int64)
    begin = 0
    for number, batch in enumerate(kept.features):
        end = begin + batch.shape[1]
        inputs[target, begin:end] = batch[source]
        kept.features[number] = np.empty((0, 0), np.float32)
        begin = end


def _column(kept: Collected, name: str) -> NDArray[np.float32]:
    found = np.full(kept.rows, np.nan, np.float32)
    field, is_indicator, word = name.partition("=")
    if not is_indicator:
        for begin, values in kept.numbers.get(name, []):
            found[begin : begin + len(values)] = values
        return found
    wanted = kept.words[field].get(word, -3) if field in kept.words else -3
    for begin, codes in kept.codes.get(field, []):
        found[begin : begin + len(codes)] = np.where(codes == -1, np.nan, codes == wanted).astype(np.float32)
    return found


def known_of(
    transactions: NDArray[np.int64], labels: Labels
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Per transaction (hash) when a label first said fraud and when the one that counts took it back.

    And how many labels are of other transactions.
    """
    count = len(transactions)
    order = np.argsort(transactions, kind="stable")
    wanted, known_ms, fraud = labels.arrays()
    first, cleared = np.full(count, NEVER), np.full(count, NEVER)
    if not len(wanted):
        return first, cleared, 0
    place = np.minimum(np.searchsorted(transactions[order], wanted), count - 1)
    rows = order[place]
    matched = (transactions[rows] == wanted) & (wanted != 0)
    rows, known_ms, fraud = rows[matched], known_ms[matched], fraud[matched]
    np.minimum.at(first, rows[fraud], known_ms[fraud])
    cleared[rows] = np.where(fraud, NEVER, known_ms)  # the one that counts is last: it stays
    return first, cleared, int(np.count_nonzero(~matched))


def _entity(kept: Collected) -> NDArray[np.int64]:
    """Hash of the first of `ENTITIES` that the payments carry."""
    found = np.zeros(kept.rows, np.int64)
    for name in ENTITIES:
        ids = np.concatenate(kept.entities[name])
        found = np.where(found == 0, ids, found)
    return found
