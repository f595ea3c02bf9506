"""Rows of requests on one connection, and what a peer has to wait for."""

import asyncio
import contextlib
import json

import uvicorn
from uvicorn.server import ServerState

from ringfence.access.authoriser import Authoriser
from ringfence.access.principal import Role
from ringfence.adapters.access.keys import ApiKeys
from ringfence.api.hot.outcomes import Ticket
from ringfence.api.http.connections import ConnectionLimits, Connections
from ringfence.api.http.wire import Wire
from ringfence.web.site import Site

from .conftest import Peer, payment
from .test_wire import HEALTH, HOST, POST, until, whole


def test_few_requests_behind_a_body_are_looked_at_before_the_first_is_answered(wired, monkeypatch):
    monkeypatch.setattr("ringfence.api.http.wire._REST_SECONDS", 0.001)

    async def talk(server):
        peer = await Peer.of(server)
        peer.writer.write((whole("same") + HEALTH * 300) * 3)
        statuses, most = [], 0
        for _ in range(903):
            statuses.append((await peer.answer())[0])
            [line] = server.connections._all
            most = max(most, len(line.pipeline))
        return statuses, most

    statuses, most = wired(talk)
    assert statuses == [200] * 903
    assert most <= 8 + 1024 / len(HEALTH)


def test_a_body_of_what_looks_like_ends_of_heads_is_a_body(wired):
    body = json.dumps(payment("odd")).encode() + b"\r\n\r\n" * 4000

    async def talk(server):
        peer = await Peer.of(server)
        await peer.send(b"%bcontent-length: %d\r\n\r\n%b" % (POST, len(body), body))
        return (await peer.answer())[0]

    assert wired(talk) == 200


def test_whoever_proves_nobody_is_not_looked_at_for_a_while_which_grows(wired, tmp_path, monkeypatch):
    monkeypatch.setattr("ringfence.api.http.wire._REST_SECONDS", 3600)
    monkeypatch.setattr("ringfence.api.http.wire._LONGEST_REST_SECONDS", (1e6, 1e6))

    def with_key(key):
        return whole("t", b"authorization: Bearer %b\r\n" % key.encode())

    async def talk(server):
        stranger, till = await Peer.of(server), await Peer.of(server)
        await till.send(with_key(good))
        statuses = [(await till.answer())[0]]
        [known] = server.connections._all - server.connections._oldest.keys()
        for number in range(3):
            await stranger.send(with_key(f"rf_none{number}") + with_key(good))
            statuses.append((await stranger.answer())[0])
            [line] = server.connections._all - {known}
            assert line.is_paused()
            await till.send(with_key(good))
            statuses.append((await till.answer())[0])
            doubts.append(line._doubts)
            line._go_on()
            statuses.append((await stranger.answer())[0])
            doubts.append(line._doubts)
        return statuses

    doubts = []
    with contextlib.closing(ApiKeys(tmp_path / "keys")) as keys:
        good = keys.create("till", frozenset({Role.DECIDE}), 0)
        statuses = wired(talk, authoriser=Authoriser(keys))
    assert statuses == [200] + [401, 200, 200] * 3
    assert doubts == [1, 0] * 3


def test_whoever_has_to_be_refused_waits_while_somebody_else_pays_one_by_one(wired, tmp_path, monkeypatch):
    monkeypatch.setattr("ringfence.api.http.wire._REST_SECONDS", 3600)
    monkeypatch.setattr("ringfence.api.http.wire._LONGEST_REST_SECONDS", (1e6, 1e6))

    def refused_batch(key):
        head = b"POST /v1/decisions/batch HTTP/1.1\r\n%bauthorization: Bearer %b\r\n" % (HOST, key.encode())
        return head + b"content-type: image/png\r\ncontent-length: 2\r\n\r\n{}" + HEALTH

    async def talk(server):
        bulk, till = await Peer.of(server), await Peer.of(server)
        await bulk.send(refused_batch(keys["bulk"]))  # nobody else pays
        statuses = [(await bulk.answer())[0] for _ in range(2)]
        for key in (keys["bulk"], keys["till"]):  # the second one is somebody else
            await till.send(whole(f"t-{key}", b"authorization: Bearer %b\r\n" % key.encode()))
            statuses.append((await till.answer())[0])
            await bulk.send(refused_batch(keys["bulk"]))
            statuses.append((await bulk.answer())[0])
            paused.append(any(line.is_paused() for line in server.connections._all))
            if not paused[-1]:
                statuses.append((await bulk.answer())[0])
        await till.send(whole("goes on", b"authorization: Bearer %b\r\n" % keys["till"].encode()))
        statuses.append((await till.answer())[0])
        [line] = [line for line in server.connections._all if line.is_paused()]
        line._go_on()
        statuses.append((await bulk.answer())[0])
        return statuses

    paused = []
    with contextlib.closing(ApiKeys(tmp_path / "keys")) as book:
        keys = {name: book.create(name, frozenset({Role.DECIDE}), 0) for name in ("bulk", "till")}
        statuses = wired(talk, authoriser=Authoriser(book))
    assert statuses == [415, 200, 200, 415, 200, 200, 415, 200, 200]
    assert paused == [False, True]


def test_a_visitor_whom_nobody_knows_hears_why_a_page_is_refused(wired, tmp_path, caplog):
    async def talk(server):
        visitor = await Peer.of(server)
        await visitor.send(b"GET /sign-in/callback?state=%b HTTP/1.1\r\n%b\r\n" % (b"x" * 201, HOST))
        return (await visitor.answer())[0]

    with contextlib.closing(ApiKeys(tmp_path / "keys")) as keys:
        keys.create("till", frozenset({Role.DECIDE}), 0)
        assert wired(talk, authoriser=Authoriser(keys), site=Site) == 422
    assert "Exception in ASGI" not in caplog.text


def test_a_body_that_nobody_takes_is_not_read_further_however_large_the_pieces():
    size, most = 32 << 20, (64 << 10) + (256 << 10)  # what is enough, and what the loop reads at once

    async def talk():
        taken, goes_on = 0, asyncio.Event()

        async def app(scope, receive, send):
            nonlocal taken
            scope["ringfence.line"].streamed = True
            more = True
            while more:
                message = await receive()
                taken, more = taken + len(message["body"]), message["more_body"]
                await goes_on.wait()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

        config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None)
        config.load()
        among, state, made = Connections(ConnectionLimits()), ServerState(), []

        def connected():
            made.append(Wire(among, config=config, server_state=state, app_state={}))
            return made[-1]

        listener = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname()[:2])
        writer.write(b"POST / HTTP/1.1\r\n%bcontent-length: %d\r\n\r\n" % (HOST, size) + bytes(size))
        await until(lambda: made and made[0].is_paused() and len(made[0].cycle.body) > 64 << 10)
        for _ in range(500):
            await asyncio.sleep(0)
        assert made[0].received <= 2 * most, "a piece was taken, the next one waits"
        goes_on.set()
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()
        listener.close()
        return taken

    assert asyncio.run(asyncio.wait_for(talk(), 300)) == size


def test_a_payment_behind_a_row_is_not_refused_before_the_row_is_answered(wired, monkeypatch):
    monkeypatch.setattr("ringfence.api.http.wire._REST_SECONDS", 3600)
    monkeypatch.setattr("ringfence.api.http.wire._BURST", 1)

    async def talk(server):
        flood = Ticket([b"{}"] * 100, "test", lambda _results: None, lambda _refusal: None, caller="flood")
        server.decider.gate.enter(flood, 0.0)
        assert server.decider.lets_nobody_in("127.0.0.1")
        peer = await Peer.of(server)
        await peer.send(HEALTH * 3)
        statuses = [(await peer.answer())[0]]
        [line] = server.connections._all
        assert len(line.pipeline) == 2
        await peer.send(whole("late"))
        for _ in range(100):
            await asyncio.sleep(0)
        for _ in range(2):
            line._answer_next()
            statuses.append((await peer.answer())[0])
        statuses.append((await peer.answer())[0])
        return statuses

    assert wired(talk, most_waiting=2) == [200, 200, 200, 503]
