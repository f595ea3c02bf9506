"""The saved views of a data folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.adapters.access.views import SqliteViews

if TYPE_CHECKING:
    from pathlib import Path


def open_views(folder: Path) -> SqliteViews:
    """Who asks for them closes them."""
    return SqliteViews(folder)
