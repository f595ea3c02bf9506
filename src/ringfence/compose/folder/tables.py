"""Opens the analysis tables. DuckDB takes a while to load, and most runs ask nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ringfence.settings import load_settings

if TYPE_CHECKING:
    from ringfence.ports.tables import Annotations, Statements, Tables
    from ringfence.store import DataFolder


def open_tables(store: DataFolder) -> Tables:
    """Questions about a store in SQL, for a command: files that are due are written before each."""
    from ringfence.adapters.lake import Lake  # noqa: PLC0415 (see above)

    return Lake.alone(store, load_settings().label_sources)


def served_tables(store: DataFolder) -> Tables:
    """Likewise where a follower writes the files."""
    from ringfence.adapters.lake import Lake  # noqa: PLC0415 (see above)

    return Lake(store, label_sources=load_settings().label_sources)


def confined_tables(store: DataFolder) -> Statements:
    """For statements that anybody may write: in a process of its own, whose memory the system bounds."""
    from ringfence.adapters.lake.confined import ConfinedLake  # noqa: PLC0415 (see above)

    return ConfinedLake([sys.executable, "-m", "ringfence.compose.folder.confined", str(store.folder)])


def open_annotations(store: DataFolder) -> Annotations:
    """List entries, activations and labels of a store, at hand."""
    from ringfence.adapters.lake import LogAnnotations  # noqa: PLC0415 (see above)

    return LogAnnotations(store.log, store.tables, store.meta.hash_seed, load_settings().label_sources)


def trim_tables(store: DataFolder) -> None:
    """Take what the log has forgotten out of the files, too."""
    from ringfence.adapters.lake import forget  # noqa: PLC0415 (see above)

    forget(store.tables, store.log)
