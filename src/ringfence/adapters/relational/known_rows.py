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
        self._said: dict[str, dict[str, tuple[Any, ...]]] = {name: {} for name in KNOWN}  # and not committed

    def new_of(self, name: str, rows: pa.Table) -> pa.Table:
        """Without the rows that say of their key what was said last."""
        if name not in self._rows or not len(rows):
            return rows
        known, said = self._rows[name], self._said[name]
        given = list(zip(*(column.to_pylist() for column in rows.columns), strict=True))
        is_new = [said.get(row[0], known.get(row[0])) != row for row in given]
        said.update((row[0], row) for row, new in zip(given, is_new, strict=True) if new)
        return rows if all(is_new) else rows.filter(pa.array(is_new))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """What is said in the block is known once the block has ended well."""
        for said in self._said.values():
            said.clear()
        yield
        for name, said in self._said.items():
            known = self._rows[name]
            if len(known) + len(said) > self._most:
                known.clear()
            known.update(said)
            said.clear()

    def forget(self) -> None:
        """Nothing is known: another may have written meanwhile."""
        for rows in (*self._rows.values(), *self._said.values()):
            rows.clear()
