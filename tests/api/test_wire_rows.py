"""Rows of requests on one connection, and what a peer has to wait for."""

import contextlib
import json

from ringfence.access.authoriser import Authoriser
from ringfence.access.keys import ApiKeys
from ringfence.access.principal import Role

from .conftest import Peer, payment
from .test_wire import HEALTH, POST, whole


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
    monkeypatch.setattr("ringfence.api.http.wire._LONGEST_REST_SECONDS", 1e6)

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
