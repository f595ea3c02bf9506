"""Opens the links of the entity graph, and what was found among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.adapters.links import StoredLinks as KeptLinks
from ringfence.adapters.links import delivered, flags_of, news_stamp, undelivered

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ringfence.graph.rings import LinkBook

__all__ = ["delivered", "flags_of", "links_in", "news_stamp", "undelivered"]


def links_in(folder: Path) -> AbstractContextManager[LinkBook]:
    """The links of a data folder, for the length of a block; `InputError` where nothing keeps links there."""
    return KeptLinks.looking(folder)
