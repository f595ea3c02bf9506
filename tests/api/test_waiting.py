"""Who may wait, and until when: the gate and the deadlines by themselves, with time as an argument."""

import asyncio
import json
import time

import pytest

from ringfence.api.hot.deadlines import Deadlines
from ringfence.api.hot.gate import Gate
from ringfence.api.hot.outcomes import Ticket
from ringfence.api.http.problems import Refusal

from .conftest import payment, running, session_in


def ticket(since, count=1):
    made = Ticket([b"{}"] * count, "test", lambda _results: None, lambda _refusal: None)
    made.since = since
    return made


def overloaded(gate, *, now):
    """It is full, and somebody has just been refused."""
    gate.enter(ticket(now, count=gate.room - gate.waiting), now)
    with pytest.raises(Refusal, match="waiting") as refused:
        gate.check(1, now)
    return refused.value


def test_more_than_may_wait_are_refused_at_once_and_told_when_to_come_back():
    gate = Gate(10, 0.012)
    gate.enter(ticket(since=0.0, count=8), 0.0)
    gate.check(2, now=0.0)
    with pytest.raises(Refusal):
        gate.check(3, now=0.0)
    assert overloaded(gate, now=0.0).headers == [(b"retry-after", b"1")]


def test_while_nobody_is_refused_slow_steps_take_no_room_away():
    gate = Gate(128, 0.012)
    for _ in range(100):
        gate.served(0.300)
    gate.check(128, now=9.0)


def test_under_overload_slow_steps_make_room_for_fewer_and_quick_ones_for_more():
    gate = Gate(128, 0.012)
    overloaded(gate, now=5.0)
    gate.served(0.013)
    assert gate.room == 112
    gate.served(0.013)  # nobody was refused since
    assert gate.room == 112
    assert gate.refuses(1, now=5.01)
    gate.served(0.011)
    assert gate.room == 126


def test_however_slow_a_step_some_may_wait_and_however_quick_no_more_than_the_most():
    gate = Gate(128, 0.012)
    overloaded(gate, now=5.0)
    for _ in range(100):
        assert gate.refuses(1, now=5.0)
        gate.served(1.0)
    assert gate.room == 32
    for _ in range(100):
        assert gate.refuses(100, now=5.0)
        gate.served(0.001)
    assert gate.room == 128
    few = Gate(10, 0.012)
    overloaded(few, now=5.0)
    few.served(1.0)
    assert few.room == 10


def test_the_clock_stands_still_while_a_row_is_refused_but_for_what_is_decided_in_between():
    """
    ::

        time   5.0       5.1                       5.4       5.5
               enter     shut ── 0.2 decided ──── open       answered
        clock  0 ······· 0.1 ····· 0.3 ··········· 0.3 ····· 0.4
    """
    gate = Gate(128, 0.012)
    line = ticket(5.0)
    gate.enter(line, 5.0)
    gate.shut(5.1)
    assert gate.is_shut
    assert gate.clock(5.2) - line.entered == pytest.approx(0.1)
    gate.went_on(0.2)
    assert gate.clock(5.3) - line.entered == pytest.approx(0.3)
    gate.open(5.4)
    assert not gate.is_shut
    assert gate.clock(5.5) - line.entered == pytest.approx(0.4)
    gate.shut(5.5)
    gate.open(6.5)
    assert gate.clock(6.5) - line.entered == pytest.approx(0.4)


def test_a_second_without_a_refusal_gives_the_whole_room_back():
    gate = Gate(128, 0.012)
    line = ticket(5.0, count=128)
    gate.enter(line, 5.0)
    assert gate.refuses(1, now=5.0)
    gate.served(0.5)
    gate.leave(line)
    assert gate.refuses(113, now=5.9)
    assert gate.refuses(113, now=6.8)
    assert not gate.refuses(113, now=7.9)
    assert gate.waiting == 0


def test_at_its_deadline_a_ticket_without_an_answer_is_handed_over_in_order():
    """Three at 5.00 s and one at 5.02 s with 50 ms each; the second has its answer in time."""
    now, expired = [5.0], []

    def expire(due):
        for late in due:
            late.answered = True
        expired.extend(due)

    async def at(seconds, count):
        now[0] = seconds
        while len(expired) < count:
            await asyncio.sleep(0.001)
        return list(expired)

    async def talk():
        deadlines = Deadlines(0.05, expire, lambda: now[0])
        deadlines.start(asyncio.get_running_loop())
        made = [ticket(since=5.0) for _ in range(3)]
        later = ticket(since=5.02)
        for one in [*made, later]:
            deadlines.watch(one)
        made[1].answered = True
        await asyncio.sleep(0.06)  # the timer has looked, and by the clock nothing is due
        assert expired == []
        assert await at(5.06, 2) == [made[0], made[2]]
        assert await at(5.08, 3) == [made[0], made[2], later]

    asyncio.run(asyncio.wait_for(talk(), 60))


def test_while_many_are_refused_those_who_were_let_in_are_decided_and_answered(tmp_path):
    """All of it between two turns of the event loop, which gets to nothing else: a long row of refusals."""

    async def talk(server):
        given = []
        body = json.dumps(payment("first")).encode()
        server.decider.submit(Ticket((body,), "test", given.append, given.append))
        assert server.decider.lets_nobody_in()
        until = time.monotonic() + 60
        while not given and time.monotonic() < until:
            assert server.decider.lets_nobody_in()
            time.sleep(0.001)  # noqa: ASYNC251 (the loop is to get to nothing else)
        assert [result.status for result in given[0]] == [200]
        assert server.decider.waiting == 0
        assert server.decider.lets_nobody_in(), "room there is again with the next turn only"
        await asyncio.sleep(0)
        assert not server.decider.lets_nobody_in()

    async def whole():
        with session_in(tmp_path) as session:
            async with running(session, most_waiting=1) as client:
                await talk(client.server)

    asyncio.run(whole())
