"""The follower that opens cases: reviewed, declined and challenged payments come to whom they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ringfence.adapters.cases.store import SqliteCases
from ringfence.adapters.finder.rows import leading, rows_of
from ringfence.cases.actions import take_payment
from ringfence.cases.model import Payment
from ringfence.decisions.decision import DecisionBatch
from ringfence.features.spec import ENTITY_KEYS
from ringfence.ports import DECISIONS, EVENTS
from ringfence.scoring.rulesets.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from ringfence.cases.policy import CasePolicy
    from ringfence.ports import EventLog, LogBatch

ALERTS: Final = "alerts"
"""How far alerts have joined cases, by the decisions that they are of, among the positions."""

_MOST: Final = 65_536


class CaseFollower:
    """`ringfence.follow.Follower`. Cases, payments and the position commit together.

    A reset forgets the cases that no person has touched; all payments come again, and those that are in a
    case stay where they are.
    """

    name: Final = "cases"
    topics: Final = (DECISIONS,)
    least: Final = 1
    most: Final = _MOST

    def __init__(
        self, log: EventLog, folder: Path, policy: CasePolicy, check: Callable[[], None] = lambda: None
    ) -> None:
        """`check` as of `SqliteCases`."""
        self._log = log
        self._policy = policy
        self._cases = SqliteCases(folder, check)
        self._wanted = pa.array([str(one) for one in (*policy.open_on, *policy.join_on)], pa.string())

    def positions(self) -> dict[str, int]:
        """See `Follower.positions`. Payments of decisions are looked up."""
        found = self._cases.positions()
        return {DECISIONS: found.get(DECISIONS, 0), EVENTS: found.get(EVENTS, 0)}

    def take(self, _topic: str, batches: Iterable[LogBatch]) -> None:
        """See `Follower.take`."""
        end = last = 0
        wanted: list[pa.Table] = []
        for batch in batches:
            decisions = DecisionBatch.decode(batch.payload)
            wanted.append(self._wanted_of(decisions))
            end, last = batch.next_offset, int(decisions.numbers("offset")[-1]) + 1
        if not end:
            return
        payments = self._payments([one for one in wanted if len(one)])
        with self._cases.work() as work:
            for payment in payments:
                take_payment(work, self._policy, payment)
            work.reach(DECISIONS, end)
            work.reach(EVENTS, last)

    def begin_at(self, offsets: Mapping[str, int]) -> None:
        """In a new file: no case is opened for what is before these offsets, nor for its alerts."""
        with self._cases.work() as work:
            for topic in (DECISIONS, EVENTS):
                work.reach(topic, offsets[topic])
            work.reach(ALERTS, offsets[DECISIONS])

    def reset(self) -> None:
        """See `Follower.reset`."""
        with self._cases.work() as work:
            work.forget_untouched()

    def close(self) -> None:
        """See `Follower.close`."""
        self._cases.close()

    def _wanted_of(self, decisions: DecisionBatch) -> pa.Table:
        table = leading(decisions)
        return table.filter(pc.is_in(table.column("outcome").cast("string"), value_set=self._wanted))

    def _payments(self, decisions: list[pa.Table]) -> list[Payment]:
        return [payment_of(row) for row in rows_of(decisions, self._log).to_pylist()] if decisions else []


def payment_of(row: dict[str, Any]) -> Payment:
    """A payment of a row of the index (`finder.rows.SCHEMA`)."""
    probability, amount = row["probability"], row["amount"] or 0.0
    likely = probability if probability is not None else row["score"] / 100
    return Payment(
        transaction_id=row["transaction_id"],
        offset=row["offset"],
        event_time_ms=row["event_time_ms"],
        decided_at_ms=row["decided_at_ms"],
        outcome=Outcome(row["outcome"]),
        score=row["score"],
        probability=probability,
        amount=amount,
        currency=row["currency"],
        loss=round(likely * amount, 4),
        reasons=tuple(row["reasons"] or ()),
        entities={kind: row[column] for kind, column in ENTITY_KEYS.items() if row.get(column)},
    )
