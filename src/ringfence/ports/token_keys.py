"""What is told of the keys that tokens are made with."""

from __future__ import annotations

import msgspec


class TokenKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key, by name. Its bytes stay out.

    Attributes:
        since_offset: where in the log it took effect; None while it waits.
        since_ms: when.
        forgotten_ms: when it ceased to be known; None while it is live.
        gathered: up to where in the log everybody is known; None while nobody has looked.
        persons: tokens by this key that are known, and stay; of the newest nobody counts them.
    """

    number: int
    name: str
    made_ms: int
    since_offset: int | None
    since_ms: int | None
    forgotten_ms: int | None
    gathered: int | None
    persons: int
