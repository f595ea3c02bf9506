"""Decisions as they are made, to whoever listens: server-sent events, filtered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.features.spec import ENTITY_KEYS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ringfence.api.streaming.stream_places import Place, Places
    from ringfence.decisions.decision import DecisionBatch
    from ringfence.events.batch import EventBatch

_SHOWN: Final = ("amount_minor", "currency", "country", "merchant_category", "channel", *ENTITY_KEYS.values())
_MOST_UNREAD: Final = 1000  # events that a slow listener may be behind before it is let go
_HEARTBEAT_SECONDS: Final = 15.0
_CLOSED: Final = b"retry: 30000\nevent: closed\ndata: {}\n\n"
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which decisions somebody wants to hear of; None filters nothing."""

    outcome: str | None = None
    min_score: float | None = None
    entity: str | None = None
    entity_id: str | None = None

    def passes(self, outcome: str, score: float, payment: dict[str, object]) -> bool:
        """Whether a decision is of interest."""
        if self.outcome is not None and outcome != self.outcome:
            return False
        if self.min_score is not None and score < self.min_score:
            return False
        return self.entity is None or payment.get(ENTITY_KEYS[self.entity]) == self.entity_id


class _Listener:
    def __init__(self, wanted: Filter) -> None:
        self.wanted = wanted
        self.place: Place | None = None
        self.unread: asyncio.Queue[bytes | None] = asyncio.Queue(_MOST_UNREAD)


class Hub:
    """Hands every decision to those who listen. `publish` may be called on any thread."""

    def __init__(self, places: Places, seconds: float = 0.0) -> None:
        """As many listeners as there are places; each for so long, 0 for ever."""
        self._places = places
        self._seconds = seconds
        self._listeners: list[_Listener] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._listeners)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Events are handed over on this loop."""
        self._loop = loop

    def publish(self, decisions: DecisionBatch, events: EventBatch, bodies: Sequence[bytes]) -> None:
        """Tell of one step; costs nothing while nobody listens."""
        if not self._listeners or self._loop is None or self._loop.is_closed():
            return
        payments = events if events.is_transaction.all() else events.take(events.is_transaction)
        names = [name for name in _SHOWN if name in payments.table.schema.names]
        shown = payments.table.select(names).to_pylist()
        outcomes = decisions.table.column("outcome").to_pylist()
        scores = decisions.table.column("score").to_pylist()
        offsets = decisions.table.column("offset").to_pylist()
        told = list(zip(offsets, outcomes, scores, shown, bodies, strict=True))
        self._loop.call_soon_threadsafe(self._deliver, told)

    def subscribe(self, wanted: Filter, owner: str) -> AsyncIterator[bytes]:
        """The stream of one listener, as text; `Refusal` where there are too many."""
        listener = _Listener(wanted)
        listener.place = self._places.take(owner, partial(self._end, listener))
        self._listeners.append(listener)
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, _put, listener, None)
        return self._stream(listener)

    def stop(self) -> None:
        """End every stream."""
        for listener in self._listeners:
            _put(listener, None)

    def _deliver(self, told: list[tuple[int, str, float, dict[str, object], bytes]]) -> None:
        for offset, outcome, score, payment, body in told:
            event = None  # made once, however many are to hear of it
            for listener in self._listeners:
                if listener.wanted.passes(outcome, score, payment):
                    event = event or _event(offset, payment, body)
                    _put(listener, event)

    def _end(self, listener: _Listener) -> None:
        """Its place is another's: it hears so once it reads what it has."""
        if listener in self._listeners:
            self._listeners.remove(listener)
        while not listener.unread.empty():
            listener.unread.get_nowait()
        listener.unread.put_nowait(_CLOSED)
        listener.unread.put_nowait(None)

    async def _stream(self, listener: _Listener) -> AsyncIterator[bytes]:
        try:
            yield b": decisions follow\n\n"
            while True:
                try:
                    item = await asyncio.wait_for(listener.unread.get(), _HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if item is None:
                    return
                yield item
        finally:
            if listener in self._listeners:
                self._listeners.remove(listener)
            if listener.place is not None:
                self._places.leave(listener.place)


def _event(offset: int, payment: dict[str, object], body: bytes) -> bytes:
    known = _ENCODER.encode({name: value for name, value in payment.items() if value is not None})
    return b'id: %d\nevent: decision\ndata: {"decision":%b,"transaction":%b}\n\n' % (offset, body, known)


def _put(listener: _Listener, item: bytes | None) -> None:
    """A listener that does not keep up loses the oldest and then its stream: it reconnects and lists."""
    if listener.unread.full():
        while not listener.unread.empty():
            listener.unread.get_nowait()
        listener.unread.put_nowait(b"event: lagging\ndata: {}\n\n")
        item = None
    listener.unread.put_nowait(item)
