"""The embedded store: one SQLite file that holds the log and all that must commit with it."""

from ringfence.adapters.sqlite.log import SqliteLog

__all__ = ["SqliteLog"]
