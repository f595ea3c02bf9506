"""The outbox: what subscribers are owed, and the subscriptions and destinations of a data folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ringfence.bus.holds import MessageHold
    from ringfence.bus.subscription import Destination, Subscription


class Letter(msgspec.Struct, frozen=True):
    """One message as it stands in the outbox; `event` is the CloudEvent as JSON."""

    id: str
    subscription: str
    destination: str
    key: str
    event: bytes
    state: str
    due_ms: int
    attempts: int
    said: str
    made_ms: int
    done_ms: int


class Outbox(Protocol):
    """What people see and change of the bus of one data folder. Any thread and any process may use it."""

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        ...

    def subscriptions(self) -> list[Subscription]:
        """All of them, by name."""
        ...

    def subscription(self, name: str) -> Subscription:
        """One of them; `InputError` with those that there are."""
        ...

    def subscribe(self, wanted: Subscription) -> Subscription:
        """Add a subscription; `ConflictError` where its name stands for another one."""
        ...

    def pause(self, name: str, *, paused: bool) -> None:
        """Have a subscription's messages wait, or go on; `InputError` as of `subscription`."""
        ...

    def remove(self, name: str, kept: Collection[str]) -> int:
        """Take a subscription away, and what it still waits for; how many messages that were.

        Its destination goes too, with its secret, unless it is in `kept` (the alert policy's addresses), or
        another subscription or a message that is not delivered names it.
        """
        ...

    def destinations(self) -> list[Destination]:
        """All of them, by address."""
        ...

    def destination(self, address: str) -> Destination:
        """One of them; `InputError` with those that there are."""
        ...

    def change(self, address: str, **fields: Any) -> Destination:
        """Set fields of a destination."""
        ...

    def rotate(self, address: str, now_ms: int) -> Destination:
        """Sign with a new secret and, until the next call, with the one before, too.

        `ConflictError` within ten minutes of the last call: the receiver knows neither of the two then.
        """
        ...

    def letter(self, message_id: str) -> Letter:
        """The message with this id; `InputError` where there is none."""
        ...

    def counts(self) -> list[tuple[str, str, int]]:
        """How many messages of each destination are in each state."""
        ...

    def figures(self) -> list[tuple[str, int, int, int]]:
        """By kind of destination: waiting messages, dead letters, when the oldest waiting one was made."""
        ...

    def letters(
        self,
        *,
        state: str | None = None,
        subscription: str | None = None,
        destination: str | None = None,
        limit: int = 100,
    ) -> list[Letter]:
        """Messages, newest first, where every filter holds."""
        ...

    def holds(self, letters: Iterable[Letter], now_ms: int) -> dict[str, MessageHold]:
        """What holds the waiting ones of these, by id; those that nothing holds are left out."""
        ...

    def retry(
        self,
        ids: Iterable[str] = (),
        *,
        destination: str | None = None,
        subscription: str | None = None,
        now_ms: int,
    ) -> int:
        """Have dead letters tried again from the beginning, and waiting ones at once; how many that are.

        Those with these ids, or all dead ones where the filters hold. A destination that has failed lately
        is tried at once, too. `InputError` where an id is of no message: nothing is done for the others then.
        """
        ...

    def purge(
        self,
        ids: Iterable[str] = (),
        *,
        destination: str | None = None,
        subscription: str | None = None,
        expected: int | None = None,
    ) -> int:
        """Throw dead letters away: those with these ids, or all where the filters hold; errors as `retry`.

        `ConflictError` where there are some, and not as many as `expected`: nothing is thrown away then.
        """
        ...
