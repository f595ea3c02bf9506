"""What keeps a waiting message from being sent now, and until when."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ringfence.bus.subscription import Destination, Subscription


class HoldReason(StrEnum):
    """What a message is held by, as a noun that fits behind these words."""

    DISABLED = "destination disabled"  # it answered 410: until somebody enables it
    PAUSED = "subscription paused"  # until somebody resumes it
    BROKEN = "circuit open"  # failures in a row: one message at a time tries whether it is back
    ASKED = "destination asked to wait"  # by Retry-After
    BACK_OFF = "retry after a failure"
    QUIET = "quiet hours"
    ORDER = "earlier message of the same key"  # of a subscription that keeps the order
    RATE = "rate limit"


class MessageHold(NamedTuple):
    """What holds a message, and until when it does, 0 where no time ends it."""

    reason: HoldReason
    until_ms: int = 0


def hold_of(
    due_ms: int,
    attempts: int,
    destination: Destination | None,
    subscription: Subscription | None,
    now_ms: int,
) -> MessageHold | None:
    """What holds a waiting message, by itself; None where it may go.

    What no time ends comes first, then what ends last.
    """
    if destination is not None and destination.disabled:
        return MessageHold(HoldReason.DISABLED)
    if subscription is not None and subscription.paused:
        return MessageHold(HoldReason.PAUSED)
    found = []
    if due_ms > now_ms:
        reason = HoldReason.BACK_OFF if attempts else HoldReason.QUIET
        found.append(MessageHold(reason, due_ms))
    if destination is not None:
        until_ms = destination.open_until_ms if destination.open_until_ms > now_ms else 0
        if destination.is_tripped:
            found.append(MessageHold(HoldReason.BROKEN, until_ms))
        elif until_ms:
            found.append(MessageHold(HoldReason.ASKED, until_ms))
    return max(found, key=lambda one: one.until_ms, default=None)
