"""Connections over real sockets, with peers that do what no client does; time passes beat by beat."""

import asyncio
import contextlib
import json

import pytest

from ringfence.api.http.connections import BODY, HEAD

from .conftest import Peer, payment

HOST = b"host: localhost\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /v1/decisions HTTP/1.1\r\n" + HOST + b"content-type: application/json\r\n"


def whole(identity, *more):
    body = json.dumps(payment(identity)).encode()
    return b"%b%bcontent-length: %d\r\n\r\n%b" % (POST, b"".join(more), len(body), body)


def refused(wired, *sent, **options):
    """What becomes of somebody who sends this: status and code; and that the next one is served."""

    async def talk(server):
        peer = await Peer.of(server)
        try:
            for data in sent:
                await peer.send(data)
        except ConnectionError:
            pass  # an answer may be there all the same
        status, headers, body = await peer.answer()
        assert headers["connection"] == "close"
        assert headers["content-type"] == "application/problem+json"
        peer.close()
        await is_served(server)
        return status, json.loads(body)["code"]

    return wired(talk, **options)


async def is_served(server, identity="next"):
    peer = await Peer.of(server)
    await peer.send(whole(identity))
    status, _, body = await peer.answer()
    assert (status, json.loads(body)["transaction_id"]) == (200, identity)
    peer.close()


async def until(holds):
    for _ in range(12_000):  # a minute: what is slow is no fault here
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to hold")


START = b"GET / HTTP/1.1\r\n" + HOST


@pytest.mark.parametrize(
    "head",
    [
        START + b"x: " + b"a" * (5 << 20),
        START + b"a" * (5 << 20) + b": x",
        START + b"x: a\r\n" * 1000,
        START + b"a:\r\n" * 30_000,
        b"GET /" + b"a" * (5 << 20),
        b"GET /?" + b"%41" * 60_000,
        START + b"x: a\r\n\t" + b" b\r\n\t" * 50_000,
        HEALTH + START + b"x: " + b"a" * (5 << 20),
    ],
    ids=["value", "name", "headers", "empty headers", "path", "query", "folded", "second request"],
)
def test_a_head_without_end_is_refused_while_it_comes(wired, head):
    async def talk(server):
        peer = await Peer.of(server)
        with contextlib.suppress(ConnectionError):
            await peer.send(head)
        answers = []
        while (answer := await peer.answer()) is not None:
            answers.append(answer[0])
        await is_served(server)
        return answers

    assert wired(talk)[-1] in (400, 431)


def test_a_long_head_that_is_whole_is_taken_up_to_its_limit(wired):
    async def talk(server):
        peer = await Peer.of(server)
        statuses = []
        for size in (30_000, 40_000):
            await peer.send(START[:-2] + b"\r\nx: " + b"a" * size + b"\r\n\r\n")
            statuses.append((await peer.answer())[0])
        return statuses

    assert wired(talk)[1] == 431
    assert wired(talk)[0] != 431


@pytest.mark.parametrize(
    "head",
    [
        START + b"x: a\x00b\r\n\r\n",
        START + b"x\x00: a\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,  # TLS to a port that speaks none
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
        b"hello\r\n\r\n",
        POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"content-length: -1\r\n\r\n",
        POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffffff\r\n",
    ],
)
def test_what_is_no_http_is_a_problem_too_and_ends_the_connection(wired, head):
    assert refused(wired, head) == (400, "bad_request")


def test_a_proxy_is_not_made_of_it(wired):
    assert refused(wired, b"CONNECT example.com:443 HTTP/1.1\r\n" + HOST + b"\r\n") == (
        405,
        "method_not_allowed",
    )


def test_tiny_chunks_and_huge_extensions_are_refused(wired):
    chunked = POST + b"transfer-encoding: chunked\r\n\r\n"
    assert refused(wired, chunked, b"1\r\nx\r\n" * 60_000) == (400, "wasteful_chunks")
    assert refused(wired, chunked, b"1;" + b"a=b;" * 60_000 + b"\r\nx\r\n") == (400, "wasteful_chunks")
    trailers = chunked + b"2\r\n{}\r\n0\r\n" + b"x: y\r\n" * 60_000
    assert refused(wired, trailers) == (400, "wasteful_chunks")


@pytest.mark.parametrize("rest", [b"1\r\nx\r\n" * 60_000, b"zz\r\n"], ids=["tiny chunks", "no chunk"])
def test_a_request_that_has_its_answer_gets_no_second_one_for_its_body(wired, rest):
    async def talk(server):
        peer = await Peer.of(server)
        await peer.send(HEALTH[:-2] + b"transfer-encoding: chunked\r\n\r\n")
        first = await peer.answer()
        with contextlib.suppress(ConnectionError):
            await peer.send(rest)
        second = await peer.answer()
        peer.close()
        await is_served(server)
        return first[0], second

    assert wired(talk) == (200, None)


def test_the_end_of_a_refused_body_does_not_count_against_the_next_request(wired):
    """It came with the next one's head, whose body was then "in too small chunks"."""
    size = 200_000
    early = b"POST /nowhere HTTP/1.1\r\n" + HOST + b"content-length: %d\r\n\r\n" % size
    head, body = whole("innocent").split(b"\r\n\r\n")

    async def talk(server):
        peer = await Peer.of(server)
        await peer.send(early + b"x" * (size - 10))
        first = await peer.answer()
        await peer.send(b"x" * 10 + head + b"\r\n\r\n")
        await asyncio.sleep(0.05)  # or its body comes with its head, and nothing is looked at
        await peer.send(body)
        second = await peer.answer()
        peer.close()
        return first[0], second[0]

    assert wired(talk) == (404, 200)


def test_headers_behind_the_body_count_for_nothing(wired):
    body = json.dumps(payment("trailing")).encode()
    chunked = b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\ncontent-encoding: br\r\n\r\n" % (
        len(body),
        body,
    )

    async def talk(server):
        peer = await Peer.of(server)
        await peer.send(POST + chunked + HEALTH)
        return [(await peer.answer())[0] for _ in range(2)]

    assert wired(talk) == [200, 200]


def test_a_row_of_requests_is_answered_in_order_and_looked_at_a_few_at_a_time(wired, monkeypatch):
    monkeypatch.setattr("ringfence.api.http.wire._REST_SECONDS", 0.001)

    async def talk(server):
        peer = await Peer.of(server)
        peer.writer.write(HEALTH * 3000)
        statuses, most = [], 0
        for _ in range(3000):
            statuses.append((await peer.answer())[0])
            [line] = server.connections._all
            most = max(most, len(line.pipeline))
        return statuses, most

    statuses, most = wired(talk)
    assert statuses == [200] * 3000
    assert most <= 8


def test_a_row_of_requests_rests_after_a_burst_and_others_come_first(wired, monkeypatch):
    monkeypatch.setattr("ringfence.api.http.wire._REST_SECONDS", 3600)

    async def talk(server):
        row = await Peer.of(server)
        await row.send(HEALTH * 100)
        answered = [(await row.answer())[0] for _ in range(8)]
        await is_served(server)
        [line] = [one for one in server.connections._all if one.pipeline]
        line._answer_next()
        return [*answered, (await row.answer())[0]]

    assert wired(talk) == [200] * 9


@pytest.mark.parametrize("how", ["by itself", "by us"])
def test_nothing_is_written_to_a_row_of_requests_whose_peer_has_gone(wired, caplog, how):
    """Uvicorn tells the last request alone; the one that is being answered would raise.

    A stream ends only with its reader, so the first of the row is still being answered whenever that is.
    """

    async def talk(server):
        peer = await Peer.of(server)
        await peer.send(b"GET /v1/stream HTTP/1.1\r\n" + HOST + b"\r\n" + HEALTH * 7)
        await until(lambda: any(line.pipeline for line in server.connections._all))
        [line] = server.connections._all
        answering = line._answering
        if how == "by us":
            line.hang_up()
        else:
            peer.writer.transport.abort()
            await until(lambda: not server.connections._all)
        assert answering.disconnected
        assert not line.pipeline
        await is_served(server)

    wired(talk)
    assert "Exception in ASGI" not in caplog.text


def test_slow_heads_and_bodies_are_told_and_closed(wired):
    async def talk(server):
        found = {}
        for name, begun, stage in (
            ("head", b"GET / HTTP/1.1\r\nx", HEAD),
            ("body", POST + b"content-length: 99\r\n\r\n{", BODY),
        ):
            peer = await Peer.of(server)
            await peer.send(begun)
            await until(lambda stage=stage: [line.stage for line in server.connections._all] == [stage])
            for _ in range(12):
                server.connections.look()
            status, headers, body = await peer.answer()
            assert headers["connection"] == "close"
            found[name] = status, json.loads(body)["code"]
            assert await peer.has_ended()
            peer.close()
            await until(lambda: not server.connections._all)
        await is_served(server)
        return found

    assert wired(talk) == {"head": (408, "slow_head"), "body": (408, "slow_body")}


def test_somebody_who_never_asks_anything_is_hung_up_on(wired):
    async def talk(server):
        peer = await Peer.of(server)
        await until(lambda: server.connections._all)
        for _ in range(11):
            server.connections.look()
        assert await peer.has_ended()
        return len(server.connections)

    assert wired(talk) == 0


def test_more_connections_than_may_be_cost_the_oldest_that_asked_nothing(wired):
    async def talk(server):
        caller = await Peer.of(server)
        await caller.send(whole("first"))
        assert (await caller.answer())[0] == 200
        strangers = [await Peer.of(server) for _ in range(50)]
        await until(lambda: len(server.connections) == 10)
        await asyncio.sleep(0.1)
        assert len(server.connections) == 10
        await is_served(server, "another")
        await caller.send(whole("second"))
        assert (await caller.answer())[0] == 200
        for peer in (caller, *strangers):
            peer.close()

    wired(talk, most_connections=10)


def test_where_every_place_is_taken_by_callers_the_next_one_is_told(wired):
    async def talk(server):
        callers = [await Peer.of(server) for _ in range(2)]
        for number, caller in enumerate(callers):
            await caller.send(whole(f"c{number}"))
            assert (await caller.answer())[0] == 200
        late = await Peer.of(server)
        status, headers, body = await late.answer()
        assert (status, headers["retry-after"]) == (503, "5")
        callers[0].close()
        await until(lambda: len(server.connections) == 1)
        await is_served(server)
        return json.loads(body)["code"]

    assert wired(talk, most_connections_of_address=2) == "too_many_connections"


def test_a_peer_that_reads_nothing_is_let_go(wired):
    async def talk(server):
        peer = await Peer.of(server)
        peer.writer.write((b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n") * 300)
        await until(lambda: any(line.unread_since is not None for line in server.connections._all))
        for _ in range(12):
            server.connections.look()
        await until(lambda: not server.connections._all)
        await is_served(server)
        peer.close()

    wired(talk)


UPGRADE = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"
)


@pytest.mark.parametrize("cut", [0, 40, 200, 330, 420])
def test_a_request_that_offers_http_2_is_served_as_http_1(wired, cut):
    """As Java's HttpClient sends it by default; however it is cut."""
    sent = whole("java", UPGRADE)

    async def talk(server):
        peer = await Peer.of(server)
        await peer.send(sent[:cut])
        await asyncio.sleep(0.02)
        await peer.send(sent[cut:] + whole("after") + HEALTH)
        answers = [await peer.answer() for _ in range(3)]
        assert len(server.connections) == 1
        return [(status, json.loads(body).get("transaction_id")) for status, _, body in answers]

    assert wired(talk) == [(200, "java"), (200, "after"), (200, None)]


@pytest.mark.parametrize(
    "upgrade",
    [
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n",
        b"Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.0\r\n",
        b"Connection: upgrade\r\nUpgrade: h2c, websocket\r\n",
    ],
)
def test_other_upgrades_are_not_taken_up_either(wired, upgrade):
    async def talk(server):
        peer = await Peer.of(server)
        await peer.send(HEALTH[:-2] + upgrade + b"\r\n" + whole("posted", upgrade))
        return [(await peer.answer())[0] for _ in range(2)]

    assert wired(talk) == [200, 200]


def test_an_upgrade_with_a_chunked_body_or_that_closes_is_served(wired):
    body = json.dumps(payment("chunked")).encode()

    async def talk(server):
        peer = await Peer.of(server)
        chunked = b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        await peer.send(POST + UPGRADE + chunked)
        first = await peer.answer()
        await peer.send(whole("last", UPGRADE.replace(b"Upgrade, ", b"close, Upgrade, ")))
        last = await peer.answer()
        assert await peer.has_ended()
        return first[0], last[0], last[1]["connection"]

    assert wired(talk) == (200, 200, "close")


def test_what_was_asked_before_a_bad_request_is_answered(wired):
    async def talk(server):
        peer = await Peer.of(server)
        await peer.send(whole("good") + b"nonsense\r\n\r\n")
        (first, _, body), (last, _, _) = await peer.answer(), await peer.answer()
        assert await peer.has_ended()
        return first, json.loads(body)["transaction_id"], last

    assert wired(talk) == (200, "good", 400)
