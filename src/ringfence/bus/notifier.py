"""What carries a message to its destination, written for whoever implements one."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from ringfence.bus.words import Words


class AttemptEnd(StrEnum):
    """How an attempt ended."""

    DELIVERED = "delivered"
    RETRY = "retry"  # not now: the same message is tried again
    REFUSED = "refused"  # this message will never get there
    GONE = "gone"  # nothing will get there any more


class AttemptOutcome(NamedTuple):
    """How an attempt ended, in the destination's words, and for how long it wants to be left alone."""

    answer: AttemptEnd
    said: str = ""
    after_seconds: float | None = None


class Message(NamedTuple):
    """One event on its way.

    Attributes:
        id: the same at every attempt: receivers know by it what they have.
        event: the CloudEvent as JSON.
        to: as of `subscription.target_of`.
        secrets: what to sign with, newest first.
    """

    id: str
    event: bytes
    words: Words
    to: str
    secrets: tuple[str, ...] = ()


class Notifier(Protocol):
    """Sends to destinations of one kind. Any thread may call it.

    A message that got there and whose answer was lost is sent again with the same id.
    """

    def deliver(self, message: Message, /) -> AttemptOutcome:
        """Make one attempt, within seconds. What goes wrong is an outcome and no exception.

        A destination that is down, slow or busy is `RETRY`, with what it says of when; a message that it
        can never take is `REFUSED`; one that has gone for good is `GONE`.
        """
        ...

    def close(self) -> None:
        """Release connections. Closing twice is allowed."""
        ...
