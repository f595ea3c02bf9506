"""Only the thread that decides touches live state: questions hold while lists change as fast as they can."""

from __future__ import annotations

import asyncio

from tests.scoring.conftest import make_events

from ringfence.analysis import history
from ringfence.events.model import Kind
from ringfence.web import Site
from ringfence.web.investigate.dossier import take_apart
from ringfence.web.measure.sampling import sample_of

from .conftest import NDJSON, NOW_MS, lines, payment

RULE = """
name: looked-up
rules:
  - id: blocked
    title: Blocked
    when: card.blocked or merchant.watched or customer.profile.age > 3 or merchant.profile.city = 'Ulm'
    outcome: decline
    reason: BLOCKED
    analyst: Blocked.
"""
ROUNDS = 5


def changes(turn):
    """New lists, new ids, new words: each makes something grow."""
    cards = [
        {
            "kind": Kind.LIST_ENTRY,
            "event_time_ms": NOW_MS,
            "list_kind": "block",
            "list_name": f"list-{turn % 300}",
            "entity_id": f"c{turn}-{n}",
            "entity_type": "card",
        }
        for n in range(30)
    ]
    people = [
        {
            "kind": Kind.PROFILE,
            "event_time_ms": NOW_MS,
            "entity_type": kind,
            "entity_id": f"p{turn}-{n}",
            "attributes.age": float(n),
            "attributes.city": f"city {turn} {n}",
        }
        for kind in ("customer", "merchant")
        for n in range(30)
    ]
    return make_events(*cards), make_events(*people)


def test_questions_hold_while_lists_and_profiles_change_as_fast_as_they_can(api, monkeypatch):
    """Rates, a decision taken apart for the API and for its page, a sample of payments, and the metrics."""
    monkeypatch.setattr(history, "MOST_READ", 0)  # so that explanations look at what is now

    async def talk(client):
        server, over = client.server, asyncio.Event()
        dashboard = Site(server)
        sent = [payment(f"t{n}", customer_id=f"p{n}-1", merchant_id=f"p{n}-2") for n in range(60)]
        await client.post("/v1/events/batch", content=lines(sent), headers=NDJSON)
        found = server.stored.decision_of("t7")
        book = server.desk.ruleset(server.desk.resolve("active"))
        inputs = ["customer.profile.age", "card.blocked", "merchant.flagged"]

        async def change():
            turn = 0
            while not over.is_set():
                for events in changes(turn):
                    await server.decider.put(events)
                turn += 1
            return turn

        def ask():
            for _ in range(ROUNDS):
                server.session.check(RULE)
                server.session.warnings_on(book)
                server.trials.explanation(found, every=True, full=False)
                take_apart(dashboard, "t7")
                sample_of(dashboard, inputs)
                assert server.stored.decision_of("t59") is not None

        changing = asyncio.create_task(change())
        try:
            await asyncio.gather(asyncio.to_thread(ask), asyncio.to_thread(ask))
            metrics = await client.get("/metrics")
        finally:
            over.set()
        return await changing, metrics.status_code

    turns, metrics = api(talk)
    assert turns > 1
    assert metrics == 200
