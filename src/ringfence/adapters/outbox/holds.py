"""What holds the waiting messages of a list: by themselves, by their order, and by their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.bus.holds import RATES, HoldReason, MessageHold, hold_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ringfence.adapters.outbox.database import OutboxDatabase
    from ringfence.bus.outbox import Letter
    from ringfence.bus.subscription import Destination, Subscription

_FAR: Final = 3600  # messages before one, that are counted: what waits longer has no time yet
_BEHIND: Final = """
SELECT 1 FROM message AS due JOIN message AS before USING (subscription, key)
WHERE due.id = ? AND due.ordered AND before.ordered AND before.state = 'waiting' AND before.seq < due.seq
"""
_QUEUE: Final = """
SELECT id FROM message
WHERE destination = ? AND state = 'waiting' AND due_ms <= ?
  AND subscription NOT IN (SELECT name FROM subscription WHERE json_extract(body, '$.paused'))
ORDER BY due_ms, seq LIMIT ?
"""


def holds_of(
    database: OutboxDatabase,
    letters: Iterable[Letter],
    subscriptions: Iterable[Subscription],
    destinations: Iterable[Destination],
    now_ms: int,
) -> dict[str, MessageHold]:
    """What holds these, by id; those that nothing holds are left out."""
    wanting = {one.name: one for one in subscriptions}
    places = {one.address: one for one in destinations}
    queues: dict[str, dict[str, int]] = {}
    found: dict[str, MessageHold] = {}
    for letter in letters:
        if letter.state != "waiting":
            continue
        destination, subscription = places.get(letter.destination), wanting.get(letter.subscription)
        hold = hold_of(letter.due_ms, letter.attempts, destination, subscription, now_ms)
        rate = RATES.get(destination.kind, 0.0) if destination is not None else 0.0
        if hold is None and database.rows(_BEHIND, (letter.id,)):
            hold = MessageHold(HoldReason.ORDER)
        if hold is None and rate:
            if letter.destination not in queues:
                rows = database.rows(_QUEUE, (letter.destination, now_ms, _FAR))
                queues[letter.destination] = {name: place for place, (name,) in enumerate(rows)}
            hold = _by_rate(queues[letter.destination].get(letter.id), rate, now_ms)
        if hold is not None:
            found[letter.id] = hold
    return found


def _by_rate(place: int | None, rate: float, now_ms: int) -> MessageHold | None:
    """By its place in the queue, None where that is far away."""
    if place is None:
        return MessageHold(HoldReason.RATE)
    seconds = int(place / rate)
    return MessageHold(HoldReason.RATE, now_ms + seconds * 1000) if seconds else None
