"""Opens the keys of a data folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.adapters.access.keys import ApiKeys
from ringfence.store import KEYS

if TYPE_CHECKING:
    from pathlib import Path


def open_keys(folder: Path) -> ApiKeys:
    """The keys of a data folder, to be closed by who asks; their file is made where there is none."""
    return ApiKeys(folder)


def key_file(folder: Path) -> Path:
    """Where the keys of a data folder are, there or not."""
    return folder / KEYS


def has_key_file(folder: Path) -> bool:
    """Whether keys have ever been made in a data folder."""
    return ApiKeys.are_in(folder)
