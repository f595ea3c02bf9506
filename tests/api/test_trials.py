"""A rule set tried on the past, and a decision taken apart, over HTTP."""

import asyncio

import pytest
from tests.api.conftest import payment

BOOK = """
name: own
rules:
  - {id: dear, title: Dear, when: amount > 100, outcome: review, reason: DEAR, analyst: "It is dear."}
"""


async def over(client, begun):
    """The backtest once it is over."""
    for _ in range(2400):
        told = (await client.get(f"/v1/rules/backtest/{begun.json()['id']}")).json()
        if told["state"] not in ("waiting", "running"):
            return told
        await asyncio.sleep(0.05)
    return told


def test_a_text_that_nobody_has_saved_is_tried_on_the_past_in_the_background(api):
    async def talk(client):
        for number, amount in enumerate(("50.00", "150.00", "250.00")):
            await client.post("/v1/decisions", json=payment(f"t{number}", amount=amount))
        begun = await client.post("/v1/rules/backtest", json={"text": BOOK})
        stopped = await client.post(f"/v1/rules/backtest/{begun.json()['id']}/stop")
        again = await client.post("/v1/rules/backtest", json={"text": BOOK})
        same = await client.post("/v1/rules/backtest", json={"version": "active"})
        none = await client.post("/v1/rules/backtest", json={"version": "active", "until_ms": 1})
        found = [await over(client, one) for one in (again, same, none)]
        after = await client.post(f"/v1/rules/backtest/{again.json()['id']}/stop")
        return begun, stopped.json(), found, after.json()

    begun, stopped, (tried, same, none), after = api(talk)
    assert begun.status_code == 202
    assert begun.json()["report"] is None
    assert stopped["id"] == begun.json()["id"]
    assert tried["state"] == "done"
    assert tried["report"]["new"]["outcomes"] == {"approve": 1, "challenge": 0, "review": 2, "decline": 0}
    assert sum(tried["report"]["active"]["outcomes"].values()) == 3
    assert tried["done"] == tried["total"] > 0
    assert same["report"]["new"] == same["report"]["active"]
    assert none["state"] == "failed"
    assert none["problem"].startswith("no decided payment falls into this time: `ringfence topics`")
    assert after == tried


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({}, 422, "invalid_parameter"),
        ({"version": "active", "text": BOOK}, 422, "invalid_parameter"),
        ({"version": "00000000"}, 404, "not_found"),
        ({"text": "rules: ["}, 422, "invalid_rules"),
        ({"text": BOOK, "since_ms": -1}, 422, "invalid_request"),
        ({"text": BOOK, "by": "me"}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_tried_is_refused_at_once(api, asked, status, code):
    answer = api(lambda client: client.post("/v1/rules/backtest", json=asked))
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_backtest_that_nobody_began_is_not_found(api):
    async def talk(client):
        asked = [client.get("/v1/rules/backtest/0123456789abcdef"), client.get("/v1/rules/backtest/x")]
        return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert api(talk) == [404, 422]


def test_a_decision_is_taken_apart_and_an_id_may_end_like_the_route(api):
    async def talk(client):
        for name in ("t/1", "t/1/explanation"):
            await client.post("/v1/decisions", json=payment(name, amount="15000"))
        paths = ("t/1/explanation", "t/1/explanation?all=true&full=true", "nobody/explanation")
        own = client.get("/v1/decisions/t/1/explanation/explanation")
        found = [await client.get(f"/v1/decisions/{path}") for path in paths]
        return [*found, await own]

    quick, full, nobody, own = api(talk)
    assert quick.json()["transaction_id"] == "t/1"
    assert "ask in full" in quick.json()["notes"][-1]
    assert not any("ask in full" in note for note in full.json()["notes"])
    assert {rule["id"] for rule in quick.json()["rules"]} < {rule["id"] for rule in full.json()["rules"]}
    assert nobody.status_code == 404
    assert own.json()["transaction_id"] == "t/1/explanation"


def test_the_decision_on_an_id_that_ends_like_the_route_is_read_back(api):
    async def talk(client):
        await client.post("/v1/decisions", json=payment("b/explanation"))
        return await client.get("/v1/decisions/b/explanation")

    assert api(talk).json()["decision"]["transaction_id"] == "b/explanation"
