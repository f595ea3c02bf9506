"""The embedded store: one SQLite file that holds the log and all that must commit with it."""

from ringfence.adapters.sqlite.log import SqliteLog
from ringfence.adapters.sqlite.store import Store

__all__ = ["SqliteLog", "Store"]
