"""POST /v1/decisions with as little as possible between the socket and the decider."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.api.answers import DecisionAnswer
from ringfence.api.bodies import JSON, ClientGoneError, content_type, read_body
from ringfence.api.outcomes import LARGE, Result, Ticket
from ringfence.api.problems import Refusal, refused_record, unavailable
from ringfence.scoring.rules import OnFailure, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.api.server import Server
    from ringfence.events.batch import EventBatch

DEADLINE: Final = "deadline"
"""Cause of degradation: the answer was due before the decision was."""

_ENCODER: Final = msgspec.json.Encoder()


async def decide(server: Server, scope: Any, receive: Any) -> Result:
    """The decision on the payment in the body, at the deadline at the latest; else `Refusal`."""
    headers = scope["headers"]
    kind = content_type(headers)
    if kind != JSON:
        raise Refusal(415, "unsupported_media_type", "send the payment as application/json")
    body = await read_body(headers, receive, server.settings.body_bytes)
    if not body or body.isspace():
        raise empty_body()
    future: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
    submit(server, body, future.set_result, future.set_exception)
    return (await future)[0]


def empty_body() -> Refusal:
    """The refusal of a request without a payment."""
    return Refusal(400, "empty_body", "the body is empty: send one payment as a JSON object")


def submit(
    server: Server,
    body: bytes,
    give: Callable[[Sequence[Result]], None],
    refuse: Callable[[Refusal], None],
) -> None:
    """Ask for a decision; one of the two is called, at the deadline at the latest.

    `Refusal` where too much is waiting.
    """
    ticket = Ticket((body,), "http", give, refuse)
    if len(body) > LARGE:
        server.read_aside(ticket)
    else:
        server.decider.submit(ticket)
    server.deadlines.watch(ticket)


async def submit_large(server: Server, ticket: Ticket) -> None:
    """Read a large payment on a thread, where nobody waits for it, and only then ask for its decision."""
    try:
        ticket.prepared = await server.pools.payments.run(
            server.decoding, ticket.lines, server.clock.now_ms()
        )
        server.decider.submit(ticket)
    except Refusal as refusal:
        if not ticket.answered:
            ticket.answered = True
            ticket.refuse(refusal)


def expire(server: Server, tickets: Sequence[Ticket]) -> None:
    """Answer for decisions that are not there in time. A large payment is not read a second time for that."""
    small = [one for one in tickets if len(one.lines[0]) <= LARGE]
    said = dict(zip(map(id, small), at_deadline(server, [one.lines[0] for one in small]), strict=True))
    for ticket in tickets:
        result = said.get(id(ticket), _too_busy())
        ticket.answered = True
        if isinstance(result, Refusal):
            ticket.refuse(result)
        else:
            server.metrics.expired.inc()
            ticket.give([result])


def at_deadline(server: Server, bodies: Sequence[bytes]) -> list[Result | Refusal]:
    """What the policy says of payments that nobody has had the time to look at; they are counted later.

    Read together: they expire because there is too much to do already.
    """
    now_ms = server.clock.now_ms()
    events, refused = server.decoding(bodies, now_ms)
    bad = {record.position: record for record in refused}
    closed = server.runner.pipeline.rules.ruleset.policy.on_failure is OnFailure.CLOSED
    rows = iter(range(len(events)))
    return [
        refused_record(bad[place])
        if place in bad
        else _unlooked(server, events, next(rows), now_ms, closed=closed)
        for place in range(len(bodies))
    ]


def _unlooked(server: Server, events: EventBatch, row: int, now_ms: int, *, closed: bool) -> Result | Refusal:
    if not events.is_transaction[row]:
        return _too_busy()
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
        latency_us=server.settings.deadline_ms * 1000,
        versions=server.versions,
    )
    return Result(200, _ENCODER.encode(answer))


def _too_busy() -> Refusal:
    return unavailable("the server is too busy to look at this: try again")


__all__ = [
    "DEADLINE",
    "ClientGoneError",
    "at_deadline",
    "decide",
    "empty_body",
    "expire",
    "submit",
    "submit_large",
]
