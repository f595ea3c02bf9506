"""Which fields, and which pairs of them, are worth a label rate: told from the first part of a history.

A field is worth one where the share of fraud among earlier payments with its value, as far as known by then,
says something of later ones; a pair where it says more than its two fields by themselves. What is proposed
here is measured by the engine, and a model may still leave it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.events.model import ATTRIBUTE_PREFIX, CATEGORY_FIELDS, ID_FIELDS, START_DAY_PREFIX
from ringfence.features.durations import DAY_MS, HOUR_MS
from ringfence.learning.choosing.ages import ages
from ringfence.learning.choosing.earlier_rates import (
    SeenPayments,
    gained,
    is_repeated,
    known_before,
    payer_of,
    rated,
    share_known,
)
from ringfence.learning.choosing.pair_choice import WORTH, chosen_pairs, habits_of, naming
from ringfence.learning.data.history import NEVER, Labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch

    Codes = NDArray[np.int64]
    Floats = NDArray[np.float64]

MOST_FIELDS: Final = 12
_FEW_KINDS: Final = 64  # of a number: trees tell so few values apart by themselves
_LOOKED_AT: Final = 0.6  # share of a history; its last fifth is the test, unless somebody says otherwise
_MOST_ROWS: Final = 250_000
_LEAST_FRAUDS: Final = 20
_SPELL: Final = 3  # frauds that follow each other at one place
_NO_IDS: Final = frozenset({"transaction_id", "event_id", "original_id", "currency"})


@dataclass(frozen=True, slots=True)
class Keys:
    """What a first look at a history proposes.

    Attributes:
        fields: worth a label rate, the best first; names as columns of events.
        pairs: likewise.
        payer: the one of the pairs that nearly names whoever pays, or else the field that does; empty
            where none does.
        habits: fields in which payments of such a payer agree: another value than before is news.
        tried: how many fields and pairs were looked at.
        spell_ms: how long a place that sees frauds keeps seeing them, None where that cannot be told.
    """

    fields: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    tried: int = 0
    spell_ms: int | None = None
    payer: tuple[str, ...] = ()
    habits: tuple[str, ...] = ()


def proposed(
    first: Sequence[EventBatch],
    delay_ms: int,
    seed: int = 0,
    before_ms: int | None = None,
    without: frozenset[str] = frozenset(),
) -> Keys:
    """Fields and pairs that tell of later payments, within the first part of a history.

    Nothing is proposed where too few frauds are known yet, nor any of the fields `without`. What happened or
    became known from `before_ms` on is not looked at.
    """
    seen = _seen(first, delay_ms, seed, before_ms, without)
    if seen is None:
        return Keys()
    prior = share_known(seen)
    alone = {name: rated(seen, known_before(seen, codes), prior) for name, codes in seen.codes.items()}
    worth = {name: gained(seen, rate, prior) for name, rate in alone.items()}
    order = sorted(worth, key=lambda name: -worth[name])
    fields = tuple(
        name
        for name in order
        if worth[name] >= WORTH and (name in seen.texts or len(np.unique(seen.codes[name])) > _FEW_KINDS)
    )[:MOST_FIELDS]
    pairs, tried = chosen_pairs(seen, order, alone, prior)
    payer = naming(seen, pairs)
    habits = habits_of(seen, payer) if payer else ()
    return Keys(fields, pairs, len(worth) + tried, _spell_ms(seen), payer, habits)


def first_part(
    history: Iterator[EventBatch], share: Callable[[], float], before_ms: int | None = None
) -> list[EventBatch]:
    """Batches from the beginning, with payments at least in the last of them.

    Until `share` of the history is over, enough is seen, or an event is as late as `before_ms`: what is
    tested on later has no part in what is chosen.
    """
    first, payments = [], 0
    for events in history:
        first.append(events)
        payments += int(np.count_nonzero(events.is_transaction))
        late = before_ms is not None and len(events) and int(events.event_time_ms.max()) >= before_ms
        if payments and (late or share() >= _LOOKED_AT or payments >= _MOST_ROWS):
            break
    return first


def most_of_ms(first: Sequence[EventBatch]) -> int | None:
    """When the part of a whole history is over that may be looked at; None without payments."""
    times = np.concatenate([np.empty(0, np.int64), *(one.event_time_ms[one.is_transaction] for one in first)])
    return int(np.quantile(times, _LOOKED_AT)) if len(times) else None


def looked_until_ms(first: Sequence[EventBatch], before_ms: int | None = None) -> int:
    """The moment after the last event that was looked at."""
    return min(max(int(one.event_time_ms.max()) for one in first if len(one)) + 1, before_ms or NEVER)


def usual_delay_ms(first: Sequence[EventBatch], seed: int) -> int | None:
    """How long after their payments 95 of 100 labels came, in whole hours; None without any."""
    labels = Labels()
    for events in first:
        labels.add(events, seed)
    wanted, known_ms, _ = labels.arrays()
    made: dict[int, int] = {}
    for events in (one.take(one.is_transaction) for one in first):
        ids, times = events.hashes("transaction_id", seed).tolist(), events.event_time_ms.tolist()
        made.update(zip(ids, times, strict=True))
    told = zip(wanted.tolist(), known_ms.tolist(), strict=True)
    waited = [late - made[one] for one, late in told if one in made]
    if not waited:
        return None
    usual = int(np.quantile(np.maximum(waited, 0), 0.95, method="inverted_cdf"))
    return -(-usual // HOUR_MS) * HOUR_MS


def is_rate_key(name: str) -> bool:
    """Whether a column of events may be a key of its own."""
    named = name in ID_FIELDS or name in CATEGORY_FIELDS or name.startswith(ATTRIBUTE_PREFIX)
    return named and name not in _NO_IDS


def _seen(
    first: Sequence[EventBatch], delay_ms: int, seed: int, before_ms: int | None, without: frozenset[str]
) -> SeenPayments | None:
    labels = Labels()
    for events in first:
        labels.add(events, seed)
    batches = [events.take(events.is_transaction) for events in first]
    batches = [one for one in batches if len(one)]
    if not batches:
        return None
    time_ms = np.concatenate([one.event_time_ms for one in batches])
    ids = np.concatenate([one.hashes("transaction_id", seed) for one in batches])
    last_ms = min(int(time_ms.max()), before_ms or NEVER)
    mature = np.flatnonzero(time_ms <= last_ms - delay_ms)[-_MOST_ROWS:]
    mature = mature[np.argsort(time_ms[mature], kind="stable")]
    fraud = _frauds(labels, ids, before_ms or NEVER)[mature]
    if fraud.sum() < _LEAST_FRAUDS or fraud.all():
        return None
    names = dict.fromkeys(name for one in batches for name in (*one.table.schema.names, *one.attribute_names))
    codes, texts = {}, set()
    for name in names:
        if is_rate_key(name) and name not in without:
            found = _codes(batches, name, seed)[mature]
            if is_repeated(found):
                codes[name] = found
                if not any(np.isfinite(one.number(name)).any() for one in batches):
                    texts.add(name)
    times = time_ms[mature]
    for name in _ages(batches, codes, times, mature, without):
        codes[name] = np.concatenate([one.hashes(name, seed) for one in batches])[mature]
    return SeenPayments(times, fraud, codes, frozenset(texts), delay_ms)


def _ages(
    batches: Sequence[EventBatch],
    codes: Mapping[str, Codes],
    times: NDArray[np.int64],
    mature: NDArray[np.int64],
    without: frozenset[str],
) -> list[str]:
    """Start days of the numbers that are ages of whoever pays, or else of the most varied field."""
    payer = payer_of(codes)
    if payer is None:
        return []
    names = dict.fromkeys(name for one in batches for name in one.attribute_names if name not in without)
    numbers = ((name, np.concatenate([one.number(name) for one in batches])[mature]) for name in names)
    return [START_DAY_PREFIX + name for name in ages(codes[payer], times, numbers)]


def _frauds(labels: Labels, ids: Codes, before_ms: int) -> NDArray[np.bool_]:
    wanted, known_ms, fraud = labels.arrays()
    early = known_ms < before_ms
    last = dict(zip(wanted[early].tolist(), fraud[early].tolist(), strict=True))
    return np.array([last.get(one, False) for one in ids.tolist()], np.bool_)


def _codes(batches: Sequence[EventBatch], name: str, seed: int) -> Codes:
    """Hashes of texts and whole numbers, 0 for null; all 0 where there are fractions."""
    found = []
    for one in batches:
        numbers = one.number(name) if name.startswith(ATTRIBUTE_PREFIX) else np.empty(0)
        known = numbers[~np.isnan(numbers)]
        if (known != np.rint(known)).any():
            return np.zeros(sum(len(each) for each in batches), np.int64)
        found.append(one.hashes(name, seed))
    return np.concatenate(found)


def _spell_ms(seen: SeenPayments) -> int | None:
    """How long frauds that are at most a week apart go on at one place, nine times of ten."""
    found: list[Any] = []
    for name in ("terminal_id", "merchant_id", "device_id", "counterparty_id"):
        if name not in seen.codes:
            continue
        rows = np.flatnonzero(seen.fraud & (seen.codes[name] != 0))
        rows = rows[np.argsort(seen.codes[name][rows], kind="stable")]
        codes, times = seen.codes[name][rows], seen.time_ms[rows]
        border = np.flatnonzero((np.diff(codes) != 0) | (np.diff(times) > 7 * DAY_MS)) + 1
        for begin, end in zip([0, *border], [*border, len(rows)], strict=True):
            if end - begin >= _SPELL:
                found.append(times[end - 1] - times[begin])
    if len(found) < _LEAST_FRAUDS:
        return None
    return int(np.quantile(found, 0.9))
