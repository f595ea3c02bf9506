"""How often each caller may ask: the refusal of one whose limit is spent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ringfence.access.limits import Limits
from ringfence.api.http.problems import Refusal

if TYPE_CHECKING:
    from ringfence.access.principal import Principal


class RateLimits:
    """Those of one server's callers, by the clock of its event loop."""

    def __init__(self) -> None:
        self._limits = Limits()

    def take(self, caller: Principal, count: int) -> None:
        """`Refusal` (429) where the caller's limit is spent."""
        seconds = self._limits.take(caller, count, asyncio.get_running_loop().time())
        if seconds:
            wait = max(1, round(seconds + 0.5))
            raise Refusal(
                429,
                "rate_limited",
                "this key's limit is spent: try again after the time in Retry-After",
                headers=[(b"retry-after", str(wait).encode())],
            )
