"""Names of the files of a data folder: for who opens one of them, and for who copies them all."""

from __future__ import annotations

from typing import Final

LOG: Final = "ringfence.db"

KEYS: Final = "access.db"
"""Keys, and requests for approval."""

TRAIL: Final = "audit.db"

BUS: Final = "bus.db"

CASES: Final = "cases.db"

VAULT: Final = "vault.db"

FOLLOWERS: Final = "followers.db"
"""The roll of those that follow the log."""

WRITER: Final = "writer.lock"
"""Held by the process that writes the log."""
