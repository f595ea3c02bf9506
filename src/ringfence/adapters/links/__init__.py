"""The live links of the entity graph in one SQLite file, for questions: made by a follower of the log."""

from __future__ import annotations

from ringfence.adapters.links.book import StoredLinks
from ringfence.adapters.links.follower import LinkFollower
from ringfence.adapters.links.news import delivered, flags_of, news_stamp, undelivered
from ringfence.adapters.links.tables import SCHEMAS, tables_of

__all__ = [
    "SCHEMAS",
    "LinkFollower",
    "StoredLinks",
    "delivered",
    "flags_of",
    "news_stamp",
    "tables_of",
    "undelivered",
]
