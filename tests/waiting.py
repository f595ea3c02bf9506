"""Waiting for what another thread or process does: for a condition, with patience for a busy machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Found = TypeVar("_Found")


def until(what: Callable[[], _Found], seconds: float = 240.0) -> _Found:
    """What it gives once that is true, asked every few milliseconds; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"{what} did not come to hold within {seconds:.0f} s"
        time.sleep(0.01)
    return found
