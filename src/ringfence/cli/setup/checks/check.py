"""One thing that was looked at, and how it is."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """How a part is."""

    FINE = "ok"
    NOTE = "note"  # works, but should be known
    BAD = "BAD"


class Check(NamedTuple):
    """What was looked at, what was found, and what to do about it (empty where nothing is to be done)."""

    part: str
    state: State
    said: str
    remedy: str = ""
