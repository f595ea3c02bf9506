"""The live links of the entity graph in one SQLite file, for questions: made by a follower of the log."""

from __future__ import annotations

from ringfence.adapters.links.book import LinkBook
from ringfence.adapters.links.follower import LinkFollower

__all__ = ["LinkBook", "LinkFollower"]
