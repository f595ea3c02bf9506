"""What a server writes to its log, without ever waiting for whoever reads it.

A pipe that nobody empties, or a disk that hangs, would stop the thread that writes a line: in a server that
is the one that decides.
"""

from __future__ import annotations

import io
import sys
from collections import deque
from contextlib import contextmanager, suppress
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_BYTES: Final = 4 << 20  # that wait to be written
_LAST_SECONDS: Final = 2.0  # for what still waits at the end


class Unhurried(io.TextIOBase):
    """A text stream before another, which a thread writes to; what finds no room is dropped and counted."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._size = self._dropped = 0
        self._is_over = False
        self._change = Condition()
        self._thread = Thread(target=self._loop, name="ringfence-log", daemon=True)
        self._thread.start()
        self.buffer = _Bytes(self)

    def write(self, text: str) -> int:
        """Take a text in; at once."""
        with self._change:
            if self._size + len(text) > _MOST_BYTES:
                self._dropped += 1
            else:
                self._waiting.append(text)
                self._size += len(text)
                self._change.notify()
        return len(text)

    def isatty(self) -> bool:
        return bool(self._stream.isatty())

    def fileno(self) -> int:
        return int(self._stream.fileno())

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return str(self._stream.encoding)

    def end(self) -> None:
        """Have what waits written, for a short time."""
        with self._change:
            self._is_over = True
            self._change.notify()
        self._thread.join(_LAST_SECONDS)

    def _loop(self) -> None:
        while (text := self._next()) is not None:
            with suppress(OSError, ValueError):  # nobody reads any more
                self._stream.write(text)
                self._stream.flush()

    def _next(self) -> str | None:
        """What waits, together; None at the end."""
        with self._change:
            while not (self._waiting or self._dropped or self._is_over):
                self._change.wait()
            if not (self._waiting or self._dropped):
                return None
            text = "".join(self._waiting)
            if self._dropped:
                text += f"{self._dropped:,} entries are missing here: whoever reads this log is too slow.\n"
            self._waiting.clear()
            self._size = self._dropped = 0
            return text


class _Bytes(io.RawIOBase):
    """The same for who writes bytes."""

    def __init__(self, texts: Unhurried) -> None:
        self._texts = texts

    def write(self, data: Any) -> int:
        self._texts.write(bytes(data).decode(errors="replace"))
        return len(data)


@contextmanager
def unhurried() -> Iterator[None]:
    """While the block runs, nobody waits for what is written to standard error."""
    before = sys.stderr
    stream = Unhurried(before)
    sys.stderr = stream
    try:
        yield
    finally:
        sys.stderr = before
        stream.end()
