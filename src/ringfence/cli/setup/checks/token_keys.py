"""The keys that tokens are made with, once they were rotated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.cli.setup.checks.check import Check, State
from ringfence.cli.terminal.screen import format_time
from ringfence.compose.folder.store import has_store, open_store
from ringfence.compose.folder.token_keys import listed_token_keys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def token_keys(folder: Path) -> Iterator[Check]:
    """Which key makes tokens, and whether one waits; nothing where no key was ever rotated."""
    if not has_store(folder):
        return
    with open_store(folder, read_only=True) as store:
        found = listed_token_keys(store)
    if not found:
        return
    *older, newest = [one for one in found if one.since_offset is not None]
    live = sum(one.forgotten_ms is None for one in older)
    said = f"{newest.name} makes tokens since {format_time(newest.since_ms or 0)}, {live} older keys are live"
    yield Check("token keys", State.FINE, said)
    if found[-1] is not newest:
        said = f"{found[-1].name} waits since {format_time(found[-1].made_ms)} to take effect"
        remedy = "Run `ringfence privacy rotate --tokens` again: it goes on where it stopped."
        yield Check("token keys", State.NOTE, said, remedy)
