"""A step between its taking and its commit, and what is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ringfence.api.hot.orders import Order

if TYPE_CHECKING:
    from ringfence.api.hot.outcomes import Taken
    from ringfence.ports.tracing import StageSpan, Tracing
    from ringfence.runner import JournalWrite, PendingBatch


@dataclass(slots=True)
class TakenStep:
    """What was taken and waits for its commit; `writing` is left out where encoding takes long."""

    asked: Taken | Order
    work: PendingBatch
    writing: JournalWrite | None = None
    seconds: float = 0.0  # that taking it kept others waiting, where it is part of a batch
    stages: list[StageSpan] = field(default_factory=list)

    @property
    def is_large(self) -> bool:
        """It was a step of its own."""
        return isinstance(self.asked, Order) or self.asked.tickets[0].prepared is not None

    @property
    def took(self) -> float:
        """Seconds from its beginning to its last stage so far."""
        return self.stages[-1].end - self.stages[0].begin

    def tell(self, tracing: Tracing | None) -> None:
        """Have it traced; once it is durable."""
        if tracing is None:
            return
        tickets = [] if isinstance(self.asked, Order) else self.asked.tickets
        decisions = self.work.step.decisions
        counts = {
            "requests": len(tickets),
            "events": len(self.work.admitted.events),
            "decisions": 0 if decisions is None else len(decisions),
            "bad_records": len(self.work.bad),
        }
        tracing.step([one.trace for one in tickets if one.trace is not None], self.stages, counts)
