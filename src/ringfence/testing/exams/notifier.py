"""The exam of `ringfence.bus.notifier.Notifier`: every kind of destination sits it, against a real receiver.

A subclass gives the fixture `place`. What a kind of destination cannot do is declared there with its reason.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest

from ringfence.bus.notifier import AttemptEnd, Message
from ringfence.bus.words import Button, Words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ringfence.bus.notifier import Notifier

WORDS: Final = Words("Payment p1 of 500.00 EUR: decline", (("Score", "93"), ("Reasons", "VELOCITY <b>&")))
SECRET: Final = "s3cret-of-the-address"  # noqa: S105 (of nobody)
FAULTS: Final = ("down", "slow", "broken", "busy", "refusing")
"""Nobody listens; says nothing; hangs up half-way; asks for time; will never take this message."""


class Place(Protocol):
    """A destination and what carries messages there.

    Attributes:
        to: the address, as of `Message.to`; `carries_id` where a receiver can read the message's id.
        gaps: by fault, why this kind cannot show it.
    """

    notifier: Notifier
    to: str
    carries_id: bool
    gaps: Mapping[str, str]

    def received(self) -> Sequence[str]:
        """What came, one text a message."""
        ...

    def behave(self, fault: str) -> None:
        """From now on the destination has this fault."""
        ...


class NotifierExam:
    """Tests; `place` is a fixture of the subclass."""

    def _message(self, place: Place, words: Words = WORDS, number: int = 7) -> Message:
        event = b'{"specversion":"1.0","id":"decisions:%d","data":{}}' % number
        secrets = ("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",)
        return Message(f"log:decisions:{number}:team", event, words, place.to, secrets)

    def test_a_message_arrives_with_its_id(self, place: Place) -> None:
        message = self._message(place)
        outcome = place.notifier.deliver(message)
        assert outcome.answer is AttemptEnd.DELIVERED, outcome
        assert outcome.said
        (text,) = place.received()
        assert "p1" in text or "decisions:7" in text
        if place.carries_id:
            assert message.id in text

    def test_sent_again_it_is_the_same_message(self, place: Place) -> None:
        for _ in range(2):
            assert place.notifier.deliver(self._message(place)).answer is AttemptEnd.DELIVERED
        assert len(place.received()) == 2
        if place.carries_id:
            assert all("log:decisions:7:team" in text for text in place.received())

    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_fault_is_an_outcome_and_tells_no_secret(self, place: Place, fault: str) -> None:
        if fault in place.gaps:
            assert place.gaps[fault]
            return
        place.behave(fault)
        outcome = place.notifier.deliver(self._message(place))
        assert outcome.answer is (AttemptEnd.REFUSED if fault == "refusing" else AttemptEnd.RETRY), outcome
        assert outcome.said
        assert SECRET not in outcome.said
        if fault == "busy":
            assert outcome.after_seconds == 7.0

    def test_what_people_typed_is_no_fault(self, place: Place) -> None:
        words = Words("a\x1b[2J\r\nBcc: x@evil.example <!channel> @here", (("N\n", "v\x00\u202e"), ("", "")))
        assert place.notifier.deliver(self._message(place, words)).answer is AttemptEnd.DELIVERED
        assert len(place.received()) == 1

    def test_what_is_too_long_arrives_all_the_same(self, place: Place) -> None:
        lines: list[tuple[str, str]] = [(f"n{i}", "<&>" * 2000) for i in range(25)]
        words = Words("word " * 2000, (*lines, *[("", "y" * 9000)] * 60), buttons=(Button("a", "A", "v"),))
        assert place.notifier.deliver(self._message(place, words)).answer is AttemptEnd.DELIVERED
        assert len(place.received()) == 1

    def test_any_thread_may_call_it(self, place: Place) -> None:
        messages = [self._message(place, number=number) for number in range(12)]
        with ThreadPoolExecutor(6) as pool:
            outcomes: list[Any] = list(pool.map(place.notifier.deliver, messages))
        assert {outcome.answer for outcome in outcomes} == {AttemptEnd.DELIVERED}
        assert len(place.received()) == len(messages)

    def test_it_may_be_closed_twice(self, place: Place) -> None:
        place.notifier.close()
        place.notifier.close()
