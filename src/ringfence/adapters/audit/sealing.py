"""The follower that brings events and decisions into the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.audit import RecordSpan, extended
from ringfence.ports import DECISIONS, DRIFT, EVENTS, FLAG_MATCHES, MODEL_NEWS, SLO_NEWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ringfence.adapters.audit.trail import SqliteTrail
    from ringfence.ports import LogBatch


class SealFollower:
    """`ringfence.follow.Follower`: spans of the log as hashes in the trail's file.

    `trail` opens the file. After each take `taken` is called, with the trail: what has come may be signed.
    """

    name = "audit"
    topics = (EVENTS, DECISIONS, FLAG_MATCHES, DRIFT, MODEL_NEWS, SLO_NEWS)
    least = 1
    most = 65_536

    def __init__(
        self, trail: Callable[[], SqliteTrail], taken: Callable[[SqliteTrail], None] = lambda _trail: None
    ) -> None:
        self._open = trail
        self._taken = taken
        self._trail: SqliteTrail | None = None

    def positions(self) -> dict[str, int]:
        """See `Follower.positions`."""
        return self._opened().positions()

    def take(self, topic: str, batches: Iterable[LogBatch], /) -> None:
        """See `Follower.take`."""
        trail = self._opened()
        span = trail.last_span(topic)
        spans: list[RecordSpan] = []
        for batch in batches:
            grown = extended(span, batch)
            if spans and grown.first == spans[-1].first:
                spans[-1] = grown
            else:
                spans.append(grown)
            span = grown
        trail.put_spans(spans)
        self._taken(trail)

    def reset(self) -> None:
        """See `Follower.reset`; what the chain says of spans stays."""
        self._opened().forget_spans()

    def close(self) -> None:
        """See `Follower.close`."""
        if self._trail is not None:
            self._trail.close()
            self._trail = None

    def _opened(self) -> SqliteTrail:
        if self._trail is None:
            self._trail = self._open()
        return self._trail
