"""Days of a world, one after the other, from a seed: the same seed gives the same world on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.events.model import Kind
from ringfence.simulate.categories import CATEGORIES
from ringfence.simulate.crime.scene import CrimeScene
from ringfence.simulate.crime.underworld import Underworld
from ringfence.simulate.disorder import Delivery, Disorder
from ringfence.simulate.honest import DAY_MS, HonestDay, honest_payments
from ringfence.simulate.labels import LabelDraws
from ringfence.simulate.people import People
from ringfence.simulate.rows import NO_ROWS, SimulatedRows, SimulatedTypology
from ringfence.simulate.shops import Shops
from ringfence.simulate.tables import SimulatedTables

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

START_MS: Final = 1_735_689_600_000  # 2025-01-01
FRAUD_RATE: Final = 0.006
_NEW_CARD_AFTER: Final = (
    SimulatedTypology.CARD_TESTING,
    SimulatedTypology.STOLEN_CARD,
    SimulatedTypology.COUNTERFEIT,
    SimulatedTypology.TAKEOVER,
    SimulatedTypology.COMPROMISED_TERMINAL,
    SimulatedTypology.COMPROMISED_MERCHANT,
)


@dataclass(frozen=True, slots=True)
class MadeWorld:
    """What happened on a day, in the order in which it became known."""

    rows: SimulatedRows
    events: pa.RecordBatch  # SCHEMA of tables.py
    truth: pa.RecordBatch  # TRUTH_SCHEMA


class World:
    """Customers, shops and criminals. A day is made at a time, so memory does not grow with the days."""

    def __init__(
        self,
        seed: int = 1,
        customers: int = 2000,
        *,
        start_ms: int = START_MS,
        fraud_rate: float = FRAUD_RATE,
        disorder: Disorder | None = None,
    ) -> None:
        """`fraud_rate` is about the share of fraud; without `disorder` nothing comes late or twice."""
        rng = np.random.default_rng([seed, 0])
        self._seed = seed
        self._start_ms = start_ms
        self._people = People.born(rng, customers)
        self._shops = Shops.opened(rng, customers)
        self._underworld = Underworld(fraud_rate)
        self._labels = LabelDraws()
        self._delivery = Delivery(disorder or Disorder())
        self._tables = SimulatedTables(self._people, self._shops)
        self._begun = NO_ROWS  # payments of later days
        self._payments = 0

    def days(self, number: int | None = None, first: int = 0) -> Iterator[MadeWorld]:
        """So many days (None: for ever) from day `first` on; those before it happen, too, and are not told.

        A world is lived once: ask for its days once.
        """
        for day in count() if number is None else range(first + number):
            rows = self._day(day, last=number is not None and day == first + number - 1)
            if day >= first:
                yield MadeWorld(rows, self._tables.events(rows), self._tables.truth(rows))

    def categories(self, rows: SimulatedRows) -> NDArray[np.int64]:
        """What was bought, as numbers of `CATEGORIES`; their count where no shop was paid."""
        found = self._shops.category[rows.merchant].astype(np.int64)
        return np.where(rows.merchant >= 0, found, len(CATEGORIES))

    def _day(self, number: int, *, last: bool) -> SimulatedRows:
        rng = np.random.default_rng([self._seed, 1, number])
        day = HonestDay(number, self._start_ms + number * DAY_MS)
        end_ms = day.start_ms + DAY_MS
        self._people.live(rng, number)
        payments = self._paid(rng, day, end_ms)
        self._labels.learn(rng, payments)
        labels = self._labels.due(end_ms)
        replaced = labels.customer[np.isin(labels.truth, _NEW_CARD_AFTER)]
        self._people.replace_cards(np.unique(replaced).astype(np.int64))
        rows = SimulatedRows.joined([self._joined(day), payments, labels])
        return self._delivery.deliver(rng, rows, None if last else end_ms)

    def _paid(self, rng: np.random.Generator, day: HonestDay, end_ms: int) -> SimulatedRows:
        """Payments of the day in order, numbered; those that reach beyond it wait for theirs."""
        honest = honest_payments(rng, self._people, self._shops, day)
        crimes = self._underworld.commit(CrimeScene(rng, self._people, self._shops, day), honest)
        begun = SimulatedRows.joined([self._begun, honest, crimes])
        now = begun.time_ms < end_ms
        self._begun = begun.take(~now)
        paid = begun.take(now)
        paid = paid.take(np.argsort(paid.time_ms, kind="stable"))
        paid.number = np.arange(self._payments + 1, self._payments + 1 + len(paid))
        self._payments += len(paid)
        return paid

    def _joined(self, day: HonestDay) -> SimulatedRows:
        """Profiles of the customers who join today."""
        who = np.flatnonzero(self._people.joined == day.number)
        return SimulatedRows.blank(
            np.full(len(who), day.start_ms), SimulatedTypology.HONEST, kind=Kind.PROFILE, customer=who
        )
