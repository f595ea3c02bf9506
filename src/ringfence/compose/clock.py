"""What time it is. Whoever asks the machine asks here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def late_after(seconds: float) -> Callable[[], bool]:
    """Says whether so much time has passed since this was called."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


class SystemClock:
    """`ringfence.ports.Clock` of this machine."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        return now_ms()
