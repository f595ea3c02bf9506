"""Each caller's share of the deciding time: who waits for whom, who is refused, and who is not."""

import asyncio
import json
from collections import deque

import pytest

from ringfence.api.hot.gate import Gate
from ringfence.api.hot.orders import Look
from ringfence.api.hot.outcomes import Ticket
from ringfence.api.hot.shares import FREE_SECONDS, Shares
from ringfence.api.hot.waiting import next_whole
from ringfence.api.http.problems import Refusal

from .conftest import payment, running, session_in


def ticket(caller, count=1):
    return Ticket([b"{}"] * count, "test", lambda _results: None, lambda _refusal: None, caller=caller)


def test_whoever_is_alone_is_charged_nothing_however_much_it_takes():
    shares = Shares()
    for n in range(100):
        shares.paid("only", n)
        shares.spend("only", 5.0, n)
    assert shares.wait("only", 100.0) == 0.0


def test_a_caller_that_pays_and_sends_batches_is_no_somebody_else_to_itself():
    shares = Shares()
    shares.paid("till", 1.0)
    shares.paid("both", 1.1)
    shares.paid("both", 1.2)
    shares.spend("both", 1.0, 1.3)
    assert shares.wait("both", 1.3) > 0
    shares.paid("both", 2.2)
    assert shares.wait("both", 2.2) == 0.0, "the till has paid nothing for a second"


def test_those_who_owe_share_what_all_of_them_may_take():
    shares = Shares()
    shares.paid("till", 0.0)
    shares.spend("a", 0.25 + FREE_SECONDS, 0.0)
    assert shares.wait("a", 0.0) == pytest.approx(0.5)
    shares.spend("b", 0.25, 0.0)
    assert shares.wait("a", 0.0) == pytest.approx(1.0)
    assert shares.owed("b", 0.4) == pytest.approx(0.25 - 0.4 * 0.25)


def test_who_does_not_come_back_is_forgotten():
    shares = Shares()
    shares.paid("till", 0.0)
    for n in range(50):
        shares.spend(f"gone-{n}", 0.1, 0.0)
    shares.paid("till", 60.0)
    shares.wait("till", 60.0)
    shares.spend("here", 0.3, 60.0)
    assert shares.wait("here", 60.0) == pytest.approx(0.5)


def test_steps_of_their_own_come_by_what_their_callers_owe_and_the_servers_own_first():
    shares = Shares()
    shares.paid("till", 0.0)
    shares.spend("flood", 1.0, 0.0)
    shares.spend("some", 0.2, 0.0)
    look = Look(lambda: None, None)
    first, second, third = ticket("flood"), ticket("flood"), ticket("some")
    line = deque([first, second, third, look])
    assert [next_whole(line, shares, 0.0) for _ in range(4)] == [look, third, first, second]


def test_a_request_waits_for_its_callers_share_and_is_refused_beyond_a_bound():
    async def talk():
        at, done = [0.0], []
        shares = Shares(lambda: at[0], lambda: at[0])

        async def request(number):
            at[0] += 0.2  # that its first turn takes
            await asyncio.sleep(0)
            done.append(number)

        shares.paid("till", 0.0)
        await shares.work("till", request(0))
        first = asyncio.ensure_future(shares.work("flood", request(1)))
        for _ in range(5):
            await asyncio.sleep(0)
        assert done == [0], "it has to wait before its second turn"
        at[0] = 1.1  # and nobody else has paid for a second
        await asyncio.wait_for(first, 60)
        assert done == [0, 1]
        shares.paid("till", 1.1)
        shares.spend("flood", 3.0, 1.1)
        with pytest.raises(Refusal) as refused:
            await shares.work("flood", request(2))
        assert (refused.value.status, refused.value.problem.code) == (429, "share_spent")
        [(name, seconds)] = refused.value.headers
        assert name == b"retry-after"
        assert int(seconds) == 6
        assert done == [0, 1]

    asyncio.run(talk())


def test_what_a_request_does_goes_on_as_without_also_where_it_fails_is_late_or_given_up():
    async def talk():
        at, heard = [0.0], []
        shares = Shares(lambda: at[0], lambda: at[0])

        def owing():
            shares.paid("till", at[0])
            shares.spend("some", 0.3, at[0])

        async def fails():
            await asyncio.sleep(0)
            raise ValueError("its own")

        async def is_late():
            try:
                async with asyncio.timeout(0):
                    owing()
                    await asyncio.sleep(60)
            except TimeoutError:
                heard.append("late")

        async def is_given_up():
            try:
                owing()
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                heard.append("given up")
                raise

        with pytest.raises(ValueError, match="its own"):
            await shares.work("some", fails())
        await shares.work("some", is_late())
        at[0] = 9.0
        task = asyncio.ensure_future(shares.work("some", is_given_up()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert heard == ["late", "given up"]

    asyncio.run(asyncio.wait_for(talk(), 60))


def test_where_one_caller_has_filled_the_room_another_still_comes_in():
    gate = Gate(8, 0.012)
    for _ in range(8):
        gate.check(1, 0.0, "flood")
        gate.enter(ticket("flood"), 0.0)
    with pytest.raises(Refusal):
        gate.check(1, 0.0, "flood")
    for _ in range(4):
        gate.check(1, 0.0, "till")
        gate.enter(ticket("till"), 0.0)
    assert gate.refuses(1, 0.0, "till"), "half of the room is its part"
    assert not gate.refuses(2, 0.0, "third")
    assert gate.refuses(3, 0.0, "third")


def test_however_many_callers_come_twice_the_room_is_all_there_is():
    gate = Gate(8, 0.012)
    gate.enter(ticket("flood", 8), 0.0)
    let_in = 0
    for n in range(100):
        if not gate.refuses(1, 0.0, f"caller-{n}"):
            gate.enter(ticket(f"caller-{n}"), 0.0)
            let_in += 1
    assert let_in <= 8


def test_a_till_pays_while_another_caller_fills_the_line(tmp_path):
    async def whole():
        with session_in(tmp_path) as session:
            async with running(session, most_waiting=2) as client:
                decider = client.server.decider
                given = []
                for name in ("a", "b"):
                    body = json.dumps(payment(name)).encode()
                    decider.submit(Ticket((body,), "test", given.append, given.append, caller="flood"))
                assert not decider.lets_nobody_in("127.0.0.1")
                assert decider.lets_nobody_in("flood")
                assert not decider.lets_nobody_in("127.0.0.1"), "a row of refusals is no till's"
                answer = await client.post("/v1/decisions", json=payment("c"))
                assert answer.status_code == 200

    asyncio.run(whole())
