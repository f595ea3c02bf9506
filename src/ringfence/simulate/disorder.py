"""How events come in where networks are as they are: late, twice, or after an outage all at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.events.model import Kind
from ringfence.simulate.honest import DAY_MS, HOUR_MS, MINUTE_MS
from ringfence.simulate.rows import NO_ROWS, Channel, SimulatedRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LATEST_DAYS: Final = 3


@dataclass(frozen=True, slots=True)
class Disorder:
    """Shares of payments that come late and twice, and outages of a home city's tills in a month.

    Most late ones come within the hour, a few after more than a day.
    """

    late: float = 0.0
    duplicates: float = 0.0
    outages_a_month: float = 0.0

    def __bool__(self) -> bool:
        return self.late > 0 or self.duplicates > 0 or self.outages_a_month > 0


@dataclass(slots=True)
class Delivery:
    """Puts events in the order in which they arrive; keeps those that arrive on a later day."""

    disorder: Disorder
    waiting: SimulatedRows = field(default_factory=lambda: NO_ROWS)
    arrival_ms: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def deliver(self, rng: np.random.Generator, rows: SimulatedRows, until_ms: int | None) -> SimulatedRows:
        """Events that arrive before `until_ms`, None: all that are left."""
        arrival = rows.time_ms.copy()
        if self.disorder:
            rows, arrival = self._disturbed(rng, rows, arrival)
            rows, arrival = (
                SimulatedRows.joined([self.waiting, rows]),
                np.concatenate([self.arrival_ms, arrival]),
            )
        now = np.full(len(rows), fill_value=True) if until_ms is None else arrival < until_ms
        if not now.all():
            self.waiting, self.arrival_ms = rows.take(~now), arrival[~now]
            rows, arrival = rows.take(now), arrival[now]
        elif self.disorder:
            self.waiting, self.arrival_ms = NO_ROWS, arrival[:0]
        return rows.take(np.argsort(arrival, kind="stable"))

    def _disturbed(
        self, rng: np.random.Generator, rows: SimulatedRows, arrival: NDArray[np.int64]
    ) -> tuple[SimulatedRows, NDArray[np.int64]]:
        payment = rows.kind == Kind.TRANSACTION
        if len(rows) and rng.random() < self.disorder.outages_a_month / 30:
            begin = int(rows.time_ms.min()) // DAY_MS * DAY_MS + int(rng.integers(6, 20)) * HOUR_MS
            end = begin + int(rng.integers(30, 240)) * MINUTE_MS
            at_tills = np.isin(rows.channel, (Channel.POS, Channel.ATM)) & (rows.city == rng.integers(0, 4))
            cut = payment & at_tills & (arrival >= begin) & (arrival < end)
            arrival[cut] = end + rng.integers(0, MINUTE_MS, int(cut.sum()))
        late = np.flatnonzero(payment & (rng.random(len(rows)) < self.disorder.late))
        minutes = rng.lognormal(np.log(12), 1.9, len(late)).clip(0.2, _LATEST_DAYS * 1440)
        arrival[late] += (minutes * MINUTE_MS).astype(np.int64)
        again = np.flatnonzero(rng.random(len(rows)) < self.disorder.duplicates)
        after = arrival[again] + (rng.exponential(20, len(again)) * MINUTE_MS).astype(np.int64)
        return SimulatedRows.joined([rows, rows.take(again)]), np.concatenate([arrival, after])
