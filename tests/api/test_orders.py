"""Events of the server's own: they go into the log between two steps, while payments are being decided."""

import asyncio

from ringfence.compose import load_definitions
from ringfence.events.activation import Part, activation
from ringfence.scoring.books import load_book
from ringfence.scoring.rules import compile_rules

from .conftest import payment


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
