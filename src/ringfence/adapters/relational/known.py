"""Rows of dimensions that the store has already, so that only what is new in a portion is upserted."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

KNOWN: Final = ("customers", "cards", "accounts", "merchants", "devices")
"""Dimensions whose first column is the key, and whose others keep what a later row leaves out."""

_MOST: Final = 100_000  # rows of a dimension that are remembered; then it begins anew


class KnownRows:
    """What was said last of each key, by this process; it is true only while nobody else writes."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._rows: dict[str, dict[str, tuple[Any, ...]]] = {name: {} for name in KNOWN}
        self._said: list[tuple[str, dict[str, tuple[Any, ...]]]] = []

    def new_of(self, name: str, rows: pa.Table) -> pa.Table:
        """Without the rows that say of their key what was said last."""
        if name not in self._rows or not len(rows):
            return rows
        known = self._rows[name]
        said = list(zip(*(column.to_pylist() for column in rows.columns), strict=True))
        fresh = [row for row in said if known.get(row[0]) != row]
        self._said.append((name, {row[0]: row for row in fresh}))
        if len(fresh) == len(said):
            return rows
        return rows.filter(pa.array([known.get(row[0]) != row for row in said]))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """What is said in the block is known once the block has ended well."""
        self._said.clear()
        yield
        for name, rows in self._said:
            known = self._rows[name]
            if len(known) + len(rows) > self._most:
                known.clear()
            known.update(rows)
        self._said.clear()

    def forget(self) -> None:
        """Nothing is known: another may have written meanwhile."""
        for known in self._rows.values():
            known.clear()
        self._said.clear()
