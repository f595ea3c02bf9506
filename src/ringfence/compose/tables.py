"""Opens the analysis tables. DuckDB takes a while to load, and most runs ask nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ringfence.ports.tables import Annotations, Tables
    from ringfence.store import DataFolder


def open_tables(store: DataFolder) -> Tables:
    """Questions about a store in SQL, for a command: files that are due are written before each."""
    from ringfence.adapters.lake import Lake  # noqa: PLC0415 (see above)

    return Lake.alone(store)


def served_tables(store: DataFolder, memory: str | None = None) -> Tables:
    """Likewise where a follower writes the files; `memory`, such as 512MB, bounds what a statement takes."""
    from ringfence.adapters.lake import Lake  # noqa: PLC0415 (see above)

    return Lake(store, memory=memory)


def open_annotations(store: DataFolder) -> Annotations:
    """List entries, activations and labels of a store, at hand."""
    from ringfence.adapters.lake import LogAnnotations  # noqa: PLC0415 (see above)

    return LogAnnotations(store.log, store.tables, store.meta.hash_seed)


def trim_tables(store: DataFolder) -> None:
    """Take what the log has forgotten out of the files, too."""
    from ringfence.adapters.lake import forget  # noqa: PLC0415 (see above)

    forget(store.tables, store.log)
