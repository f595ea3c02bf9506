"""What a monitoring system scrapes, in Prometheus' text form."""

from __future__ import annotations

from collections import Counter as Counts
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ringfence.scoring.rulesets.outcomes import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.decisions.decision import DecisionBatch

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_STAGE_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
FAST_SECONDS: Final = 0.05
"""An answer within that time is a fast one."""

STAGES: Final = ("wait", "decode", "decide", "commit", "answer")
_ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


@dataclass(slots=True)
class DecisionCounts:
    """Requests for decisions so far, by what became of them; what a caller did wrong is not among them.

    Attributes:
        asked: all, batches included; `failed` of them by an error of the server.
        answered: single payments with a decision, `fast` of them within `FAST_SECONDS`.
        expired: single payments that the policy answered at the deadline.
    """

    asked: int = 0
    failed: int = 0
    answered: int = 0
    fast: int = 0
    expired: int = 0


class Metrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        of = self.registry
        self.requests = Counter(
            "ringfence_http_requests", "Requests by route and status.", ("route", "status"), registry=of
        )
        self.deciding = DecisionCounts()
        self._routes: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self.seconds = Histogram(
            "ringfence_http_request_seconds",
            "From the request's head to its answer's end, where it was read.",
            ("route",),
            buckets=_SECONDS,
            registry=of,
        )
        self.decisions = Counter("ringfence_decisions", "Decisions by outcome.", ("outcome",), registry=of)
        self._outcomes = [self.decisions.labels(outcome) for outcome in OUTCOMES]
        self.degraded = Counter(
            "ringfence_degraded_decisions", "Degraded decisions by cause.", ("cause",), registry=of
        )
        self.replayed = Counter("ringfence_replayed_decisions", "Stored decisions given again.", registry=of)
        self.expired = Counter("ringfence_expired_decisions", "Answers given at the deadline.", registry=of)
        self.shed = Counter(
            "ringfence_shed_requests", "Requests refused because too much was waiting.", registry=of
        )
        self.closed = Counter(
            "ringfence_closed_connections", "Connections closed by a limit.", ("limit",), registry=of
        )
        stages = Histogram(
            "ringfence_stage_seconds",
            "A step's wait for its turn, and its stages.",
            ("stage",),
            buckets=_STAGE_SECONDS,
            registry=of,
        )
        self._stages = {stage: stages.labels(stage) for stage in STAGES}
        self.step_rows = Histogram(
            "ringfence_step_records", "Records of one step.", buckets=_ROWS, registry=of
        )

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request has been answered."""
        children = self._routes.get((route, status))
        if children is None:
            children = self.requests.labels(route, status), self.seconds.labels(route)
            self._routes[route, status] = children
        children[0].inc()
        children[1].observe(seconds)

    def refused_unread(self, route: str, count: int) -> None:
        """So many requests have been refused for want of room before they were read: none took any time."""
        self.requests.labels(route, 503).inc(count)
        self.deciding.asked += count
        self.deciding.failed += count
        self.shed.inc(count)

    def promised(self, status: int, seconds: float, *, is_single: bool = True) -> None:
        """A request for decisions has been answered, of one payment or of a batch."""
        seen = self.deciding
        if status >= 500:
            seen.asked += 1
            seen.failed += 1
        elif status < 400:
            seen.asked += 1
            if is_single:
                seen.answered += 1
                seen.fast += seconds <= FAST_SECONDS

    def gave_up(self) -> None:
        """A payment has been answered at its deadline, by the policy."""
        self.expired.inc()
        self.deciding.expired += 1

    def turned_away(self, limit: str) -> None:
        """A connection has been closed by a limit."""
        self.closed.labels(limit).inc()

    def observe(self, stage: str, seconds: float) -> None:
        """A step has spent so long on a stage."""
        self._stages[stage].observe(seconds)

    def watch(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """A gauge that is asked when it is scraped."""
        Gauge(name, help_text, registry=self.registry).set_function(value)

    def count(self, decisions: DecisionBatch) -> None:
        """Take in the decisions of one step."""
        for strictness, count in Counts(decisions.outcomes.tolist()).items():
            self._outcomes[strictness].inc(count)
        for cause, count in Counts(chain.from_iterable(decisions.values("degraded"))).items():
            self.degraded.labels(cause).inc(count)

    def render(self) -> bytes:
        """The text form."""
        return generate_latest(self.registry)
