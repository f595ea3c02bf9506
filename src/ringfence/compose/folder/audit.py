"""Checkpoints of the audit trail as the settings want them, and the keys that sign them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.adapters.audit import checkpoints
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ringfence.audit import Anchor, SigningKey
    from ringfence.audit.trail import Trail


def take_checkpoint(trail: Trail, now_ms: Callable[[], int]) -> Anchor:
    """Bring what the log holds into the chain, sign the head, keep it elsewhere."""
    settings = load_settings()
    return checkpoints.Checkpoints(0, now_ms, settings.audit_key, settings.audit_anchor).take(trail)


def anchors_in(path: Path) -> list[Anchor]:
    """The heads that were kept in a file, the last of each record; `InputError` where it holds others."""
    return checkpoints.anchors_in(path)


def add_key(trail: Trail, path: Path, actor: str, now_ms: int, before: Path | None = None) -> SigningKey:
    """Make a signing key, keep it in a new file and have the key before sign for it, if there was one.

    `InputError` where the file is there already, or the key before is needed and not given.
    """
    return checkpoints.add_key(trail, path, actor, now_ms, before)
