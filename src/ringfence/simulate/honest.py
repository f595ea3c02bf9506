"""A day of honest payments: shopping by habit, subscriptions, rent and money between friends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.simulate.categories import AT, CATEGORIES, HOUR_WEIGHTS, SMALL_SPREAD
from ringfence.simulate.draws import Draw, fixed, spread
from ringfence.simulate.people import CATEGORY_CHOICE
from ringfence.simulate.places import CITIES, ONLINE_AT
from ringfence.simulate.rows import Channel, SimulatedEntry, SimulatedRows, SimulatedTypology

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.simulate.people import People
    from ringfence.simulate.shops import Shops

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
_WEEKDAY: Final = np.array([0.92, 0.90, 0.94, 1.0, 1.18, 1.20, 0.86])
_HOURS = Draw([HOUR_WEIGHTS[kind] for kind in sorted(HOUR_WEIGHTS)])
_MEDIAN, _SPREAD, _SMALL, _SMALL_MEDIAN, _PROFILE, _ONLINE = (
    np.array([getattr(item, name) for item in CATEGORIES])
    for name in ("median", "spread", "small_share", "small_median", "hours", "online")
)
_ENTRY = Draw([0.61, 0.36, 0.03])  # contactless, chip, swipe
_UTC_HOURS: Final = np.array([city.utc_hours for city in CITIES])
_HABITS: Final = 4  # favourite shops of a kind
_LOYAL: Final = 0.85
_PAY_RENT: Final = 0.25  # from this account; others owe none, or pay it elsewhere
_JOURNEY_HOURS: Final = 15  # of the day of a journey, in which nothing is bought
_OUTING: Final = 0.25  # share of payments that follow another within the hour
_FOLLOWS_MS: Final = (2 * MINUTE_MS, 50 * MINUTE_MS)


@dataclass(frozen=True, slots=True)
class HonestDay:
    """A day of the world: its number, beginning and place in the calendar."""

    number: int
    start_ms: int

    @property
    def date(self) -> np.datetime64:
        """The calendar's."""
        return np.datetime64(self.start_ms, "ms").astype("datetime64[D]")

    @property
    def of_month(self) -> int:
        """1 to 31."""
        return int((self.date - self.date.astype("datetime64[M]")).astype(int)) + 1

    @property
    def weekday(self) -> int:
        """0 is Monday."""
        return int((self.date.astype(int) + 3) % 7)

    @property
    def season(self) -> float:
        """How much more is bought than in an ordinary month."""
        return {1: 0.93, 2: 0.94, 11: 1.06, 12: 1.22}.get(
            int(self.date.astype("datetime64[M]").astype(int)) % 12 + 1, 1.0
        )


def honest_payments(rng: np.random.Generator, people: People, shops: Shops, day: HonestDay) -> SimulatedRows:
    """All honest payments that begin on a day, in no order."""
    return SimulatedRows.joined(
        [
            _shopping(rng, people, shops, day),
            _subscriptions(rng, people, shops, day),
            _transfers(rng, people, day),
        ]
    )


def amounts_minor(
    rng: np.random.Generator, category: NDArray[np.int16], level: NDArray[np.float64]
) -> NDArray[np.int64]:
    """What is paid for each category at each level, in cents, with the habits of receipts."""
    rows = len(category)
    small = rng.random(rows) < _SMALL[category]
    median = np.where(small, _SMALL_MEDIAN[category], _MEDIAN[category])
    deviation = np.where(small, SMALL_SPREAD, _SPREAD[category])
    raw = median * level * np.exp(deviation * rng.normal(size=rows))
    grand = rng.random(rows) < 0.003
    raw[grand] *= rng.uniform(3, 12, int(grand.sum()))
    cents = np.maximum(np.rint(100 * raw), 30).astype(np.int64)
    habit = rng.random(rows)
    cash = category == AT["cash"]
    cents[cash] = np.maximum(1000 * np.rint(cents[cash] / 1000), 1000).astype(np.int64)
    whole = (habit < 0.12) & ~cash
    cents[whole] = np.maximum(100 * np.rint(cents[whole] / 100), 100).astype(np.int64)
    priced = (habit > 0.6) & _ONLINE[category].astype(bool)
    cents[priced] = cents[priced] // 100 * 100 + 99
    return cents


def local_times(
    rng: np.random.Generator, day: HonestDay, hours: NDArray[np.float64], city: NDArray[np.int16]
) -> NDArray[np.int64]:
    """UTC times of local hours of a day, anywhere within the given hour."""
    within = hours + rng.random(len(hours)) - _UTC_HOURS[city]
    found: NDArray[np.int64] = day.start_ms + ((within % 24) * HOUR_MS).astype(np.int64)
    return found


def _shopping(rng: np.random.Generator, people: People, shops: Shops, day: HonestDay) -> SimulatedRows:
    who = _shoppers(rng, people, day)
    rows = len(who)
    category = CATEGORY_CHOICE(people.segment[who], rng.random(rows))
    online = _ONLINE[category].astype(bool)
    place = people.place(who)
    hours = _HOURS(_PROFILE[category], rng.random(rows)) + people.shift_hours[who]
    times = _outings(rng, who, local_times(rng, day, hours, place), online)
    merchant = _where(rng, who, category, np.where(online, ONLINE_AT, place), shops)
    level = people.level[who] * shops.price[merchant]
    payments = SimulatedRows.blank(
        times,
        SimulatedTypology.HONEST,
        customer=who,
        card=np.where(rng.random(rows) < 0.75, people.card[who], people.second_card[who]),
        merchant=merchant,
        city=place,
        terminal=np.where(online, -1, rng.random(rows) * shops.terminals[merchant]),
        channel=np.where(online, Channel.ONLINE, np.where(category == AT["cash"], Channel.ATM, Channel.POS)),
        entry=np.where(online, SimulatedEntry.KEYED, _ENTRY(0, rng.random(rows))),
        amount_minor=amounts_minor(rng, category, level),
    )
    payments.entry[category == AT["cash"]] = SimulatedEntry.CHIP
    _from_home(rng, people, payments, np.flatnonzero(online))
    return payments.take(~_on_the_way(people, payments, day))


def _on_the_way(people: People, payments: SimulatedRows, day: HonestDay) -> NDArray[np.bool_]:
    """Nobody pays in two cities without the time to get from one to the other."""
    early = payments.time_ms < day.start_ms + _JOURNEY_HOURS * HOUR_MS
    return (people.moved[payments.customer] == day.number) & early


def _shoppers(rng: np.random.Generator, people: People, day: HonestDay) -> NDArray[np.int64]:
    """A customer per payment."""
    since_salary = (day.of_month - people.salary_day) % 30
    spending = np.where(since_salary < 4, 1.35, np.where(since_salary > 24, 0.82, 1.0))
    rate = people.a_day * spending * _WEEKDAY[day.weekday] * day.season * (people.joined <= day.number)
    return spread(rng.poisson(rate))[0]


def _outings(
    rng: np.random.Generator, who: NDArray[np.int64], times: NDArray[np.int64], online: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """People who are out buy more than once: some payments soon follow the one before."""
    follows = np.zeros(len(who), bool)
    follows[1:] = (who[1:] == who[:-1]) & ~online[1:] & ~online[:-1]
    follows &= rng.random(len(who)) < _OUTING
    at = np.flatnonzero(follows)
    times[at] = times[at - 1] + rng.integers(*_FOLLOWS_MS, len(at))
    return times


def _where(
    rng: np.random.Generator,
    who: NDArray[np.int64],
    category: NDArray[np.int16],
    city: NDArray[np.int16],
    shops: Shops,
) -> NDArray[np.int32]:
    """Favourite shops mostly, else popular ones."""
    rows = len(who)
    habit = (rng.random(rows) ** 1.5 * _HABITS).astype(np.int64)
    loyal = rng.random(rows) < _LOYAL
    return shops.find(city, category, np.where(loyal, fixed(who, category, habit), rng.random(rows)))


def _from_home(
    rng: np.random.Generator, people: People, payments: SimulatedRows, at: NDArray[np.int64]
) -> None:
    """Device, address and contact of payments made online."""
    who = payments.customer[at]
    first, shared = people.shared_ips
    roaming = rng.random(len(at)) < 0.3
    payments.ip[at] = np.where(roaming, first + rng.integers(0, shared, len(at)), people.ip[who])
    payments.device[at] = np.where(rng.random(len(at)) < 0.9, people.device[who], people.tablet[who])
    payments.contact[at] = people.contact[who]


def _subscriptions(rng: np.random.Generator, people: People, shops: Shops, day: HonestDay) -> SimulatedRows:
    """The same amount to the same shop on the same day of every month."""
    everybody = people.active(day.number)
    who = np.concatenate(
        [everybody[_due(everybody, number, day)] for number in range(3)]  # three contracts at most
    )
    number = np.arange(3).repeat([int(_due(everybody, item, day).sum()) for item in range(3)])
    merchant = shops.find(ONLINE_AT, AT["digital"], fixed(who, number, 31))
    price = np.rint(399 + 2600 * fixed(who, number, 32) ** 2).astype(np.int64) // 100 * 100 + 99
    times = day.start_ms + 2 * HOUR_MS + rng.integers(0, 5 * HOUR_MS, len(who))
    return SimulatedRows.blank(
        times,
        SimulatedTypology.HONEST,
        customer=who,
        card=people.card[who],
        merchant=merchant,
        city=people.home[who],
        channel=Channel.ONLINE,
        entry=SimulatedEntry.RECURRING,
        amount_minor=price,
        contact=people.contact[who],
    )


def _due(customers: NDArray[np.int64], number: int, day: HonestDay) -> NDArray[np.bool_]:
    due_on = 1 + (fixed(customers, number, 33) * 56).astype(np.int64)  # beyond 28: no such contract
    return due_on == day.of_month


def _transfers(rng: np.random.Generator, people: People, day: HonestDay) -> SimulatedRows:
    """Rent after the salary, and small sums between friends."""
    everybody = people.active(day.number)
    due = (people.salary_day[everybody] + 2) % 28 + 1 == day.of_month
    rent = everybody[due & (fixed(everybody, 44) < _PAY_RENT)]
    generous = everybody[rng.random(len(everybody)) < 0.035]
    who = np.concatenate([rent, generous])
    rows, paying_rent = len(who), np.arange(len(who)) < len(rent)
    friend = (fixed(who, rng.integers(0, 5, rows), 41) * len(people)).astype(np.int64)
    landlord = (fixed(who, 42) ** 2 * (len(people) // 12 + 1)).astype(np.int64) + len(people)
    monthly = 100 * np.rint(250 + 900 * fixed(who, 43) * people.level[who]).astype(np.int64)
    small = 100 * np.maximum(np.rint(25 * people.level[who] * rng.lognormal(0, 0.9, rows)), 1).astype(
        np.int64
    )
    hours = _HOURS(_PROFILE[AT["online_retail"]], rng.random(rows)).astype(np.float64)
    payments = SimulatedRows.blank(
        local_times(rng, day, hours, people.home[who]),
        SimulatedTypology.HONEST,
        customer=who,
        city=people.place(who),
        counterparty=np.where(paying_rent, landlord, friend),
        channel=Channel.TRANSFER,
        entry=SimulatedEntry.KEYED,
        amount_minor=np.where(paying_rent, monthly, small),
    )
    _from_home(rng, people, payments, np.arange(rows))
    return payments
