"""Messages on standard error, for trying things out; also what stands in for a provider of SMS."""

from __future__ import annotations

import re
import sys
from threading import Lock
from typing import TYPE_CHECKING, Final

from ringfence.bus.notifier import AttemptEnd, AttemptOutcome

if TYPE_CHECKING:
    from typing import TextIO

    from ringfence.bus.notifier import Message

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class ConsoleNotifier:
    """A `Notifier` that writes lines of text."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lock = Lock()

    def deliver(self, message: Message) -> AttemptOutcome:
        """See `Notifier.deliver`."""
        to = f" to {message.to}" if message.to else ""
        text = _CONTROL.sub("?", message.words.text).replace("\n", "\n  ")
        stream = self._stream or sys.stderr
        try:
            with self._lock:
                stream.write(f"[{message.id}]{to} {text}\n")
                stream.flush()
        except (OSError, ValueError) as error:
            return AttemptOutcome(AttemptEnd.RETRY, f"standard error cannot be written: {error}")
        return AttemptOutcome(AttemptEnd.DELIVERED, "written")

    def close(self) -> None:
        """See `Notifier.close`."""
