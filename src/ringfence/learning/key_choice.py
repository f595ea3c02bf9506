"""Which fields, and which pairs of them, are worth a label rate: told from the first part of a history.

A field is worth one where the share of fraud among earlier payments with its value, as far as known by then,
says something of later ones; a pair where it says more than its two fields by themselves. What is proposed
here is measured by the engine, and a model may still leave it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.events.model import ATTRIBUTE_PREFIX, CATEGORY_FIELDS, ID_FIELDS, START_DAY_PREFIX
from ringfence.features.durations import DAY_MS, HOUR_MS
from ringfence.learning.ages import ages
from ringfence.learning.history import NEVER, Labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch

    Codes = NDArray[np.int64]
    Floats = NDArray[np.float64]

MOST_FIELDS: Final = 12
MOST_PAIRS: Final = 10
_PAIRED: Final = (8, 3, 4)  # best texts, best numbers and most varied numbers, of which each pair is tried
_FEW_KINDS: Final = 64  # of a number: trees tell so few values apart by themselves
_LOOKED_AT: Final = 0.6  # share of a history; its last fifth is the test, unless somebody says otherwise
_MOST_ROWS: Final = 250_000
_LEAST_FRAUDS: Final = 20
_REPEATED: Final = 2.0  # payments a value has in the mean: below, it is nearly an id of the payment
_PRIORS: Final = (10.0, 60.0)  # payments that what is known without the value counts for
_WINDOWS: Final = 3
_FIRST_SHARE: Final = 0.4
_NEW_KINDS: Final = 1.05  # a pair has so many times the values of either field, or is one of them again
_WORTH: Final = 2.0  # nats that a rate has to be worth on later payments; luck gives less than one
_PAYERS: Final = ("customer_id", "card_id", "account_id")
_SPELL: Final = 3  # frauds that follow each other at one place
_NO_IDS: Final = frozenset({"transaction_id", "event_id", "original_id", "currency"})


@dataclass(frozen=True, slots=True)
class Keys:
    """What a first look at a history proposes.

    Attributes:
        fields: worth a label rate, the best first; names as columns of events.
        pairs: likewise.
        tried: how many fields and pairs were looked at.
        spell_ms: how long a place that sees frauds keeps seeing them, None where that cannot be told.
    """

    fields: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    tried: int = 0
    spell_ms: int | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """Payments that are old enough to have a label, in order of time."""

    time_ms: NDArray[np.int64]
    fraud: NDArray[np.bool_]
    codes: dict[str, Codes]
    texts: frozenset[str]  # names of those that are no numbers
    windows: list[tuple[NDArray[np.bool_], slice]]


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
    prior = _prior(seen)
    alone = {name: _rated(seen, codes, prior) for name, codes in seen.codes.items()}
    worth = {name: _gained(seen, rate, prior) for name, rate in alone.items()}
    order = sorted(worth, key=lambda name: -worth[name])
    fields = tuple(
        name
        for name in order
        if worth[name] >= _WORTH and (name in seen.texts or len(np.unique(seen.codes[name])) > _FEW_KINDS)
    )[:MOST_FIELDS]
    joined = list(combinations(_paired(seen, order), 2))
    more = {}
    for one, other in joined:
        codes = mixed(seen.codes[one], seen.codes[other])
        if _is_repeated(codes) and _is_finer(codes, seen.codes[one], seen.codes[other]):
            known = (prior, alone[one], alone[other], _together(alone[one], alone[other], prior))
            base = max(known, key=lambda rate: _gained(seen, rate, prior))
            more[one, other] = _gained(seen, _rated(seen, codes, base), base)
    best = sorted(more, key=lambda pair: -more[pair])
    pairs = tuple(pair for pair in best if more[pair] >= _WORTH)[:MOST_PAIRS]
    return Keys(fields, pairs, len(worth) + len(joined), _spell_ms(seen))


def _paired(seen: _Seen, order: Sequence[str]) -> list[str]:
    """Of which fields every pair is tried: whoever pays, and the best; of numbers also the most varied.

    A region says nothing by itself, and much beside a card; likewise the day on which an account began.
    """
    texts, numbers, varied = _PAIRED
    payers = [name for name in _PAYERS if name in seen.codes][:1]
    words = [name for name in order if name in seen.texts][:texts]
    others = [name for name in order if name not in seen.texts]
    began = [name for name in seen.codes if name.startswith(START_DAY_PREFIX)]
    mixed_up = sorted(others, key=lambda name: -_entropy(seen.codes[name]))
    return list(dict.fromkeys([*payers, *began, *words, *others[:numbers], *mixed_up[:varied]]))


def _entropy(codes: Codes) -> float:
    """How hard a value is to guess, in nats."""
    _, counts = np.unique(codes, return_counts=True)
    share = counts / len(codes)
    return float(-(share * np.log(share)).sum())


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


def mixed(one: Codes, other: Codes) -> Codes:
    """Codes of pairs, 0 where either is unknown."""
    with np.errstate(over="ignore"):
        both = one * np.int64(-7046029254386353131) ^ (other + np.int64(1442695040888963407))
    return np.where((one == 0) | (other == 0), 0, both)


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
) -> _Seen | None:
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
    fraud = _frauds(labels, ids, before_ms or NEVER)[mature]
    if fraud.sum() < _LEAST_FRAUDS or fraud.all():
        return None
    names = dict.fromkeys(name for one in batches for name in (*one.table.schema.names, *one.attribute_names))
    codes, texts = {}, set()
    for name in names:
        if is_rate_key(name) and name not in without:
            found = _codes(batches, name, seed)[mature]
            if _is_repeated(found):
                codes[name] = found
                if not any(np.isfinite(one.number(name)).any() for one in batches):
                    texts.add(name)
    times = time_ms[mature]
    for name in _ages(batches, codes, times, mature, without):
        codes[name] = np.concatenate([one.hashes(name, seed) for one in batches])[mature]
    return _Seen(times, fraud, codes, frozenset(texts), _later(times, fraud, delay_ms))


def _ages(
    batches: Sequence[EventBatch],
    codes: Mapping[str, Codes],
    times: NDArray[np.int64],
    mature: NDArray[np.int64],
    without: frozenset[str],
) -> list[str]:
    """Start days of the numbers that are ages of whoever pays, or else of the most varied field."""
    payer = next((name for name in _PAYERS if name in codes), None)
    payer = payer or max(codes, key=lambda name: _entropy(codes[name]), default=None)
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


def _is_repeated(codes: Codes) -> bool:
    """More than one value, and values that come again."""
    known = codes[codes != 0]
    kinds = len(np.unique(known))
    return kinds + (len(known) < len(codes)) > 1 and len(known) >= _REPEATED * kinds > 0


def _later(
    times: NDArray[np.int64], fraud: NDArray[np.bool_], delay_ms: int
) -> list[tuple[NDArray[np.bool_], slice]]:
    """Windows of later payments, each with which payments were known when it began."""
    begin = int(len(times) * _FIRST_SHARE)
    borders = np.linspace(begin, len(times), _WINDOWS + 1).astype(int)
    found = []
    for start, end in pairwise(borders):
        known = times <= times[min(start, len(times) - 1)] - delay_ms
        if end > start and fraud[known].any():
            found.append((known, slice(int(start), int(end))))
    return found


def _prior(seen: _Seen) -> Floats:
    """The share of fraud known when a payment came."""
    found = np.full(len(seen.fraud), max(float(seen.fraud.mean()), 1e-6))
    for known, window in seen.windows:
        found[window] = (seen.fraud[known].sum() + 1) / (known.sum() + 2)
    return found


def _is_finer(both: Codes, one: Codes, other: Codes) -> bool:
    """Whether a pair tells apart what neither of its fields does."""
    return len(np.unique(both)) > _NEW_KINDS * max(len(np.unique(one)), len(np.unique(other)))


def _rated(seen: _Seen, codes: Codes, base: Floats) -> Floats:
    """The better of a rate that believes few payments and one that wants more of them."""
    found = [_rates(seen, codes, base, prior) for prior in _PRIORS]
    return max(found, key=lambda rate: _gained(seen, rate, base))


def _rates(seen: _Seen, codes: Codes, base: Floats, prior: float) -> Floats:
    """The share of fraud among earlier payments with the same code, drawn towards `base`."""
    found = base.copy()
    kinds, place = np.unique(codes, return_inverse=True)
    for known, window in seen.windows:
        there = place[known]
        count = np.bincount(there, minlength=len(kinds))
        frauds = np.bincount(there, seen.fraud[known], len(kinds))
        mine = place[window]
        found[window] = (frauds[mine] + prior * base[window]) / (count[mine] + prior)
    return found


def _together(one: Floats, other: Floats, prior: Floats) -> Floats:
    """What two rates say together if neither depends on the other."""
    odds = one / (1 - one) * (other / (1 - other)) / (prior / (1 - prior))
    found: Floats = odds / (1 + odds)
    return found


def _gained(seen: _Seen, rate: Floats, base: Floats) -> float:
    """How much likelier the labels of later payments are by `rate` than by `base`, in nats."""
    total = 0.0
    for _, window in seen.windows:
        p, q, fraud = _sane(rate[window]), _sane(base[window]), seen.fraud[window]
        total += float(np.where(fraud, np.log(p / q), np.log((1 - p) / (1 - q))).sum())
    return total


def _sane(probability: Floats) -> Floats:
    return np.clip(probability, 1e-6, 1 - 1e-6)


def _spell_ms(seen: _Seen) -> int | None:
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
