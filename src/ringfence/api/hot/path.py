"""POST /v1/decisions with as little as possible between the socket and the decider."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.api.hot.answers import DecisionAnswer
from ringfence.api.hot.deadlines import Deadlines
from ringfence.api.hot.outcomes import Result, Ticket, is_large
from ringfence.api.http.problems import Refusal, refused_record, unavailable
from ringfence.scoring.rulesets.outcomes import OnFailure, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.api.background.pools import Pool
    from ringfence.api.hot.decider import Decider
    from ringfence.api.hot.decoding import Decoding
    from ringfence.api.hot.decoding_aside import Aside
    from ringfence.events.batch import EventBatch
    from ringfence.pipeline import Pipeline
    from ringfence.ports import Clock
    from ringfence.ports.tracing import RequestTrace

DEADLINE: Final = "deadline"
"""Cause of degradation: the answer was due before the decision was."""

_ENCODER: Final = msgspec.json.Encoder()


class HotPath:
    """Single payments on their way to the decider, each answered at its deadline at the latest.

    On the event loop only; whoever carries HTTP has let the caller in.
    """

    def __init__(
        self,
        decider: Decider,
        decoding: Decoding,
        aside: Aside,
        pipeline: Pipeline,
        large: Pool,
        clock: Clock,
        deadline_ms: int,
        expired: Callable[[], None],
    ) -> None:
        """`large` are threads for `aside`, which reads large payments; `expired` hears of early answers."""
        self._decider = decider
        self._decoding = decoding
        self._aside = aside
        self._pipeline = pipeline
        self._large = large
        self._clock = clock
        self._deadline_ms = deadline_ms
        self._expired = expired
        self._tasks: set[asyncio.Task[None]] = set()
        self.deadlines = Deadlines(deadline_ms / 1000, self._expire, perf_counter)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Payments may come from now on."""
        self.deadlines.start(loop)

    async def settle(self) -> None:
        """Wait for large payments that are being read."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def submit(
        self,
        body: bytes,
        give: Callable[[Sequence[Result]], None],
        refuse: Callable[[Refusal], None],
        trace: RequestTrace | None = None,
        caller: str = "",
    ) -> None:
        """Ask for a decision; one of the two is called, at the deadline at the latest.

        `Refusal` of an empty body, and where too much is waiting.
        """
        if not body or body.isspace():
            raise Refusal(400, "empty_body", "the body is empty: send one payment as a JSON object")
        ticket = Ticket((body,), "http", give, refuse, caller=caller, trace=trace)
        if is_large(ticket.lines):
            self._read_aside(ticket)
        else:
            self._decider.submit(ticket)
        self.deadlines.watch(ticket)

    def _read_aside(self, ticket: Ticket) -> None:
        ticket.since, ticket.bounded = perf_counter(), False  # its pool counts it
        task = asyncio.get_running_loop().create_task(self._submit_large(ticket))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _submit_large(self, ticket: Ticket) -> None:
        """Read a large payment on a thread, where nobody waits for it, and only then ask for its decision."""
        try:
            ticket.prepared = await self._large.run(self._aside, ticket.lines, self._clock.now_ms())
            self._decider.submit(ticket)
        except Refusal as refusal:
            if not ticket.answered:
                ticket.answered = True
                ticket.refuse(refusal)

    def _expire(self, tickets: Sequence[Ticket]) -> None:
        """Answer for decisions that are not there in time. No large payment is read again for that."""
        small = [one for one in tickets if not is_large(one.lines)]
        said = dict(zip(map(id, small), self._at_deadline([one.lines[0] for one in small]), strict=True))
        for ticket in tickets:
            result = said.get(id(ticket), _too_busy())
            ticket.answered = True
            if isinstance(result, Refusal):
                ticket.refuse(result)
            else:
                self._expired()
                ticket.give([result])

    def _at_deadline(self, bodies: Sequence[bytes]) -> list[Result | Refusal]:
        """What the policy says of payments that nobody has had the time to look at; they are counted later.

        Read together: they expire because there is too much to do already.
        """
        now_ms = self._clock.now_ms()
        events, refused = self._decoding(bodies, now_ms)
        bad = {record.position: record for record in refused}
        rows = iter(range(len(events)))
        return [
            refused_record(bad[place]) if place in bad else self._unlooked(events, next(rows), now_ms)
            for place in range(len(bodies))
        ]

    def _unlooked(self, events: EventBatch, row: int, now_ms: int) -> Result | Refusal:
        if not events.is_transaction[row]:
            return _too_busy()
        closed = self._pipeline.rules.ruleset.policy.on_failure is OnFailure.CLOSED
        answer = DecisionAnswer(
            transaction_id=events.column("transaction_id")[row].as_py(),
            outcome=Outcome.REVIEW if closed else Outcome.APPROVE,
            score=0.0,
            probability=None,
            reasons=[],
            shadow_rules=[],
            degraded=[DEADLINE],
            offset=None,
            event_time_ms=int(events.event_time_ms[row]),
            decided_at_ms=now_ms,
            latency_us=self._deadline_ms * 1000,
            versions=versions_of(self._pipeline),
        )
        return Result(200, _ENCODER.encode(answer))


def versions_of(pipeline: Pipeline) -> dict[str, str]:
    """Digests of what decides now."""
    return {"features": pipeline.spec.digest, **{part: d for part, d in pipeline.versions.items() if d}}


def _too_busy() -> Refusal:
    return unavailable("the server is too busy to look at this: try again")
