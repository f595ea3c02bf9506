"""The shops of the world, laid out by city and kind, some popular and many not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ringfence.simulate.categories import CATEGORIES
from ringfence.simulate.places import CITIES, ONLINE_AT

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POPULARITY = 2.0  # the exponent that crowds payments into the first shops of a kind


@dataclass(frozen=True, slots=True)
class Shops:
    """Columns over shops; `first` and `count` say where those of a (city, category) stand."""

    city: NDArray[np.int16]
    category: NDArray[np.int16]
    lat: NDArray[np.float64]  # NaN online
    lon: NDArray[np.float64]
    terminals: NDArray[np.int64]
    price: NDArray[np.float64]  # factor on amounts
    first: NDArray[np.int64]  # (cities, categories)
    count: NDArray[np.int64]

    @classmethod
    def opened(cls, rng: np.random.Generator, customers: int) -> Self:
        """Enough shops for so many customers."""
        count = _counts(customers)
        cells = np.repeat(np.arange(count.size), count.ravel())
        city, category = np.divmod(cells, count.shape[1])
        shops, online = len(cells), city == ONLINE_AT
        lat, lon = (np.array([getattr(place, axis) for place in CITIES])[city] for axis in ("lat", "lon"))
        away = np.where(online, np.nan, 0.06)
        return cls(
            city.astype(np.int16),
            category.astype(np.int16),
            np.round(lat + away * rng.normal(size=shops), 5),
            np.round(lon + away * rng.normal(size=shops), 5),
            np.where(online, 0, rng.geometric(0.45, shops).clip(1, 9)),
            rng.lognormal(0, 0.3, shops),
            (np.cumsum(count) - count.ravel()).reshape(count.shape),
            count,
        )

    def __len__(self) -> int:
        return len(self.city)

    def find(
        self, city: NDArray[Any] | int, category: NDArray[Any] | int, uniform: NDArray[np.float64]
    ) -> NDArray[np.int32]:
        """A shop of this kind in this city per number in [0, 1): small numbers are popular shops."""
        ranks = (uniform**_POPULARITY * self.count[city, category]).astype(np.int64)
        found: NDArray[np.int32] = (self.first[city, category] + ranks).astype(np.int32)
        return found


def _counts(customers: int) -> NDArray[np.int64]:
    scale = max(customers / 2000, 0.1) ** 0.5
    offline = np.array([0 if kind.online else kind.shops for kind in CATEGORIES])
    online = np.array([kind.shops if kind.online else 0 for kind in CATEGORIES])
    weight = np.array([place.people for place in CITIES])[:, None] ** 0.7
    wanted = np.where((np.arange(len(CITIES)) == ONLINE_AT)[:, None], online, offline * weight)
    return np.where(wanted > 0, np.maximum(np.ceil(wanted * scale), 2), 0).astype(np.int64)
