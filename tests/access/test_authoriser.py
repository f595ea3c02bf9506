"""Who is not known yet is looked up apart from all other work, and who is nobody costs next to nothing."""

import asyncio
import threading

import jwt
import pytest

from ringfence.access import authoriser as module
from ringfence.access.authoriser import Authoriser, BusyError
from ringfence.access.principal import Role
from ringfence.access.tokens import Tokens, TokenSettings
from ringfence.adapters.access.keys import ApiKeys

SECRET = "a secret of at least thirty-two bytes"


@pytest.fixture
def keys(tmp_path):
    made = ApiKeys(tmp_path / "keys")
    yield made
    made.close()


class Counting:
    """Keys that count how often they are asked, and may be slow."""

    def __init__(self, keys, gate=None):
        self._keys, self._gate, self.asked = keys, gate, 0

    def recognise(self, text):
        self.asked += 1
        if self._gate is not None:
            self._gate.wait()
        return self._keys.recognise(text)

    def __getattr__(self, name):
        return getattr(self._keys, name)


def test_an_unknown_key_is_looked_up_once_and_a_new_key_counts_at_once(keys):
    counting, now = Counting(keys), [0.0]

    async def talk():
        authoriser = Authoriser(counting, now=lambda: now[0])
        found = [await authoriser.find(b"rf_abcd_nobody") for _ in range(100)]
        assert (found, counting.asked) == ([None] * 100, 1)
        key = keys.create("till", frozenset({Role.DECIDE}), 0).encode()
        assert (await authoriser.find(key)).name.startswith("key:")
        now[0] += module.UNKNOWN_SECONDS + 1
        assert await authoriser.find(b"rf_abcd_nobody") is None
        authoriser.close()

    asyncio.run(talk())
    assert counting.asked == 3


def test_nobodies_are_forgotten_before_those_who_got_in(keys, monkeypatch):
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 50)
    counting = Counting(keys)
    key = keys.create("till", frozenset({Role.DECIDE}), 0).encode()

    async def talk():
        authoriser = Authoriser(counting)
        await authoriser.find(key)
        for number in range(500):
            assert await authoriser.find(b"rf_x_%d" % number) is None
        assert authoriser.remembered(key) is not None
        assert len(authoriser._remembered) <= 50
        authoriser.close()

    asyncio.run(talk())


def test_neither_other_work_nor_a_slow_key_set_holds_up_a_key(keys):
    """Six rule checks took every thread that authentication shared with them."""
    gate = threading.Event()
    slow = Counting(Tokens(TokenSettings(secret=SECRET)), gate)
    key = keys.create("till", frozenset({Role.DECIDE}), 0).encode()
    token = jwt.encode({"sub": "a", "exp": 4_000_000_000}, SECRET).encode()

    async def talk():
        authoriser = Authoriser(keys, slow)
        others = [asyncio.ensure_future(asyncio.to_thread(gate.wait)) for _ in range(64)]
        tokens = [asyncio.ensure_future(authoriser.find(token)) for _ in range(8)]
        await asyncio.sleep(0)
        caller = await authoriser.find(key)
        assert not any(one.done() for one in (*others, *tokens))
        gate.set()
        await asyncio.gather(*others, *tokens)
        authoriser.close()
        return caller

    assert asyncio.run(talk()).roles == {Role.DECIDE}


def test_too_many_at_once_are_told_to_come_back_and_what_is_too_long_is_nobodys(keys, monkeypatch):
    monkeypatch.setattr(module, "_MOST_ASKED", 3)
    gate = threading.Event()
    counting = Counting(keys, gate)

    async def talk():
        authoriser = Authoriser(counting)
        waiting = [asyncio.ensure_future(authoriser.find(b"rf_x_%d" % number)) for number in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="try again"):
            await authoriser.find(b"rf_y")
        assert await authoriser.find(b"x" * 9000) is None
        gate.set()
        assert await asyncio.gather(*waiting) == [None] * 3
        assert await authoriser.find(b"rf_y") is None
        authoriser.close()

    asyncio.run(talk())


def test_a_caller_whose_signing_key_is_gone_is_not_remembered(keys):
    token = jwt.encode({"sub": "a", "exp": 4_000_000_000}, SECRET).encode()

    class Versioned:
        version = 0

        def recognise(self, text):
            return Tokens(TokenSettings(secret=SECRET)).recognise(text)

    tokens = Versioned()

    async def talk():
        authoriser = Authoriser(keys, tokens)
        assert (await authoriser.find(token)).name == "sub:a"
        assert authoriser.remembered(token) is not None
        tokens.version += 1
        assert authoriser.remembered(token) is None
        authoriser.close()

    asyncio.run(talk())
