"""The embedded store: one SQLite file that holds the log and all that must commit with it."""

from ringfence.adapters.sqlite.log import SqliteLog
from ringfence.adapters.sqlite.quarantine import QuarantinedRecord, Replayed
from ringfence.adapters.sqlite.registry import Version
from ringfence.adapters.sqlite.store import Store

__all__ = ["QuarantinedRecord", "Replayed", "SqliteLog", "Store", "Version"]
