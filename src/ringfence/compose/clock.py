"""What time it is. Whoever asks the machine asks here."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


class SystemClock:
    """`ringfence.ports.Clock` of this machine."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        return now_ms()
