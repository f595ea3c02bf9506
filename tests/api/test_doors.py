"""Bombs into every other door: bodies of rules, lists and models, and the dashboard's forms."""

import asyncio
import json
import threading

import pytest
from tests.api.conftest import payment

RULES = """name: own
rules:
  - {id: large, title: T, when: amount > 5000, outcome: review, reason: R, analyst: A.}
"""
JSON = {"content-type": "application/json"}
MIB = 1 << 20
ROUTES = (
    "/v1/rules/check",
    "/v1/rules/versions",
    "/v1/rules/backtest",
    "/v1/rules/rollback",
    "/v1/rules/modes/x",
    "/v1/lists/entries",
    "/v1/lists/removals",
    "/v1/models/0123456789abcdef/promotion",
    "/v1/drift",
    "/v1/events",
)
SHAPES = {
    "numbers": b"[" + b"1," * (3 * MIB) + b"1]",
    "nested": b"[" * 100_000,
    "objects": b'{"a":' * 100_000,
    "digits": b'{"limit":' + b"9" * 900_000 + b"}",
    "names": b"{" + b",".join(b'"n%d":1' % number for number in range(200_000)) + b"}",
    "entries": b'{"list":"a","kind":"watch","entries":[' + b'{"entity_id":"e"},' * 200_000 + b"{}]}",
    "text": json.dumps({"text": "x" * 600_000, "note": "", "based_on": "head"}).encode(),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_no_body_of_any_route_is_more_than_refused(api, shape):
    async def talk(client):
        answers = [await client.post(route, content=SHAPES[shape], headers=JSON) for route in ROUTES]
        after = await client.post("/v1/decisions", json=payment())
        return [answer.status_code for answer in answers], after.status_code

    statuses, after = api(talk)
    assert set(statuses) <= {400, 404, 413, 422}
    assert after == 200


def test_a_csv_of_too_many_rows_is_refused(api):
    async def talk(client):
        body = b"entity_id\n" + b"a\n" * 200_001
        return await client.post(
            "/v1/lists/import?list=a", content=body, headers={"content-type": "text/csv"}
        )

    answer = api(talk)
    assert answer.status_code == 422
    assert "split it" in answer.json()["detail"]


def test_rule_checks_that_last_hold_up_neither_reading_nor_payments_nor_each_other_for_good(api):
    async def talk(client):
        server, gate = client.server, threading.Event()
        held = [asyncio.ensure_future(server.pools.checks.run(gate.wait)) for _ in range(8)]
        await asyncio.sleep(0)
        book = {"text": RULES, "based_on": "head", "activate": True}
        saved = (await client.post("/v1/rules/versions", json=book)).json()
        pause = {"mode": "paused", "based_on": "head", "activate": True}
        paused = (await client.post("/v1/rules/modes/large", json=pause)).json()
        for one in (saved, paused):
            assert one["activation"]["digest"] == one["change"]["digest"]
            assert "was not measured: too many requests for checks" in one["warnings"][0]
        refused = await client.post("/v1/rules/check", json={"text": "rules: []"})
        decided = await client.post("/v1/decisions", json=payment())
        read = await client.get("/v1/decisions/t1")
        listed = await client.get("/v1/decisions")
        gate.set()
        await asyncio.gather(*held)
        checked = await client.post("/v1/rules/check", json={"text": "rules: []"})
        return [one.status_code for one in (refused, decided, read, listed, checked)]

    assert api(talk) == [503, 200, 200, 200, 200]
