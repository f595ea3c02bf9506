"""Who lives in the world: customers with their cards, devices and habits, and shops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CITIES: Final = [
    ("Berlin", "DE", 52.52, 13.40),
    ("Hamburg", "DE", 53.55, 9.99),
    ("Munich", "DE", 48.14, 11.58),
    ("Cologne", "DE", 50.94, 6.96),
    ("Vienna", "AT", 48.21, 16.37),
    ("Zurich", "CH", 47.37, 8.54),
]
FAR_AWAY: Final = [
    ("Bangkok", "TH", 13.76, 100.50),
    ("Lagos", "NG", 6.52, 3.38),
    ("Miami", "US", 25.76, -80.19),
]
CATEGORIES: Final = [
    "grocery",
    "restaurant",
    "fuel",
    "fashion",
    "electronics",
    "travel",
    "pharmacy",
    "online",
]


@dataclass(frozen=True)
class People:
    """Columns over customers; a customer's number is its row."""

    city: NDArray[np.int64]
    typical_amount: NDArray[np.float64]  # median of a payment, major units
    payments_a_day: NDArray[np.float64]
    waking_hour: NDArray[np.float64]
    favourites: NDArray[np.int64]  # (customers, 12) shops

    @classmethod
    def born(cls, rng: np.random.Generator, count: int, shops: int) -> People:
        """So many, each different."""
        popular = 1 / np.arange(1, shops + 1) ** 0.8
        return cls(
            rng.integers(0, len(CITIES), count),
            rng.lognormal(3.0, 0.5, count),
            rng.lognormal(0.4, 0.6, count).clip(0.1, 8),
            rng.normal(8, 1, count),
            rng.choice(shops, (count, 12), p=popular / popular.sum()),
        )


def card_of(customer: int) -> str:
    """The customer's card, as a token."""
    return f"card-{customer:05}"
