"""Secrets in memory: the first to sit the exam."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping


class MemorySecrets:
    """`ringfence.ports.secrets.Secrets` in a dictionary, which its owner may change."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def read(self, name: str) -> str:
        """See `Secrets.read`."""
        value = self._values.get(name)
        if value is None:
            raise StoreError(f"nothing is kept as {name!r}")
        return value
