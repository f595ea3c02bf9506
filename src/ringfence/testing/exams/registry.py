"""The exam of `ringfence.ports.Registry`; `place.damage(digest)` changes a kept text."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from ringfence.errors import ConflictError, CorruptError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.ports import Registry
    from ringfence.testing.exams.places import Place


def digest_of(body: str) -> str:
    """Of a text, as versions are named."""
    return hashlib.sha256(body.encode()).hexdigest()[:16]


class RegistryExam:
    """What a registry promises, one sentence a test."""

    @pytest.fixture
    def place(self) -> Place[Registry]:
        raise NotImplementedError("an exam needs a `place` fixture that gives a Place of a Registry")

    @pytest.fixture
    def registry(self, place: Place[Registry]) -> Iterator[Registry]:
        with place.open() as opened:
            yield opened

    def test_a_text_is_found_by_its_digest_after_reopening(self, place: Place[Registry]) -> None:
        body = 'what\'s "this"; ü%\n\0'
        with place.open() as first:
            first.register("rules", digest_of(body), body, 5)
        with place.open() as again:
            found = again.find("rules", digest_of(body))
        assert found is not None
        assert (found.kind, found.digest, found.body, found.created_ms) == ("rules", digest_of(body), body, 5)

    def test_what_is_not_kept_is_none_whatever_its_kind(self, registry: Registry) -> None:
        registry.register("rules", digest_of("a"), "a", 1)
        assert registry.find("features", digest_of("a")) is None
        assert registry.find("rules", digest_of("b")) is None
        assert registry.find("rules", "") is None

    def test_the_same_text_again_changes_nothing(self, registry: Registry) -> None:
        registry.register("rules", digest_of("a"), "a", 1)
        registry.register("rules", digest_of("a"), "a", 2)
        assert [one.created_ms for one in registry.versions()] == [1]

    def test_a_digest_names_one_text_for_ever(self, registry: Registry) -> None:
        registry.register("rules", digest_of("a"), "a", 1)
        with pytest.raises(ConflictError, match=digest_of("a")):
            registry.register("rules", digest_of("a"), "b", 2)
        found = registry.find("rules", digest_of("a"))
        assert found is not None
        assert found.body == "a"

    def test_versions_come_oldest_first_and_then_as_they_were_kept(self, registry: Registry) -> None:
        for kind, body, now_ms in [("rules", "z", 5), ("mapping", "y", 5), ("rules", "a", 3)]:
            registry.register(kind, digest_of(body), body, now_ms)
        assert [one.body for one in registry.versions()] == ["a", "z", "y"]
        assert [one.body for one in registry.versions("rules")] == ["a", "z"]
        assert registry.versions("models") == []

    def test_a_text_that_has_changed_is_never_given(self, place: Place[Registry]) -> None:
        if place.cannot_damage:
            pytest.skip(place.cannot_damage)
        with place.open() as first:
            first.register("rules", digest_of("a"), "a", 1)
        place.damage(digest_of("a"))
        with place.open() as again:
            with pytest.raises(CorruptError, match=digest_of("a")):
                again.find("rules", digest_of("a"))
            with pytest.raises(CorruptError):
                again.versions("rules")
