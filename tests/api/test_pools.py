"""Each kind of work has its own threads, its own short queue and its own deadline."""

import asyncio
import json
import threading

import pytest

from ringfence.access.principal import LOCAL, Principal, Role
from ringfence.api.background.pools import Pool
from ringfence.api.http.problems import Refusal
from ringfence.api.streaming import batch_slots as slots_module
from ringfence.api.streaming.batch_slots import Slots, in_time

from .conftest import NDJSON, lines, payment

TILL, SHOP = (Principal(name, frozenset({Role.DECIDE})) for name in ("till", "shop"))


def test_more_than_may_be_under_way_is_refused_and_the_place_is_free_again_once_it_is_done():
    async def talk():
        pool, gate = Pool("this", 1, 2, 60.0), threading.Event()
        under_way = [asyncio.ensure_future(pool.run(gate.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Refusal, match="try again") as refused:
            await pool.run(int)
        gate.set()
        assert await asyncio.gather(*under_way) == [True, True]
        assert await pool.run(int, "7") == 7
        pool.close()
        return refused.value

    refusal = asyncio.run(talk())
    assert (refusal.status, refusal.problem.code) == (503, "overloaded")
    assert refusal.headers == [(b"retry-after", b"2")]


def test_what_is_not_done_in_time_is_refused_and_its_thread_counts_as_busy_until_it_ends():
    async def talk():
        pool, gate, ended = Pool("this", 1, 1, 0.01), threading.Event(), threading.Event()

        def work():
            gate.wait()
            ended.set()

        with pytest.raises(Refusal) as refused:
            await pool.run(work)
        with pytest.raises(Refusal) as full:
            await pool.run(int)
        gate.set()
        await asyncio.to_thread(ended.wait)
        pool.close()
        return refused.value.problem.code, full.value.problem.code

    assert asyncio.run(talk()) == ("timed_out", "overloaded")


def test_the_errors_of_the_work_are_its_own():
    async def talk():
        pool = Pool("this", 1, 1, 60.0)
        with pytest.raises(ValueError, match="invalid literal"):
            await pool.run(int, "x")
        pool.close()

    asyncio.run(talk())


def test_no_caller_takes_the_last_place_but_where_nobody_is_asked_who_they_are():
    slots = Slots(2)
    with slots.take(TILL):
        with pytest.raises(Refusal, match="waiting"), slots.take(TILL):
            pass
        with slots.take(SHOP), pytest.raises(Refusal), slots.take(LOCAL):
            pass
    with slots.take(LOCAL), slots.take(LOCAL), pytest.raises(Refusal), slots.take(LOCAL):
        pass
    with slots.take(TILL):
        pass
    with Slots(1).take(TILL):  # a single place is for everybody
        pass


def test_a_body_that_never_comes_gives_its_place_back(monkeypatch):
    monkeypatch.setattr(slots_module, "_FIRST_SECONDS", 0.01)

    async def never():
        await asyncio.Event().wait()

    with pytest.raises(Refusal, match="KiB a second") as refused:
        asyncio.run(in_time(never)())
    assert refused.value.status == 408


def test_a_body_that_comes_steadily_may_take_as_long_as_it_needs(monkeypatch):
    """A mebibyte earns a minute."""
    monkeypatch.setattr(slots_module, "_FIRST_SECONDS", 0.0)
    times = iter([0.0, 0.0, 0.0, 50.0, 50.0])
    monkeypatch.setattr(slots_module, "perf_counter", lambda: next(times))
    monkeypatch.setattr(slots_module, "_FIRST_SECONDS", 1.0)

    async def piece():
        return {"type": "http.request", "body": b"x" * (1 << 20), "more_body": True}

    async def talk():
        receive = in_time(piece)
        return [len((await receive())["body"]) for _ in range(2)]

    assert asyncio.run(talk()) == [1 << 20] * 2


def test_slow_uploads_leave_a_place_for_others(api):
    async def talk(client):
        gate = asyncio.Event()

        async def slowly():
            yield lines([payment("slow")])
            await gate.wait()

        slow = asyncio.ensure_future(client.post("/v1/decisions/batch", content=slowly(), headers=NDJSON))
        await asyncio.sleep(0.05)
        other = await client.post("/v1/decisions/batch", content=lines([payment("o")]), headers=NDJSON)
        gate.set()
        return (await slow).status_code, other.status_code

    assert api(talk, most_batches=2) == (200, 200)


def large(identity):
    return payment(identity, attributes={f"a{n}": "x" * 100 for n in range(400)})


def test_a_large_payment_is_decided_like_a_small_one(api):
    """It is read on a thread, and bad or repeated it is told so all the same."""

    async def talk(client):
        first = await client.post("/v1/decisions", json=large("l1"))
        again = await client.post("/v1/decisions", json=large("l1"))
        other = await client.post("/v1/decisions", json=large("l1") | {"amount": 3})
        bad = await client.post("/v1/decisions", json=large("l2") | {"nobody": 1})
        logged = await client.post("/v1/events", json=large("l3"))
        return first, again, other, bad, logged

    first, again, other, bad, logged = api(talk)
    assert [one.status_code for one in (first, again, other, bad, logged)] == [200, 200, 409, 422, 202]
    assert first.json()["transaction_id"] == "l1"
    assert again.headers["idempotency-replayed"] == "true"
    assert bad.json()["errors"][0]["field"] == "nobody"


def test_a_large_payment_past_its_deadline_is_refused_and_never_approved_unlooked(api):
    """Reading it takes too long; the small ones beside it are decided, whatever they were told by then."""

    async def talk(client):
        server, gate = client.server, threading.Event()
        held = asyncio.ensure_future(server.pools.payments.run(gate.wait))
        waiting = asyncio.ensure_future(client.post("/v1/decisions", json=large("l1")))
        small = await client.post("/v1/decisions", json=payment("s1"))
        async with asyncio.timeout(60):
            while (await client.get("/v1/decisions/s1")).status_code == 404:
                await asyncio.sleep(0.01)
        answer = await waiting
        gate.set()
        await held
        after = await client.post("/v1/decisions", json=large("l1"))
        return answer, small.status_code, after

    answer, small, after = api(talk, deadline_ms=50)
    assert (answer.status_code, answer.json()["code"], small) == (503, "unavailable", 200)
    assert after.status_code in (200, 503)


def test_a_record_with_a_hundred_thousand_unknown_fields_is_told_the_first_of_them(api):
    body = json.dumps(payment() | {f"n{number}": 1 for number in range(60_000)}).encode()

    async def talk(client):
        return await client.post("/v1/decisions", content=body, headers={"content-type": "application/json"})

    answer = api(talk)
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) < 30
    assert "more fields not looked at" in answer.json()["detail"]
