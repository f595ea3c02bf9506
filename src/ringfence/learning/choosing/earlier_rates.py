"""What the share of fraud among earlier payments with the same value says of later ones, in nats.

Each later payment counts with the share that was known a label delay before it, as in a label rate of the
engine: risks come and go, and a rate that is looked up now and then misses those that last for weeks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ringfence.features.durations import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Codes = NDArray[np.int64]
    Floats = NDArray[np.float64]

_FIRST_SHARE: Final = 0.4  # of payments, which are only looked back at
_MOST_GOOD: Final = 30_000  # later good payments that are judged by, each for its lot
_PRIORS: Final = (10.0, 60.0)  # payments that what is known without the value counts for
_PARTS: Final = (0.5, 1.0)  # of what a rate says, as log-odds, that is believed: trees find out how much
_LATELY_MS: Final = (60 * DAY_MS, 14 * DAY_MS)  # beside all of the past: what keys are given rates over
_REPEATED: Final = 2.0  # payments a value has in the mean: below, it is nearly an id of the payment
PAYERS: Final = ("customer_id", "card_id", "account_id")


@dataclass(frozen=True)
class SeenPayments:
    """Payments that are old enough to have a label, in order of time.

    Attributes:
        codes: of each field, hashes of its values (n,), 0 for null.
        texts: names of those that are no numbers.
        delay_ms: how long a label takes.
    """

    time_ms: NDArray[np.int64]
    fraud: NDArray[np.bool_]
    codes: dict[str, Codes]
    texts: frozenset[str]
    delay_ms: int

    @cached_property
    def judged(self) -> NDArray[np.int64]:
        """Rows of the later payments, m of them, that rates are judged by."""
        known = self.time_ms[np.flatnonzero(self.fraud)[:1]] + self.delay_ms
        first = max(int(len(self.fraud) * _FIRST_SHARE), *np.searchsorted(self.time_ms, known).tolist(), 0)
        later = np.arange(first, len(self.fraud))
        good = later[~self.fraud[later]]
        if len(good) > _MOST_GOOD:
            good = np.random.default_rng(0).choice(good, _MOST_GOOD, replace=False)
        return np.sort(np.concatenate([good, later[self.fraud[later]]]))

    @cached_property
    def weight(self) -> Floats:
        """How many payments each of them stands for."""
        fraud = self.fraud[self.judged]
        good = int((~self.fraud[self.judged[0] :]).sum()) if len(self.judged) else 0
        return np.where(fraud, 1.0, good / max(int((~fraud).sum()), 1))

    @cached_property
    def spreads(self) -> dict[str, tuple[float, float]]:
        """Of each field, how often two payments agree by chance, and how hard it is to guess, in nats."""
        found = {}
        for name, codes in self.codes.items():
            _, counts = np.unique(codes[codes != 0], return_counts=True)
            found[name] = float(((counts / counts.sum()) ** 2).sum()), entropy(codes)
        return found


class KnownOfValue(NamedTuple):
    """Of each judged payment, how many earlier ones of its value had their label by then, how many of fraud.

    Over all of the past, and over each of the newest parts of it.
    """

    ever: tuple[Floats, Floats]
    lately: tuple[tuple[Floats, Floats], ...]


def known_before(seen: SeenPayments, codes: Codes) -> KnownOfValue:
    """What was known of the value of each judged payment when it came."""
    if not len(codes):
        none = (np.empty(0), np.empty(0))
        return KnownOfValue(none, (none,) * len(_LATELY_MS))
    order = np.argsort(codes, kind="stable")
    of_value = np.concatenate([[0], np.cumsum(np.diff(codes[order]) != 0)])
    since = seen.time_ms[order] - seen.time_ms[0]
    # Values lie so far apart in time that looking back never reaches the one before.
    apart = int(since.max()) + seen.delay_ms + max(_LATELY_MS) + 1
    at = of_value * apart + since
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    asked = place[seen.judged]
    ends = np.searchsorted(at, at[asked] - seen.delay_ms, "right")
    ends = np.minimum(ends, np.searchsorted(at, at[asked]))  # without a delay too, nobody knows its own label
    begins = [np.searchsorted(at, of_value[asked] * apart)]
    begins += [np.searchsorted(at, at[asked] - seen.delay_ms - back, "right") for back in _LATELY_MS]
    frauds = np.concatenate([[0], np.cumsum(seen.fraud[order])])
    ever, *lately = [
        ((ends - begin).astype(np.float64), (frauds[ends] - frauds[begin]).astype(np.float64))
        for begin in begins
    ]
    return KnownOfValue(ever, tuple(lately))


def share_known(seen: SeenPayments) -> Floats:
    """The share of fraud lately known when a judged payment came, whatever its values, float64 (m,)."""
    count, frauds = known_before(seen, np.zeros(len(seen.fraud), np.int64)).lately[0]
    return (frauds + 1) / (count + 2)


def rated(seen: SeenPayments, known: KnownOfValue, base: Floats) -> Floats:
    """The best of some rates of a value, (m,), drawn towards `base`; `base` itself where none tells more."""
    found = [base]
    for count, frauds in (known.ever, *known.lately):
        for prior in _PRIORS:
            rate = (frauds + prior * base) / (count + prior)
            found += [_believed(rate, base, part) for part in _PARTS]
    return max(found, key=lambda rate: gained(seen, rate, base))


def _believed(rate: Floats, base: Floats, part: float) -> Floats:
    odds = _odds(base) * (_odds(rate) / _odds(base)) ** part
    found: Floats = odds / (1 + odds)
    return found


def together(one: Floats, other: Floats, prior: Floats) -> Floats:
    """What two rates say together if neither depends on the other."""
    odds = _odds(one) * _odds(other) / _odds(prior)
    found: Floats = odds / (1 + odds)
    return found


def gained(seen: SeenPayments, rate: Floats, base: Floats) -> float:
    """How much likelier the labels of later payments are by `rate` than by `base`, in nats."""
    p, q, fraud = _sane(rate), _sane(base), seen.fraud[seen.judged]
    told = np.where(fraud, np.log(p / q), np.log((1 - p) / (1 - q)))
    return float((told * seen.weight).sum())


def _odds(probability: Floats) -> Floats:
    p = _sane(probability)
    return p / (1 - p)


def _sane(probability: Floats) -> Floats:
    return np.clip(probability, 1e-6, 1 - 1e-6)


def is_repeated(codes: Codes) -> bool:
    """More than one value, and values that come again."""
    known = codes[codes != 0]
    kinds = len(np.unique(known))
    return kinds + (len(known) < len(codes)) > 1 and len(known) >= _REPEATED * kinds > 0


def entropy(codes: Codes) -> float:
    """How hard a value is to guess, in nats."""
    _, counts = np.unique(codes, return_counts=True)
    share = counts / len(codes)
    return float(-(share * np.log(share)).sum())


def payer_of(codes: Mapping[str, Codes]) -> str | None:
    """The field that says who pays, or else the one that is hardest to guess; None without any."""
    named = next((name for name in PAYERS if name in codes), None)
    return named or max(codes, key=lambda name: entropy(codes[name]), default=None)
