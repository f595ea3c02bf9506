"""Opens the links of the entity graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.adapters.links import LinkBook as KeptLinks

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ringfence.graph.rings import LinkBook


def links_in(folder: Path) -> AbstractContextManager[LinkBook]:
    """The links of a data folder, for the length of a block; `InputError` where nothing keeps links there."""
    return KeptLinks.looking(folder)
