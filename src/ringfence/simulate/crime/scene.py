"""Where a crime happens, and the steps that crimes have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.simulate.categories import AT
from ringfence.simulate.honest import HOUR_MS, MINUTE_MS, HonestDay, amounts_minor
from ringfence.simulate.places import ONLINE_AT
from ringfence.simulate.rows import Channel, SimulatedEntry, SimulatedRows, SimulatedTypology

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ringfence.simulate.people import People
    from ringfence.simulate.shops import Shops


@dataclass(frozen=True, slots=True)
class CrimeScene:
    """A day on which crimes are committed."""

    rng: np.random.Generator
    people: People
    shops: Shops
    day: HonestDay

    def victims(self, count: int) -> NDArray[np.int64]:
        """Customers, the busy ones more often: a card that is used much is seen by many."""
        everybody = self.people.active(self.day.number)
        chosen = self.rng.choice(everybody, (max(count, 0), 3))
        busiest = self.people.a_day[chosen].argmax(axis=1)
        return np.where(self.rng.random(count) < 0.5, chosen[:, 0], chosen[np.arange(count), busiest])

    def begins(self, count: int, hours: tuple[float, float] = (0, 24)) -> NDArray[np.int64]:
        """Moments of the day, ms."""
        return self.day.start_ms + (HOUR_MS * self.rng.uniform(*hours, count)).astype(np.int64)

    def category(self, names: Sequence[str], rows: int) -> NDArray[np.int16]:
        """One of these kinds of shop per row."""
        return np.array([AT[name] for name in names], np.int16)[self.rng.integers(0, len(names), rows)]

    def hidden(self, count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """A device and an address for each of so many criminals: new ones, or an address that many share."""
        people, rng = self.people, self.rng
        device = people.issue("device", count)
        first, shared = people.shared_ips
        ip = np.where(
            rng.random(count) < 0.35, first + rng.integers(0, shared, count), people.issue("ip", count)
        )
        return device, ip.astype(np.int32)

    def posing(self, victim: NDArray[Any]) -> NDArray[np.int32]:
        """E-mail address and phone that are given in each victim's name: their own, or fresh ones."""
        fresh = self.rng.random(len(victim)) < 0.4
        found = self.people.contact[victim]
        found[fresh] = self.people.issue("contact", int(fresh.sum()))
        return found

    def lair(self, victim: NDArray[Any]) -> NDArray[np.int16]:
        """Where a criminal online seems to be: in the victim's own country as often as not."""
        anywhere = self.rng.integers(0, ONLINE_AT, len(victim))
        near = self.rng.random(len(victim)) < 0.6
        return np.where(near, self.people.home[victim], anywhere).astype(np.int16)

    def bought(
        self,
        truth: SimulatedTypology,
        victim: NDArray[Any],
        times: NDArray[np.int64],
        category: NDArray[np.int16],
        city: NDArray[Any] | int,
        greed: NDArray[np.float64] | float,
        **given: Any,
    ) -> SimulatedRows:
        """Payments with the victims' cards, `greed` times what they would have paid; online or at a till."""
        online = city == ONLINE_AT
        merchant = self.shops.find(city, category, self.rng.random(len(victim)))
        level = self.people.level[victim] * self.shops.price[merchant] * greed
        terminal = (self.rng.random(len(victim)) * self.shops.terminals[merchant]).astype(np.int8)
        columns: dict[str, Any] = {
            "customer": victim,
            "card": self.people.card[victim],
            "merchant": merchant,
            "city": np.where(online, self.lair(victim), city),
            "terminal": np.where(online, -1, terminal),
            "channel": np.where(online, Channel.ONLINE, Channel.POS),
            "entry": np.where(online, SimulatedEntry.KEYED, SimulatedEntry.CONTACTLESS),
            "amount_minor": amounts_minor(self.rng, category, level),
        }
        return SimulatedRows.blank(times, truth, **(columns | given))


def paced(
    rng: np.random.Generator,
    begin: NDArray[np.int64],
    item: NDArray[np.int64],
    step: NDArray[np.int64],
    minutes: tuple[float, float],
) -> NDArray[np.int64]:
    """Times of the steps of each crime, every crime at a pace of its own: so many minutes a step."""
    pace = np.exp(rng.uniform(np.log(minutes[0]), np.log(minutes[1]), len(begin)))
    found: NDArray[np.int64] = begin[item] + (
        pace[item] * (step + 0.7 * rng.random(len(item))) * MINUTE_MS
    ).astype(np.int64)
    return found
