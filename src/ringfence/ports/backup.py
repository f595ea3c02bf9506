"""What a backup says of itself."""

from __future__ import annotations

import msgspec


class Backup(msgspec.Struct, frozen=True):
    """`topics` has the offsets of the first record and after the last; `files` size and xxh3 by path."""

    format: int
    ringfence: str
    store_id: str
    created_ms: int
    topics: dict[str, tuple[int, int]]
    files: dict[str, tuple[int, str]]

    @property
    def nbytes(self) -> int:
        """Of all files."""
        return sum(size for size, _ in self.files.values())
