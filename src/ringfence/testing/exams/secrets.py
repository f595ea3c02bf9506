"""The exam of `ringfence.ports.secrets.Secrets`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import pytest

from ringfence.errors import StoreError

if TYPE_CHECKING:
    from ringfence.ports.secrets import Secrets

FIRST, SECOND = "the first value, with blanks and ü", "the second value"


class SecretPlace(Protocol):
    """Where one adapter finds secrets, for the length of one test.

    `cannot_damage` says why nothing kept there can become unreadable, or is None.
    """

    cannot_damage: str | None

    def secrets(self) -> Secrets:
        """The adapter."""
        ...

    def name_of(self, number: int) -> str:
        """How the adapter is asked for a secret."""
        ...

    def put(self, name: str, value: str) -> None:
        """Keep a value under a name, instead of the one before."""
        ...

    def damage(self, name: str) -> None:
        """Make what is kept under a name unreadable; it holds `FIRST` all the same."""
        ...


class SecretsExam:
    """What a place of secrets promises, one sentence a test."""

    @pytest.fixture
    def place(self) -> SecretPlace:
        raise NotImplementedError("an exam needs a `place` fixture that gives a SecretPlace")

    def test_a_secret_is_read_as_it_was_kept(self, place: SecretPlace) -> None:
        one, other = place.name_of(1), place.name_of(2)
        place.put(one, FIRST)
        place.put(other, SECOND)
        secrets = place.secrets()
        assert (secrets.read(one), secrets.read(other)) == (FIRST, SECOND)

    def test_the_value_is_the_current_one(self, place: SecretPlace) -> None:
        name, secrets = place.name_of(1), place.secrets()
        for value in (FIRST, SECOND):
            place.put(name, value)
            assert secrets.read(name) == value

    def test_what_is_not_there_is_an_error_that_names_it(self, place: SecretPlace) -> None:
        place.put(place.name_of(1), FIRST)
        missing = place.name_of(2)
        with pytest.raises(StoreError) as raised:
            place.secrets().read(missing)
        assert missing in str(raised.value)

    def test_an_error_does_not_say_the_value(self, place: SecretPlace) -> None:
        if place.cannot_damage:
            pytest.skip(place.cannot_damage)
        name = place.name_of(1)
        place.put(name, FIRST)
        place.damage(name)
        with pytest.raises(StoreError) as raised:
            place.secrets().read(name)
        assert name in str(raised.value)
        assert FIRST not in str(raised.value)

    def test_several_threads_may_ask(self, place: SecretPlace) -> None:
        name, secrets = place.name_of(1), place.secrets()
        place.put(name, FIRST)
        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(secrets.read, [name] * 8)) == {FIRST}
