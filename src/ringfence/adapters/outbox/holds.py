"""What holds the waiting messages of a list: by themselves, by their order, and by their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.adapters.outbox.conditions import IS_BEHIND, NOT_PAUSED
from ringfence.bus.holds import HoldReason, MessageHold, hold_of
from ringfence.bus.retry import RATES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ringfence.adapters.outbox.database import OutboxDatabase
    from ringfence.bus.outbox import Letter
    from ringfence.bus.subscription import Destination, Subscription

_FAR: Final = 3600  # messages before one, that are counted: what waits longer has no time yet
_BEHIND: Final = f"""
SELECT id FROM message AS due WHERE id IN (SELECT value FROM json_each(?)) AND {IS_BEHIND}
"""  # noqa: S608 (constants)
_QUEUE: Final = f"""
SELECT id FROM message
WHERE destination = ? AND state = 'waiting' AND due_ms <= ? AND {NOT_PAUSED}
ORDER BY due_ms, seq LIMIT ?
"""  # noqa: S608 (constants)


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
    waiting = [one for one in letters if one.state == "waiting"]
    ids = msgspec.json.encode([one.id for one in waiting]).decode()
    behind = {name for (name,) in database.rows(_BEHIND, (ids,))}
    for letter in waiting:
        destination, subscription = places.get(letter.destination), wanting.get(letter.subscription)
        hold = hold_of(letter.due_ms, letter.attempts, destination, subscription, now_ms)
        rate = RATES.get(destination.kind, 0.0) if destination is not None else 0.0
        if hold is None and letter.id in behind:
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
