"""One JSON line per request: who asked for what, and how it went. No path, no query, no header is written."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

_ENCODER: Final = msgspec.json.Encoder()
_MOST_HELD: Final = 500
_HELD_SECONDS: Final = 0.5


class AccessLog:
    """Writes to a stream, some lines at a time; to nowhere without one.

    `route` is the route's pattern, never the path: an id in a path may be what must not be told.
    """

    def __init__(self, stream: BinaryIO | None, now: Callable[[], float] = time.time) -> None:
        self._stream = stream
        self._now = now
        self._held: list[bytes] = []
        self._written = now()

    def write(
        self,
        method: str,
        route: str,
        status: int,
        seconds: float,
        caller: str | None,
        count: int = 1,
        trace_id: str | None = None,
    ) -> None:
        """Note a request, or so many alike; status 0 where the caller hung up first."""
        if self._stream is None:
            return
        now = self._now()
        line: dict[str, object] = {
            "time_ms": int(now * 1000),
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 3),
            "caller": caller,
        }
        if trace_id is not None:
            line["trace_id"] = trace_id
        self._held += [_ENCODER.encode(line)] * count
        if len(self._held) >= _MOST_HELD or now - self._written >= _HELD_SECONDS:
            self._written = now
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if self._stream is not None and self._held:
            self._stream.write(b"\n".join(self._held) + b"\n")
            self._stream.flush()
            self._held.clear()
