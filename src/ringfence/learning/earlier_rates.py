"""What the share of fraud among earlier payments with the same value says of later ones, in nats.

Later payments come in windows; of each is known which payments had their label when it began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Codes = NDArray[np.int64]
    Floats = NDArray[np.float64]

_PRIORS: Final = (10.0, 60.0)  # payments that what is known without the value counts for
_REPEATED: Final = 2.0  # payments a value has in the mean: below, it is nearly an id of the payment
_PAYERS: Final = ("customer_id", "card_id", "account_id")


@dataclass(frozen=True, slots=True)
class SeenPayments:
    """Payments that are old enough to have a label, in order of time.

    Attributes:
        codes: of each field, hashes of its values (n,), 0 for null.
        texts: names of those that are no numbers.
        windows: of later payments, each with which payments were known when it began.
    """

    time_ms: NDArray[np.int64]
    fraud: NDArray[np.bool_]
    codes: dict[str, Codes]
    texts: frozenset[str]
    windows: list[tuple[NDArray[np.bool_], slice]]


def share_known(seen: SeenPayments) -> Floats:
    """The share of fraud known when a payment came, whatever its values."""
    found = np.full(len(seen.fraud), max(float(seen.fraud.mean()), 1e-6))
    for known, window in seen.windows:
        found[window] = (seen.fraud[known].sum() + 1) / (known.sum() + 2)
    return found


def rated(seen: SeenPayments, codes: Codes, base: Floats) -> Floats:
    """The better of a rate that believes few payments and one that wants more of them."""
    found = [_rates(seen, codes, base, prior) for prior in _PRIORS]
    return max(found, key=lambda rate: gained(seen, rate, base))


def _rates(seen: SeenPayments, codes: Codes, base: Floats, prior: float) -> Floats:
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


def together(one: Floats, other: Floats, prior: Floats) -> Floats:
    """What two rates say together if neither depends on the other."""
    odds = one / (1 - one) * (other / (1 - other)) / (prior / (1 - prior))
    found: Floats = odds / (1 + odds)
    return found


def gained(seen: SeenPayments, rate: Floats, base: Floats) -> float:
    """How much likelier the labels of later payments are by `rate` than by `base`, in nats."""
    total = 0.0
    for _, window in seen.windows:
        p, q, fraud = _sane(rate[window]), _sane(base[window]), seen.fraud[window]
        total += float(np.where(fraud, np.log(p / q), np.log((1 - p) / (1 - q))).sum())
    return total


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
    named = next((name for name in _PAYERS if name in codes), None)
    return named or max(codes, key=lambda name: entropy(codes[name]), default=None)
