"""A history as a training set: every payment's inputs as they were when it was decided.

There is no second implementation of a feature: `collect` goes down the same events in the same order as a run
does, and keeps what it sees. Labels are kept with the time at which each entered the log.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ringfence.decisions.policy import Weights
from ringfence.events.model import ATTRIBUTE_PREFIX, CATEGORY_FIELDS, Kind
from ringfence.events.truth import source_ranks
from ringfence.scoring.artifacts.inputs import number_of
from ringfence.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.columns import Columns
    from ringfence.scoring.rulesets.rules import CompiledRules

ENTITIES: Final = ("customer", "card", "account")
"""Whose fraud is counted once a day: the first of these that the payments carry."""

NEVER: Final = np.iinfo(np.int64).max
"""When a label became known that never did."""

MIN_GOOD_SHARE: Final = 0.1
"""Labels that say good, of all payments or of a source's, from which on these tell of good as a rule."""

MIN_OF_EACH: Final = 10
"""Frauds, and good payments, that a source has to have named before both count as told."""

EVENT_NUMBERS: Final = ("amount", "cents", "hour", "weekday")
_MOST_WORDS: Final = 256
_LATE_MS: Final = 86_400_000


class Passed(NamedTuple):
    """Events of a history, with their features (features, transactions) where a store has them already."""

    events: EventBatch
    features: NDArray[np.float64] | None = None


@dataclass(slots=True)
class Labels:
    """Label events in log order: of which transaction (hash), known when, fraud or not.

    `sources` of labels, from the one that counts most.
    """

    sources: Sequence[str] = ()
    transaction: list[NDArray[np.int64]] = field(default_factory=list)
    known_ms: list[NDArray[np.int64]] = field(default_factory=list)
    fraud: list[NDArray[np.bool_]] = field(default_factory=list)
    ranks: list[NDArray[np.int64]] = field(default_factory=list)
    source: list[NDArray[np.int64]] = field(default_factory=list)  # hashes, 0 for none
    newest_ms: int = 0  # of the payments passed
    late: int = 0  # came behind payments made more than a day after they were known

    def add(self, events: EventBatch, seed: int) -> None:
        """Keep the labels of a batch."""
        rows = events.kind == Kind.LABEL
        if rows.any():
            labels = events.take(rows)
            self.late += int(np.count_nonzero(labels.event_time_ms < self.newest_ms - _LATE_MS))
            self.transaction.append(labels.hashes("transaction_id", seed))
            self.known_ms.append(labels.event_time_ms)
            self.fraud.append(np.array([bool(told) for told in labels.column("label").to_pylist()]))
            self.ranks.append(source_ranks(labels.column("label_source"), self.sources))
            self.source.append(labels.hashes("label_source", seed))
        times = events.event_time_ms[events.is_transaction]
        self.newest_ms = max(self.newest_ms, int(times.max(initial=0)))

    def settling(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Transactions (hash), and when known, of labels from sources that tell of fraud and of good alike.

        A desk that closes cases is one: what it looked at is labelled within hours, whichever it was. A
        source of chargebacks is none.
        """
        empty = np.empty(0, np.int64)
        source, fraud = np.concatenate([empty, *self.source]), np.concatenate([empty, *self.fraud]) != 0
        names, place = np.unique(source, return_inverse=True)
        each = [np.bincount(place[kind], minlength=len(names)) for kind in (fraud, ~fraud)]
        both = (np.minimum(*each) >= MIN_OF_EACH) & (each[1] >= MIN_GOOD_SHARE * (each[0] + each[1]))
        told = (both & (names != 0))[place] if len(names) else np.empty(0, np.bool_)
        return np.concatenate([empty, *self.transaction])[told], np.concatenate([empty, *self.known_ms])[told]

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """All of them, the strongest source last, and of one source in order of becoming known."""
        transaction = np.concatenate([np.empty(0, np.int64), *self.transaction])
        known_ms = np.concatenate([np.empty(0, np.int64), *self.known_ms])
        fraud = np.concatenate([np.empty(0, np.bool_), *self.fraud])
        order = np.lexsort((known_ms, -np.concatenate([np.empty(0, np.int64), *self.ranks])))
        return transaction[order], known_ms[order], fraud[order]


@dataclass(slots=True)
class Collected:
    """What one pass over a history kept, batch by batch; `learning.data.dataset` makes one table of it."""

    spec: FeatureSpec
    rows: int = 0
    features: list[NDArray[np.float32]] = field(default_factory=list)
    times: list[NDArray[np.int64]] = field(default_factory=list)
    transactions: list[NDArray[np.int64]] = field(default_factory=list)
    entities: dict[str, list[NDArray[np.int64]]] = field(default_factory=lambda: defaultdict(list))
    numbers: dict[str, list[tuple[int, NDArray[np.float32]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    words: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    codes: dict[str, list[tuple[int, NDArray[np.int16]]]] = field(default_factory=lambda: defaultdict(list))
    no_numbers: set[str] = field(default_factory=set)  # attributes with texts that are no numbers
    points: list[NDArray[np.float64]] = field(default_factory=list)
    outcomes: list[NDArray[np.int8]] = field(default_factory=list)
    labels: Labels = field(default_factory=Labels)
    left_out: int = 0  # payments, the oldest, for which there was no room

    @property
    def nbytes(self) -> int:
        """Memory of what is kept of the payments."""
        numbers = (part.nbytes for parts in self.numbers.values() for _, part in parts)
        codes = (part.nbytes for parts in self.codes.values() for _, part in parts)
        return sum(part.nbytes for part in self.features) + sum(numbers) + sum(codes)

    def drop_oldest(self) -> None:
        """Give up the first batch of payments; labels stay, some of which are of nobody then."""
        gone = self.features.pop(0).shape[1]
        self.rows -= gone
        self.left_out += gone
        lists: list[list[NDArray[Any]]] = [self.times, self.transactions, *self.entities.values()]
        for parts in (*lists, self.points, self.outcomes):
            if parts:
                del parts[0]
        for columns in (self.numbers, self.codes):
            for name, known in columns.items():
                shifted: list[Any] = [(begin - gone, values) for begin, values in known if begin >= gone]
                columns[name] = shifted

    def forget(self, names: Iterable[str]) -> None:
        """Give up attributes and categories that are not to be learned from."""
        for name in names:
            for kept in (self.numbers, self.words, self.codes):
                kept.pop(name, None)


def collect(
    history: Iterable[Passed],
    spec: FeatureSpec,
    rules: CompiledRules | None = None,
    *,
    seed: int = 0,
    wanted: frozenset[str] | None = None,
    label_sources: Sequence[str] = (),
    most_bytes: Callable[[], int] | None = None,
) -> Collected:
    """Take a history from its beginning; `rules`, if given, are judged beside, for comparison.

    `wanted` limits attributes and categories to those that a model's inputs name. `label_sources` tells whose
    label counts where two differ, the strongest first. `most_bytes`, asked now and then, is the memory that
    may be taken: where it is not enough, the oldest payments are left out.
    """
    kept = Collected(spec, labels=Labels(label_sources))
    weights = None if rules is None else Weights(rules)
    for payments, columns in passing(history, spec, seed, kept.labels):
        _keep(kept, payments, columns, seed, wanted)
        if rules is not None and weights is not None:
            judged = weights.apply(rules.judge(columns))
            kept.points.append(judged.score)
            kept.outcomes.append(judged.outcome)
        kept.rows += len(payments)
        if most_bytes is not None:
            _make_room(kept, most_bytes())
    return kept


def _make_room(kept: Collected, most: int) -> None:
    size = kept.nbytes
    while size > most and len(kept.features) > 1:
        kept.drop_oldest()
        size = kept.nbytes


def passing(
    history: Iterable[Passed], spec: FeatureSpec, seed: int, labels: Labels
) -> Iterator[tuple[EventBatch, Columns]]:
    """Payments in order, each run of them with its columns; labels passed are kept."""
    walk = Walk(spec, seed)
    for events, stored in history:
        labels.add(events, seed)
        for run in walk.over(events, stored):
            yield run.payments, run.columns()


def _keep(
    kept: Collected, payments: EventBatch, columns: Columns, seed: int, wanted: frozenset[str] | None
) -> None:
    kept.features.append(columns.features.astype(np.float32))
    kept.times.append(payments.event_time_ms)
    kept.transactions.append(payments.hashes("transaction_id", seed))
    for entity in ENTITIES:
        kept.entities[entity].append(payments.hashes(f"{entity}_id", seed))
    for name in EVENT_NUMBERS:
        kept.numbers[name].append((kept.rows, columns.number(name).astype(np.float32)))
    categories = [name for name in payments.table.schema.names if name in CATEGORY_FIELDS]
    for name in (*categories, *payments.attribute_names):
        if wanted is not None and name not in wanted:
            continue
        if payments.text(name).null_count == len(payments):
            kept.numbers[name].append((kept.rows, columns.number(name).astype(np.float32)))
            continue
        _keep_codes(kept, columns, name)
        if name.startswith(ATTRIBUTE_PREFIX):
            _keep_numbers_in_text(kept, columns, name)


def _keep_codes(kept: Collected, columns: Columns, name: str) -> None:
    """A text column as codes into the field's words; -1 for null, -2 for words beyond the first 256."""
    text, known = columns.text(name), kept.words[name]
    for word in text.words:
        if word is not None and len(known) < _MOST_WORDS:
            known.setdefault(word, len(known))
    table = np.array([-1 if word is None else known.get(word, -2) for word in text.words] + [-1], np.int16)
    codes = np.broadcast_to(table[text.codes], len(columns))
    kept.codes[name].append((kept.rows, codes))


def _keep_numbers_in_text(kept: Collected, columns: Columns, name: str) -> None:
    """What CSV has as text may be a number in truth: it is one as long as every value of it is."""
    if name in kept.no_numbers:
        return
    known = columns.text(name)
    values = number_of(columns, name)
    if np.isnan(values[np.broadcast_to(known.codes, len(columns)) >= 0]).any():
        kept.no_numbers.add(name)
        kept.numbers.pop(name, None)
    else:
        kept.numbers[name].append((kept.rows, values.astype(np.float32)))
