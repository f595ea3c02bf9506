"""Opens the index of decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ringfence.adapters.finder import Finder
from ringfence.adapters.finder.rows import leading, rows_of

if TYPE_CHECKING:
    from ringfence.decisions.decision import DecisionBatch
    from ringfence.decisions.index import DecisionIndex
    from ringfence.ports import EventLog
    from ringfence.store import DataFolder


def open_index(store: DataFolder) -> DecisionIndex:
    """Decisions of a store by what they have to do with."""
    return Finder(store.log, store.folder / "index", store.meta.hash_seed)


def index_rows(decisions: DecisionBatch, log: EventLog) -> list[dict[str, Any]]:
    """Rows as the index has them: decisions, in the order of the log, each beside its payment."""
    rows: list[dict[str, Any]] = rows_of([leading(decisions)], log).to_pylist()
    return rows
