"""Long work on the loop: between two looks at what else is due, one slice is worked off, whoever's it is."""

import asyncio

from ringfence.api.http.turns import Turns, in_turn


def test_many_with_long_work_have_one_slice_between_them_in_each_round_of_the_loop(monkeypatch):
    monkeypatch.setattr("ringfence.api.http.turns.SLICE_SECONDS", 0)
    rounds, worked = 0, []

    async def work(name):
        turns = Turns()
        for _ in range(20):
            await turns.give()
            worked.append((rounds, name))

    async def whole():
        nonlocal rounds
        working = [asyncio.ensure_future(work(name)) for name in "abcdefgh"]
        while not all(one.done() for one in working):
            await asyncio.sleep(0)
            rounds += 1

    asyncio.run(whole())
    assert len(worked) == 160
    when = [at for at, _ in worked]
    assert max(map(when.count, when)) <= 2  # the two halves of a round
    assert [name for _, name in worked[:16]] == list("abcdefgh") * 2


def test_whoever_gives_up_while_waiting_holds_up_nobody(monkeypatch):
    monkeypatch.setattr("ringfence.api.http.turns.SLICE_SECONDS", 0)

    async def work():
        turns = Turns()
        for _ in range(5):
            await turns.give()
        return True

    async def whole():
        gone, stays = [asyncio.ensure_future(work()) for _ in range(2)]
        await asyncio.sleep(0)
        gone.cancel()
        return await asyncio.wait_for(stays, 30)

    assert asyncio.run(whole())


def test_what_comes_on_many_connections_at_once_is_looked_at_one_by_one_in_rounds_of_the_loop():
    async def whole():
        loop, rounds, done = asyncio.get_running_loop(), 0, []
        for number in range(5):
            in_turn(loop, lambda number=number: done.append((rounds, number)))
        assert done == [], "nothing is done at once"
        while len(done) < 5:
            await asyncio.sleep(0)
            rounds += 1
        assert [number for _, number in done] == list(range(5))
        assert len({at for at, _ in done}) == 5

    asyncio.run(asyncio.wait_for(whole(), 60))
