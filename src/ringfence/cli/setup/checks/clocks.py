"""How far this machine's clock is from that of a server, as the server's answers are dated."""

from __future__ import annotations

import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from ringfence.cli.setup.checks.check import Check, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

MOST_SKEW_SECONDS: Final = 5.0
"""Dates are whole seconds, and answers take a while; tokens allow little more."""


def skew(part: str, answer: httpx.Response) -> Iterator[Check]:
    """A note where an answer is dated far from now; nothing where it is not dated."""
    try:
        dated = parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError):
        return
    apart = time.time() - dated.replace(tzinfo=dated.tzinfo or UTC).timestamp()
    if abs(apart) > MOST_SKEW_SECONDS:
        said = f"this clock is {abs(apart):,.0f} s {'ahead of' if apart > 0 else 'behind'} that of {part}"
        remedy = "Set both, and keep them set: timedatectl set-ntp true. Tokens expire by the clock."
        yield Check("clock", State.NOTE, said, remedy)
