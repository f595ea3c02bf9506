"""The exam of `ringfence.rulebook.changes.RuleHistory`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ringfence.errors import ConflictError
from ringfence.rulebook.changes import Origin, Proposed, Review
from ringfence.testing.exams.registry import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.rulebook.changes import RuleHistory
    from ringfence.testing.exams.places import Place


def proposed(body: str, based_on: str | None = None) -> Proposed:
    """A change to this text, based on another text's version."""
    return Proposed(
        digest=digest_of(body),
        body=body,
        based_on=None if based_on is None else digest_of(based_on),
        author="mira",
        created_ms=1,
        note="why",
        origin=Origin.EDIT,
    )


YES = Review(approved=True, reviewer="omar", reviewed_ms=2, note="fine")
NO = Review(approved=False, reviewer="omar", reviewed_ms=3)


class RuleHistoryExam:
    """What a rule book's history promises, one sentence a test."""

    @pytest.fixture
    def place(self) -> Place[RuleHistory]:
        raise NotImplementedError("an exam needs a `place` fixture that gives a Place of a RuleHistory")

    @pytest.fixture
    def history(self, place: Place[RuleHistory]) -> Iterator[RuleHistory]:
        with place.open() as opened:
            yield opened

    def test_changes_and_their_texts_are_there_after_reopening(self, place: Place[RuleHistory]) -> None:
        with place.open() as first:
            assert first.changes() == []
            one = first.add(proposed("a"), YES)
            two = first.add(proposed("b", "a"))
        with place.open() as again:
            assert again.changes() == [one, two]
            assert (again.body(digest_of("a")), again.body(digest_of("b"))) == ("a", "b")
            assert again.body(digest_of("c")) is None
        assert one is not None
        assert two is not None
        assert (one.number, one.approved, one.reviewer, one.review_note) == (1, True, "omar", "fine")
        assert (two.number, two.based_on, two.approved, two.reviewer) == (2, digest_of("a"), None, None)
        assert (two.author, two.created_ms, two.note, two.origin) == ("mira", 1, "why", Origin.EDIT)

    @pytest.mark.parametrize("based_on", [None, "a", "never"])
    def test_a_change_of_what_is_not_the_newest_is_not_kept(
        self, history: RuleHistory, based_on: str | None
    ) -> None:
        history.add(proposed("a"), YES)
        history.add(proposed("b", "a"), YES)
        assert history.add(proposed("c", based_on)) is None
        assert len(history.changes()) == 2
        assert history.body(digest_of("c")) is None

    def test_the_next_change_starts_from_before_a_rejected_one(self, history: RuleHistory) -> None:
        history.add(proposed("a"), YES)
        history.add(proposed("b", "a"))
        said = history.review(2, NO)
        assert said is not None
        assert (said.number, said.approved, said.reviewed_ms) == (2, False, 3)
        assert history.add(proposed("c", "b")) is None
        assert history.add(proposed("c", "a")) is not None

    def test_a_change_is_reviewed_once(self, history: RuleHistory) -> None:
        history.add(proposed("a"))
        assert history.review(1, YES) is not None
        assert history.review(1, NO) is None
        assert [one.approved for one in history.changes()] == [True]

    def test_the_same_text_may_come_twice(self, history: RuleHistory) -> None:
        history.add(proposed("a"), YES)
        history.add(proposed("b", "a"), YES)
        again = history.add(proposed("a", "b"), YES)
        assert again is not None
        assert (again.number, again.digest) == (3, digest_of("a"))

    def test_a_digest_names_one_text(self, history: RuleHistory) -> None:
        history.add(proposed("a"), YES)
        other = Proposed(
            digest=digest_of("a"),
            body="other",
            based_on=digest_of("a"),
            author="mira",
            created_ms=1,
            note="",
            origin=Origin.EDIT,
        )
        with pytest.raises(ConflictError):
            history.add(other)
        assert len(history.changes()) == 1

    def test_of_many_at_once_one_wins(self, history: RuleHistory) -> None:
        history.add(proposed("a"), YES)
        with ThreadPoolExecutor(4) as threads:
            kept = list(threads.map(lambda n: history.add(proposed(f"b{n}", "a")), range(8)))
        assert sum(one is not None for one in kept) == 1
        assert len(history.changes()) == 2
