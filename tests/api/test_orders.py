"""Events of the server's own: they go into the log between two steps, while payments are being decided."""

import asyncio

import pytest

from ringfence.access.authoriser import Authoriser
from ringfence.api.hot import decider
from ringfence.api.http.problems import Refusal
from ringfence.api.server import Server
from ringfence.api.settings import ServeSettings
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.events.activation import Part, activation
from ringfence.scoring.rulesets.books import load_book
from ringfence.scoring.rulesets.rules import compile_rules

from .conftest import payment, session_in


def test_an_activation_takes_effect_between_two_payments(api):
    spec = load_definitions(None, None).spec
    rule = "{id: all, title: All, when: amount > 1, outcome: decline, reason: ALL, analyst: All.}"
    book = load_book(f"name: own\nrules: [{rule}]")
    compile_rules(book, spec)

    async def talk(client):
        server = client.server
        server.session.store.registry.register("rules", book.digest, book.to_json(), 1)
        before = await client.post("/v1/decisions", json=payment("a"))
        offsets = await server.decider.put(activation(Part.RULES, book.digest, 5, author="mira"))
        after = await client.post("/v1/decisions", json=payment("b"))
        ready = await client.get("/readyz")
        other = await asyncio.to_thread(
            server.decider.put_and_wait,
            activation(Part.RULES, before.json()["versions"]["rules"], 6, author="x"),
        )
        back = await client.post("/v1/decisions", json=payment("c"))
        return before.json(), offsets, after.json(), ready.json(), other, back.json()

    before, offsets, after, ready, other, back = api(talk)
    assert (before["offset"], offsets, after["offset"], other, back["offset"]) == (0, [1], 2, [3], 4)
    assert (before["outcome"], after["outcome"]) == ("approve", "decline")
    assert after["versions"]["rules"] == ready["versions"]["rules"] == book.digest
    assert back["versions"]["rules"] == before["versions"]["rules"]


def test_who_waits_for_a_change_is_told_when_the_event_loop_ended_by_force(tmp_path, monkeypatch):
    """The loop stands still, as after a shutdown that waited for nobody; then it is gone."""
    monkeypatch.setattr(decider, "_PATIENCE_SECONDS", 0.05)
    change = activation(Part.RULES, "0" * 16, 5, author="mira")

    async def start(server):
        server.start()

    with session_in(tmp_path) as session, asyncio.Runner() as loop:
        server = Server(session, ServeSettings(), Authoriser())
        loop.run(start(server))
        end = session.store.log.end_offset("events")
        with pytest.raises(Refusal, match="not confirmed in time"):
            server.decider.put_and_wait(change)
        loop.run(server.stop())
        assert session.store.log.end_offset("events") == end
        loop.close()
        with pytest.raises(Refusal, match="cannot decide"):
            server.decider.put_and_wait(change)
