"""Whatever arrives, the server answers, says what is wrong, and goes on."""

import asyncio
import gzip
import json
import random
import threading

import pytest
import zstandard
from tests.api.conftest import NDJSON, lines, payment

JSON = {"content-type": "application/json"}
ROUTES = ("/v1/decisions", "/v1/events", "/v1/decisions/batch", "/v1/events/batch")


def hostile_bodies():
    chance = random.Random(11)
    good = json.dumps(payment("good")).encode()
    yield from (
        b"",
        b" ",
        b"null",
        b"[]",
        b"{}",
        b"1",
        b'"x"',
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b"{" * 50_000,
    )
    yield b"[" * 100_000
    yield b'{"a":' * 100_000
    yield b'{"attributes":' + b"[" * 600 + b"]" * 600 + b"}"
    yield b'{"amount":' + b"9" * 100_000 + b"}"
    yield b'{"amount":1e999999}'
    yield json.dumps(payment(event_time=10**30)).encode()
    yield json.dumps(payment("\ud83d\ude00" * 3000)).encode()
    yield json.dumps(payment("a\x00b", city="\x00")).encode()
    yield json.dumps(payment("utf16")).encode("utf-16")
    yield b'{"transaction_id":"\\ud800","event_time":1,"amount":1}'
    yield json.dumps(payment("lat", lat=1e308, lon=-1e308)).encode()
    yield json.dumps(payment("attributes", attributes={f"a{n}": n for n in range(1000)})).encode()
    yield good.replace(b"4111111111111111", b'"4111111111111111" , "x"')
    for _ in range(60):
        yield chance.randbytes(chance.randrange(1, 300))
        cut = bytearray(good)
        for _ in range(chance.randrange(1, 6)):
            cut[chance.randrange(len(cut))] = chance.randrange(256)
        yield bytes(cut)
        yield good[: chance.randrange(len(good))]


@pytest.mark.parametrize("route", ROUTES)
def test_no_body_gives_a_500_or_stops_the_server(api, route):
    async def talk(client):
        statuses = []
        for body in hostile_bodies():
            answer = await client.post(route, content=body, headers=JSON)
            statuses.append(answer.status_code)
            assert "4111111111111111" not in answer.text
        after = await client.post("/v1/decisions", json=payment("after"))
        return statuses, after.status_code

    statuses, after = api(talk)
    assert set(statuses) <= {200, 202, 400, 409, 413, 422}
    assert after == 200


def test_a_good_request_is_answered_well_amid_bad_ones(api):
    async def talk(client):
        bad = [
            client.post("/v1/decisions", content=body, headers=JSON) for body in list(hostile_bodies())[:60]
        ]
        good = [client.post("/v1/decisions", json=payment(f"g{number}")) for number in range(20)]
        return (await asyncio.gather(*bad, *good))[-20:]

    answers = api(talk)
    assert [answer.json()["transaction_id"] for answer in answers] == [f"g{number}" for number in range(20)]


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)]
)
def test_a_compressed_body_is_read_and_a_bomb_is_stopped_at_the_limit(api, encoding, pack):
    headers = JSON | {"content-encoding": encoding}

    async def talk(client):
        good = await client.post(
            "/v1/decisions", content=pack(json.dumps(payment()).encode()), headers=headers
        )
        bomb = await client.post("/v1/decisions", content=pack(b" " * 300_000_000), headers=headers)
        batch = await client.post(
            "/v1/decisions/batch", content=pack(lines([payment()])), headers=headers | NDJSON
        )
        broken = await client.post("/v1/decisions", content=pack(b"{}" * 900)[:-4], headers=headers)
        return [answer.status_code for answer in (good, bomb, batch, broken)]

    assert api(talk) == [200, 413, 200, 400]


def test_sizes_types_and_encodings_that_are_not_taken_are_told(api):
    async def talk(client):
        large = json.dumps(payment(note="x" * 2000)).encode()
        return [
            await client.post("/v1/decisions", content=large, headers=JSON),
            await client.post("/v1/events/batch", content=large * 3, headers=NDJSON),
            await client.post("/v1/decisions", content=b"{}", headers={"content-type": "text/xml"}),
            await client.post("/v1/decisions", content=b"{}"),
            await client.post("/v1/decisions", content=b"{}", headers=JSON | {"content-encoding": "br"}),
            await client.get("/v1/events/batch"),
            await client.get("/nowhere"),
        ]

    answers = api(talk, body_bytes=1024, batch_bytes=4096)
    assert [answer.status_code for answer in answers] == [413, 413, 415, 415, 415, 405, 404]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert answers[5].headers["allow"] == "POST"


def test_the_name_of_a_route_is_no_id_for_another_method(api):
    async def talk(client):
        return [
            await client.get("/v1/cases/bulk"),
            await client.get("/v1/cases/next"),
            await client.post("/v1/cases/queues", json={"action": "take"}),
            await client.post("/openapi.json"),
            await client.get("/v1/cases/nonsense"),
            await client.get("/v1/decisions/batch"),  # may be the id of a payment
        ]

    *others, odd, payment_id = api(talk)
    assert [(answer.status_code, answer.headers["allow"]) for answer in others] == [
        (405, "POST"), (405, "POST"), (405, "GET"), (405, "GET")
    ]  # fmt: skip
    assert "takes POST and no other method" in others[0].json()["detail"]
    assert (odd.status_code, payment_id.status_code) == (422, 404)


def test_a_slash_at_the_end_is_named(api):
    """It answered that the route takes GET."""

    async def talk(client):
        return await client.post("/v1/decisions/", json={}), await client.put("/v1/decisions/", json={})

    wrong, other = api(talk)
    assert (wrong.status_code, other.status_code) == (405, 405)
    assert wrong.json()["detail"] == "POST goes to /v1/decisions, without the slash at the end"
    assert "no other method" in other.json()["detail"]


def test_a_byte_order_mark_is_named(api):
    """It was an invalid character at byte 0."""
    payment = {"transaction_id": "t1", "event_time": "2024-05-01T10:00:00Z", "amount": "5"}

    async def talk(client):
        body = b"\xef\xbb\xbf" + json.dumps(payment).encode()
        return await client.post("/v1/decisions", content=body, headers={"content-type": "application/json"})

    answer = api(talk)
    assert answer.status_code == 422
    assert "byte order mark (BOM): send the JSON without it" in answer.json()["detail"]


def test_a_refusal_repeats_no_card_number(api):
    number = "4111111111111111"

    async def talk(client):
        change = {"mode": number, "based_on": "head"}
        return [
            await client.post("/v1/rules/modes/x", json=change),
            await client.post(f"/v1/rules/modes/{number}", json=change | {"mode": "shadow"}),
            await client.post("/v1/rules/check", json={"text": f"rules: [{number}]", number: 1}),
            await client.get(f"/v1/decisions/{number}"),
            await client.get("/v1/decisions", params={"outcome": number}),
            await client.post(
                "/v1/lists/import?list=a", content=number, headers={"content-type": "text/csv"}
            ),
        ]

    answers = api(talk)
    assert all(400 <= answer.status_code < 500 for answer in answers)
    assert not any(number in answer.text for answer in answers)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/decisions", '{"transaction_id": "t1", "amount": "9", "amount": "900"}', "amount"),
        ("/v1/rules/check", '{"text": "a", "text": "b"}', "text"),
    ],
)
def test_a_key_that_stands_twice_is_refused_by_name(api, path, body, field):
    answer = api(lambda client: client.post(path, content=body, headers={"content-type": "application/json"}))
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_the_keys_of_a_long_body_are_compared_beside_the_loop(api):
    """That takes milliseconds: payments do not wait for it, and too many at once are refused."""
    body = json.dumps({"text": "a" * 100_000})[:-1] + ', "text": "b"}'

    async def talk(client):
        pool, gate = client.server.pools.reading, threading.Event()
        free = await client.post("/v1/rules/check", content=body, headers=JSON)
        held = [asyncio.ensure_future(pool.run(gate.wait)) for _ in range(64)]
        await asyncio.sleep(0)
        busy = await client.post("/v1/rules/check", content=body, headers=JSON)
        other = await client.post("/v1/rules/check", json={"text": "a" * 10_000})
        gate.set()
        await asyncio.gather(*held)
        return free, busy, other

    free, busy, other = api(talk)
    assert [error["field"] for error in free.json()["errors"]] == ["text"]
    assert (busy.status_code, busy.json()["code"]) == (503, "overloaded")
    assert other.status_code != 503
