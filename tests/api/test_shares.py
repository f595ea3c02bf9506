"""Each caller's share of the deciding time: who waits for whom, who is refused, and who is not."""

import asyncio
import json
from collections import deque
from time import perf_counter

import pytest

from ringfence.access.principal import LOCAL
from ringfence.api.hot.gate import Gate
from ringfence.api.hot.orders import Look
from ringfence.api.hot.outcomes import Ticket
from ringfence.api.hot.shares import Shares
from ringfence.api.hot.waiting import next_whole
from ringfence.api.http.callers import name_of, owner_of
from ringfence.api.http.problems import Refusal

from .conftest import payment, running, session_in


def ticket(caller, count=1):
    return Ticket([b"{}"] * count, "test", lambda _results: None, lambda _refusal: None, caller=caller)


def test_whoever_is_alone_is_charged_nothing_however_much_it_takes():
    shares = Shares()
    for n in range(100):
        shares.paid("only", n)
        shares.spend("only", 5.0, n)
    assert shares.owed("only", 100.0) == 0.0


def test_a_caller_that_pays_and_sends_batches_is_no_somebody_else_to_itself():
    shares = Shares()
    shares.paid("till", 1.0)
    shares.paid("both", 1.1)
    shares.paid("both", 1.2)
    shares.spend("both", 1.0, 1.3)
    assert shares.owed("both", 1.3) > 0
    shares.paid("both", 2.2)
    assert shares.owed("both", 2.2) == 0.0, "the till has paid nothing for a second"


def test_those_who_owe_share_what_all_debts_become_less_by():
    shares = Shares()
    shares.paid("till", 0.0)
    shares.spend("a", 0.3, 0.0)
    shares.spend("b", 0.25, 0.0)
    assert shares.owed("b", 0.4) == pytest.approx(0.25 - 0.4 * 0.25)


def test_who_does_not_come_back_is_forgotten():
    shares = Shares()
    shares.paid("till", 0.0)
    for n in range(50):
        shares.spend(f"gone-{n}", 0.1, 0.0)
    shares.paid("till", 60.0)
    shares.spend("here", 0.3, 60.0)
    assert shares.owed("here", 60.4) == pytest.approx(0.1), "alone among those who owe"


def test_a_busy_sender_of_events_beside_a_slow_till_is_never_refused(tmp_path):
    async def whole():
        with session_in(tmp_path) as session:
            async with running(session) as client:
                decider = client.server.decider
                now = perf_counter()
                decider.shares.paid("till", now)
                for _ in range(100):
                    decider.shares.spend("127.0.0.1", 0.1, now)
                answer = await client.post("/v1/events", json=payment("event"))
                return answer.status_code

    assert asyncio.run(whole()) == 202


def test_whoever_is_not_known_yet_is_not_spared():
    gate = Gate(8, 0.012)
    gate.enter(ticket("flood", 8), 0.0)
    assert gate.refuses(1, 0.0, "")
    assert not gate.refuses(1, 0.0, "till")


def test_one_machine_is_one_caller_whichever_way_and_address_it_comes_from():
    scope = {"ringfence.caller": LOCAL, "client": ("::ffff:10.0.0.1", 1)}
    assert owner_of(scope) == name_of(LOCAL, "10.0.0.1") == "10.0.0.1"
    assert owner_of(scope | {"client": ("2001:db8::7", 1)}) == name_of(LOCAL, "2001:db8::8")


def test_steps_of_their_own_come_by_what_their_callers_owe_and_the_servers_own_first():
    shares = Shares()
    shares.paid("till", 0.0)
    shares.spend("flood", 1.0, 0.0)
    shares.spend("some", 0.2, 0.0)
    look = Look(lambda: None, None)
    first, second, third = ticket("flood"), ticket("flood"), ticket("some")
    line = deque([first, second, third, look])
    assert [next_whole(line, shares, 0.0) for _ in range(4)] == [look, third, first, second]


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
