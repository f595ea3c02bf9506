"""Days of payments, one after the other, from a seed: the same seed gives the same world on every machine."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.events.times import format_ms
from ringfence.simulate.crime import CRIMES, Row
from ringfence.simulate.people import CATEGORIES, CITIES, People, card_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DAY_MS: Final = 86_400_000
START_MS: Final = 1_735_689_600_000  # 2025-01-01
LABEL_DELAY_DAYS: Final = 4
SKIMMED_SHOP: Final = 17  # its terminal copies cards during the second and third week


class World:
    """Payments and the labels of fraud, in the order in which they become known.

    A day is made at a time, so memory does not grow with the days.
    """

    def __init__(self, seed: int, customers: int = 2000, shops: int = 300) -> None:
        self._seed = seed
        self._shops = shops
        self._people = People.born(np.random.default_rng([seed, 0]), customers, shops)

    def days(self, number: int) -> Iterator[list[dict[str, Any]]]:
        """Events of so many days as dicts in Ringfence's own fields, a list a day.

        Payments of fraud are followed by a label four days later; nothing else tells them apart.
        """
        ids, known_on = count(1), dict[int, list[Row]]()
        for day in range(number):
            rng = np.random.default_rng([self._seed, 1, day])
            rows = [(row, False) for row in self._honest(rng, day)] + [
                (row, True) for row in self._crimes(rng, day)
            ]
            rows.sort(key=lambda item: item[0]["event_time_ms"])
            events = [self._numbered(row, next(ids)) for row, _ in rows]
            frauds = [event for event, (_, fraud) in zip(events, rows, strict=True) if fraud]
            known_on[day + LABEL_DELAY_DAYS] = [_label(event) for event in frauds]
            events += known_on.pop(day, [])
            events.sort(key=lambda event: event["event_time_ms"])
            yield [_written(event) for event in events]

    def _honest(self, rng: np.random.Generator, day: int) -> list[Row]:
        people = self._people
        counts = rng.poisson(people.payments_a_day)
        who = np.repeat(np.arange(len(counts)), counts)
        hours = (people.waking_hour[who] + rng.gamma(3.0, 2.2, len(who))) % 24
        times = START_MS + day * DAY_MS + (hours * 3_600_000).astype(np.int64)
        habit = rng.integers(0, 12, len(who))
        shops = np.where(
            rng.random(len(who)) < 0.9, people.favourites[who, habit], rng.integers(0, self._shops, len(who))
        )
        amounts = np.round(people.typical_amount[who] * rng.lognormal(0, 0.5, len(who)), 2)
        return [
            self._paid(*item)
            for item in zip(who.tolist(), times.tolist(), shops.tolist(), amounts.tolist(), strict=True)
        ]

    def _paid(self, who: int, time_ms: int, shop: int, amount: float) -> Row:
        city, country, lat, lon = CITIES[self._people.city[who]]
        category = CATEGORIES[shop % len(CATEGORIES)]
        online = category == "online"
        row: Row = {
            "event_time_ms": time_ms,
            "amount": amount,
            "customer_id": f"cus-{who:05}",
            "account_id": f"acc-{who:05}",
            "card_id": card_of(who),
            "merchant_id": f"shop-{shop:03}",
            "merchant_category": category,
            "channel": "online" if online else "pos",
            "country": country,
        }
        if online:
            return row | {"device_id": f"dev-{who:05}"}
        return row | {"terminal_id": f"term-{shop:03}", "city": city, "lat": lat, "lon": lon}

    def _crimes(self, rng: np.random.Generator, day: int) -> list[Row]:
        if day < 3:  # nobody has habits yet that a crime could break
            return []
        rows: list[Row] = []
        for commit in CRIMES.values():
            victim = int(rng.integers(len(self._people.city) - 10))
            rows += commit(
                rng, victim, START_MS + day * DAY_MS + int(rng.integers(2 * 3_600_000, 20 * 3_600_000))
            )
        return rows + (self._skimmed(rng, day) if 7 <= day < 21 else [])

    def _skimmed(self, rng: np.random.Generator, day: int) -> list[Row]:
        """Fraud with copied cards where they were copied, in amounts like anybody's."""
        victims: NDArray[np.int64] = rng.integers(0, len(self._people.city), 4)
        times = START_MS + day * DAY_MS + rng.integers(9 * 3_600_000, 20 * 3_600_000, 4)
        return [
            self._paid(int(who), int(time), SKIMMED_SHOP, round(float(rng.uniform(20, 90)), 2))
            for who, time in zip(victims, times, strict=True)
        ]

    def _numbered(self, row: Row, number: int) -> Row:
        return {"transaction_id": f"tx-{number:07}", "currency": "EUR", **row}


def _label(event: Row) -> Row:
    return {
        "kind": "label",
        "event_id": f"label-{event['transaction_id']}",
        "transaction_id": event["transaction_id"],
        "event_time_ms": event["event_time_ms"] + LABEL_DELAY_DAYS * DAY_MS,
        "label": True,
        "label_source": "chargeback",
    }


def _written(event: Row) -> dict[str, Any]:
    time_ms = event.pop("event_time_ms")
    return {**event, "event_time": format_ms(time_ms)}
