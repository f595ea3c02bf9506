"""Who lives in the world: customers with their cards, devices, addresses and habits, and how those change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from ringfence.simulate.categories import CATEGORIES, SEGMENTS
from ringfence.simulate.draws import Draw
from ringfence.simulate.places import ABROAD, HOMES, ONLINE_AT

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEW_DEVICE_A_DAY: Final = 1 / 600
_LOST_CARD_A_DAY: Final = 1 / 1500
_TABLETS: Final = 0.4  # share of customers who also use the family's
_TRIP_DAYS: Final = (2, 12)
_JOIN_OVER_DAYS: Final = 720
_LATECOMERS: Final = 0.12  # share of customers who join during the first years

_CITY = Draw([city.people for city in HOMES])
_DESTINATION = Draw([city.people for city in ABROAD])
_SEGMENT = Draw([kind.share for kind in SEGMENTS])
CATEGORY_CHOICE: Final = Draw(
    [[item.share * kind.prefers.get(item.name, 1.0) for item in CATEGORIES] for kind in SEGMENTS]
)
"""What a customer of each segment buys."""


@dataclass(slots=True)
class People:
    """Columns over customers; a customer's number is its row. Ids are whole numbers, issued in turn."""

    segment: NDArray[np.int16]
    home: NDArray[np.int16]  # city
    a_day: NDArray[np.float64]  # payments
    level: NDArray[np.float64]  # of amounts
    shift_hours: NDArray[np.float64]  # later than others
    joined: NDArray[np.int64]  # day
    salary_day: NDArray[np.int64]  # of the month
    card: NDArray[np.int32]
    second_card: NDArray[np.int32]  # the first again where there is only one
    device: NDArray[np.int32]
    tablet: NDArray[np.int32]  # the family's; the device again where there is none
    ip: NDArray[np.int32]  # at home
    contact: NDArray[np.int32]
    away: NDArray[np.int16]  # city of a trip, -1 at home
    away_until: NDArray[np.int64]  # day
    moved: NDArray[np.int64]  # day of the last journey, there or back
    age: NDArray[np.float64]  # years
    issued: dict[str, int] = field(default_factory=dict)  # how many cards, devices, ips, contacts there are

    @classmethod
    def born(cls, rng: np.random.Generator, count: int) -> Self:
        """So many, each different."""
        me = np.arange(count, dtype=np.int32)
        segment = _SEGMENT(0, rng.random(count))
        pairs = (me % 2 == 1) & (rng.random(count) < 0.35)  # lives with the one before
        household = np.where(pairs, me - 1, me)
        home = _CITY(0, rng.random(count))
        couples = pairs & (rng.random(count) < 0.25)  # share one e-mail address and phone
        second = rng.random(count) < 0.3
        joined = np.where(rng.random(count) < _LATECOMERS, rng.integers(1, _JOIN_OVER_DAYS, count), 0)
        pays = np.array([kind.a_day for kind in SEGMENTS])[segment]
        return cls(
            segment,
            home[household],
            (pays * rng.lognormal(-0.15, 0.6, count)).clip(0.05, 9),
            np.array([kind.level for kind in SEGMENTS])[segment] * rng.lognormal(0, 0.35, count),
            rng.normal(0, 1.2, count),
            joined,
            rng.choice([1, 15, 25, 28], count, p=[0.45, 0.2, 0.15, 0.2]),
            me.copy(),
            np.where(second, count + np.cumsum(second, dtype=np.int32) - 1, me).astype(np.int32),
            me.copy(),
            np.where(rng.random(count) < _TABLETS, count + household, me).astype(np.int32),
            household.astype(np.int32),
            np.where(couples, household, me).astype(np.int32),
            np.full(count, -1, np.int16),
            np.zeros(count, np.int64),
            np.full(count, -1, np.int64),
            np.rint(np.array([kind.age for kind in SEGMENTS])[segment] + rng.normal(0, 5, count)).clip(
                18, 95
            ),
            {
                "card": count + int(second.sum()),
                "device": 2 * count,
                "ip": count + count // 40 + 8,
                "contact": count,
            },
        )

    def __len__(self) -> int:
        return len(self.segment)

    @property
    def shared_ips(self) -> tuple[int, int]:
        """First address that a mobile carrier shares between many, and how many there are."""
        return len(self), len(self) // 40 + 8

    def live(self, rng: np.random.Generator, day: int) -> None:
        """A day passes: some leave for a trip or come home, some get another phone or lose a card."""
        count = len(self)
        back = (self.away >= 0) & (self.away_until <= day)
        self.away[back] = -1
        trips = np.array([kind.trips_a_year for kind in SEGMENTS])[self.segment] / 365
        leaving = np.flatnonzero((rng.random(count) < trips) & (self.away < 0))
        self.away[leaving] = len(HOMES) + _DESTINATION(0, rng.random(len(leaving)))
        self.away_until[leaving] = day + rng.integers(*_TRIP_DAYS, len(leaving))
        self.moved[back] = self.moved[leaving] = day
        changed = np.flatnonzero(rng.random(count) < _NEW_DEVICE_A_DAY)
        self.device[changed] = self.issue("device", len(changed))
        self.replace_cards(np.flatnonzero(rng.random(count) < _LOST_CARD_A_DAY))

    def replace_cards(self, customers: NDArray[np.int64]) -> None:
        """New cards for these customers; a second one is kept."""
        single = self.second_card[customers] == self.card[customers]
        self.card[customers] = self.issue("card", len(customers))
        self.second_card[customers[single]] = self.card[customers[single]]

    def issue(self, kind: str, count: int) -> NDArray[np.int32]:
        """So many ids that nobody has had."""
        first = self.issued[kind]
        self.issued[kind] = first + count
        return np.arange(first, first + count, dtype=np.int32)

    def place(self, customers: NDArray[Any]) -> NDArray[np.int16]:
        """City where each is."""
        away = self.away[customers]
        return np.where(away >= 0, away, self.home[customers])

    def active(self, day: int) -> NDArray[np.int64]:
        """Customers who have joined."""
        return np.flatnonzero(self.joined <= day)


assert len(HOMES) + len(ABROAD) == ONLINE_AT
