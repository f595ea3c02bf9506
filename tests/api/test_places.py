"""Streams and batch requests make room: for others, at the cost of the slow and of those who have most."""

import asyncio
import json

import pytest

from ringfence.access.authoriser import Authoriser
from ringfence.access.principal import Principal, Role
from ringfence.adapters.access.keys import ApiKeys
from ringfence.api.http.problems import Refusal
from ringfence.api.streaming.batch_slots import Slots
from ringfence.api.streaming.stream_places import Places

from .conftest import Peer, payment
from .test_wire import until

HEAD = b"GET /v1/stream HTTP/1.1\r\nhost: localhost\r\n"


def test_beyond_its_share_a_callers_own_oldest_stream_ends():
    places, ended = Places(4), []
    for number in range(5):
        places.take("a", lambda number=number: ended.append(number))
    assert ended == [0, 1]
    assert len(places) == 3


def test_where_all_places_are_taken_the_oldest_of_whoever_has_most_ends():
    places, ended = Places(4), []
    for number, owner in enumerate("abaa"):
        places.take(owner, lambda number=number: ended.append(number))
    places.take("c", list)
    assert ended == [0]
    places.take("d", list)
    with pytest.raises(Refusal) as refused:
        places.take("e", list)
    assert (refused.value.status, ended) == (503, [0, 2])


def test_without_places_nobody_listens_and_a_place_is_left_once():
    with pytest.raises(Refusal):
        Places(0).take("a", list)
    places = Places(2)
    place = places.take("a", list)
    places.leave(place)
    places.leave(place)
    assert len(places) == 0


def test_streams_that_nobody_reads_do_not_keep_others_out(wired):
    async def talk(server):
        unread = [await Peer.of(server) for _ in range(12)]
        for peer in unread:
            await peer.send(HEAD + b"\r\n")
            assert b"200" in await peer.reader.readline()  # nothing that follows is read
        reader = await Peer.of(server)
        await reader.send(HEAD + b"\r\n")
        assert b"200" in await reader.reader.readline()
        await reader.reader.readuntil(b"follow")
        caller = await Peer.of(server)
        body = json.dumps(payment("heard")).encode()
        head = b"POST /v1/decisions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        await caller.send(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        assert b'"heard"' in await reader.reader.readuntil(b'"heard"')
        assert len(server.places) == 3
        assert b"event: closed" in await unread[0].reader.readuntil(b"event: closed")

    wired(talk, most_streams=4)


def test_a_caller_with_every_stream_leaves_some_to_others(wired, tmp_path):
    keys = ApiKeys(tmp_path)
    first, second = (keys.create(name, frozenset({Role.ANALYST}), 0) for name in ("first", "second"))

    async def talk(server):
        for key in [first] * 10 + [second]:
            peer = await Peer.of(server)
            await peer.send(HEAD + b"authorization: Bearer " + key.encode() + b"\r\n\r\n")
            assert b"200" in await peer.reader.readline()
        return sorted(place.owner for place in server.places._taken)

    owners = wired(talk, most_streams=4, authoriser=Authoriser(keys))
    keys.close()
    assert len(owners) == 4
    assert len(set(owners)) == 2


CALLERS = [Principal(f"key:{n}", frozenset({Role.DECIDE}), 0, 0) for n in range(5)]


def test_the_slowest_upload_makes_room_once_others_wait_and_a_quick_one_never():
    async def talk():
        now = 0.0
        slots = Slots(2, lambda: now)
        with slots.take(CALLERS[0]) as slow, slots.take(CALLERS[1]) as quick:
            for slot, came in ((slow, 100), (quick, 1 << 20)):
                slot.since, slot.came = 0.0, came
            async with asyncio.timeout(60) as slow.timer, asyncio.timeout(60) as quick.timer:
                await asyncio.sleep(0)
                now = 0.9
                with pytest.raises(Refusal), slots.take(CALLERS[2]):
                    pass
                now = 1.1
                with slots.take(CALLERS[2]):
                    assert (slow.lost, quick.lost) == (True, False)
                    assert slow.timer.when() <= asyncio.get_running_loop().time()
                    with pytest.raises(Refusal), slots.take(CALLERS[3]):
                        pass
                    slow.timer.reschedule(None)
        return slots._taken

    assert asyncio.run(talk()) == []


def test_slow_uploads_in_every_place_are_told_and_make_room(wired, monkeypatch):
    monkeypatch.setattr("ringfence.api.streaming.batch_slots._PATIENCE_SECONDS", 0.0)
    head = b"POST /v1/decisions/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n"
    body = json.dumps(payment("whole")).encode()

    async def talk(server):
        slow = [await Peer.of(server) for _ in range(2)]
        for peer in slow:
            await peer.send(head + b"content-length: 900\r\n\r\n{")
        await until(lambda: len(server.slots._taken) == 2)
        quick = await Peer.of(server)
        await quick.send(head + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        answered = await quick.reader.read()
        told = await slow[0].answer()
        return answered.split(b" ")[1], b'"status":200' in answered, told[0], json.loads(told[2])["code"]

    assert wired(talk, most_batches=2) == (b"200", True, 408, "too_slow")


def test_unread_answers_in_every_place_make_room(wired, monkeypatch):
    """Their callers read nothing, and what is sent to them is more than both systems keep for them."""
    monkeypatch.setattr("ringfence.api.streaming.batch_slots._PATIENCE_SECONDS", 0.0)
    head = b"POST /v1/decisions/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n"
    body = json.dumps(payment("same")).encode() + b"\n"

    async def talk(server):
        for _ in range(2):
            unread = await Peer.of(server)
            await unread.send(head + b"content-length: %d\r\n\r\n" % (40_000 * len(body)) + 40_000 * body)
        async with asyncio.timeout(60):
            while [slot.came for slot in server.slots._taken if slot.timer] != [0, 0]:  # unread answers
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)
        quick = await Peer.of(server)
        await quick.send(head + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        answered = await asyncio.wait_for(quick.reader.read(), 60)
        return answered.split(b" ")[1], b'"status":200' in answered

    assert wired(talk, most_batches=2) == (b"200", True)
