"""Who may wait, and until when: the gate and the deadlines by themselves, with time as an argument."""

import asyncio

import pytest

from ringfence.api.deadlines import Deadlines
from ringfence.api.gate import Gate
from ringfence.api.outcomes import Ticket
from ringfence.api.problems import Refusal


def ticket(since, count=1):
    made = Ticket([b"{}"] * count, "test", lambda _results: None, lambda _refusal: None)
    made.since = since
    return made


def test_a_burst_may_wait_however_long_the_first_has_waited():
    gate = Gate(512, 0.025)
    for number in range(127):
        gate.check(1, now=9.0)
        gate.enter(ticket(since=number / 1000))
    gate.check(1, now=9.0)
    assert gate.waiting == 127


def test_beyond_a_burst_nobody_is_let_in_while_the_first_waits_too_long():
    gate = Gate(512, 0.025)
    line = [ticket(since=0.0), ticket(since=0.020, count=200)]
    for one in line:
        gate.enter(one)
    gate.check(1, now=0.024)
    with pytest.raises(Refusal, match="waiting") as refused:
        gate.check(1, now=0.026)
    assert refused.value.headers == [(b"retry-after", b"1")]
    gate.leave(line[0])  # the next one came later
    gate.check(1, now=0.044)
    with pytest.raises(Refusal):
        gate.check(1, now=0.046)
    gate.leave(line[1])
    assert gate.waiting == 0
    gate.check(1, now=100.0)


def test_one_that_leaves_before_the_first_does_not_count_when_its_turn_comes():
    gate = Gate(512, 0.025)
    line = [ticket(since=number / 100, count=100) for number in range(3)]
    for one in line:
        gate.enter(one)
    gate.leave(line[1])
    gate.leave(line[0])
    gate.enter(ticket(since=0.03, count=100))
    gate.check(1, now=0.044)  # the first is now the third, of 0.02


def test_more_than_may_wait_are_refused_at_once():
    gate = Gate(10, 0.025)
    gate.enter(ticket(since=0.0, count=8))
    gate.check(2, now=0.0)
    with pytest.raises(Refusal):
        gate.check(3, now=0.0)


def test_at_its_deadline_a_ticket_without_an_answer_is_handed_over_in_order():
    async def talk():
        loop = asyncio.get_running_loop()
        expired = []

        def expire(due):
            for late in due:
                late.answered = True
            expired.extend(due)

        deadlines = Deadlines(0.05, expire, loop.time)
        deadlines.start(loop)
        made = [ticket(since=loop.time()) for _ in range(3)]
        for one in made:
            deadlines.watch(one)
        made[1].answered = True
        await asyncio.sleep(0.02)
        assert expired == []
        later = ticket(since=loop.time())
        deadlines.watch(later)
        await asyncio.sleep(0.2)
        return expired == [made[0], made[2], later]

    assert asyncio.run(talk())
