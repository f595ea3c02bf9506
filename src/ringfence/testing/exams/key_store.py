"""The exam of `ringfence.access.key_store.KeyStore`; a place opened twice stands for two processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ringfence.access.restriction import parse_restriction
from ringfence.access.roles import Role
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.access.key_store import KeyStore
    from ringfence.testing.exams.places import Place

ROLES = frozenset({Role.ANALYST, Role.ADMIN})


class KeyStoreExam:
    """What a store of keys promises, one sentence a test."""

    @pytest.fixture
    def place(self) -> Place[KeyStore]:
        raise NotImplementedError("an exam needs a `place` fixture that gives a Place of a KeyStore")

    @pytest.fixture
    def keys(self, place: Place[KeyStore]) -> Iterator[KeyStore]:
        with place.open() as opened:
            yield opened

    def test_a_key_lets_its_holder_in_after_reopening(self, place: Place[KeyStore]) -> None:
        with place.open() as first:
            token = first.create("till", ROLES, 5, rate=2.0, burst=9.0)
        with place.open() as again:
            found, [shown] = again.recognise(token), again.all()
        assert found is not None
        assert (found.name, found.roles, found.rate, found.burst) == (f"key:{shown.id}", ROLES, 2.0, 9.0)
        assert (shown.name, shown.roles, shown.created_ms, shown.revoked_ms) == ("till", ROLES, 5, None)
        assert found == shown.principal

    def test_who_made_a_key_stays_known(self, place: Place[KeyStore]) -> None:
        made_by = ("sub:ada l.", "key:0a")
        with place.open() as first:
            token = first.create("till", ROLES, 5, made_by=made_by)
            with pytest.raises(InputError, match="under an older key"):
                first.create("till", ROLES, 5, made_by=["key:0a"] * 21)
        with place.open() as again:
            found, [shown] = again.recognise(token), again.all()
        assert found is not None
        assert (found.made_by, found.made_ms, shown.made_by) == (made_by, 5, made_by)

    def test_a_burst_is_the_rate_unless_said(self, keys: KeyStore) -> None:
        keys.create("till", ROLES, 5, rate=2.0)
        assert keys.all()[0].burst == 2.0

    def test_what_is_no_key_lets_nobody_in(self, keys: KeyStore) -> None:
        token = keys.create("till", ROLES, 5)
        prefix, key_id, secret = token.split("_", 2)
        other = keys.create("other", ROLES, 6).split("_", 2)[2]
        wrong = ["", "_", "rf__", token[:-1], f"xx_{key_id}_{secret}", f"{prefix}_{key_id}_{other}"]
        wrong += [f"{prefix}_ffffffff_{secret}", token.upper(), f" {token}", f"{prefix}_{key_id}_"]
        assert [keys.recognise(one) for one in wrong] == [None] * len(wrong)

    def test_a_revoked_key_lets_nobody_in_and_stays_known(self, keys: KeyStore) -> None:
        token = keys.create("till", ROLES, 5)
        [shown] = keys.all()
        keys.revoke(shown.id, 7)
        keys.revoke(shown.id, 8)
        assert keys.recognise(token) is None
        assert [one.revoked_ms for one in keys.all()] == [7]
        assert keys.person(f"key:{shown.id}") == "till"
        with pytest.raises(InputError, match="nobody"):
            keys.revoke("nobody", 9)

    def test_what_a_key_permits_can_change_while_it_is_in_force(self, place: Place[KeyStore]) -> None:
        narrow = parse_restriction(["queue=vip", "field=email"])
        with place.open() as keys:
            token = keys.create("till", ROLES, 5, restriction=narrow)
            [shown] = keys.all()
            before = keys.recognise(token)
            keys.change(shown.id, frozenset({Role.VIEWER}), parse_restriction([]))
            after = keys.recognise(token)
        assert before is not None
        assert after is not None
        assert (before.restriction, before.roles) == (narrow, ROLES)
        assert (after.restriction.text(), after.roles) == ("", frozenset({Role.VIEWER}))
        with place.open() as keys:
            keys.revoke(shown.id, 7)
            for key_id in (shown.id, "nobody"):
                with pytest.raises(InputError, match="in force"):
                    keys.change(key_id, ROLES, narrow)

    def test_who_signed_is_named_by_the_key(self, keys: KeyStore) -> None:
        keys.create("till", ROLES, 5)
        [shown] = keys.all()
        asked = [f"key:{shown.id}", "key:unknown", "local", "", None]
        assert [keys.person(one) for one in asked] == ["till", "key:unknown", "local", "", ""]

    def test_keys_come_oldest_first(self, keys: KeyStore) -> None:
        for name, at in (("b", 7), ("a", 5), ("c", 9)):
            keys.create(name, ROLES, at)
        assert [one.name for one in keys.all()] == ["a", "b", "c"]

    def test_a_change_elsewhere_changes_the_version_here(self, place: Place[KeyStore]) -> None:
        with place.open() as here, place.open() as there:
            before = here.version()
            assert here.version() == before
            token = there.create("till", ROLES, 5)
            created = here.version()
            assert created != before
            assert here.recognise(token) is not None
            there.revoke(there.all()[0].id, 6)
            assert here.version() != created
            assert here.recognise(token) is None
            here.close()
            here.close()
