"""Keyed state of Flink as the mapping of bytes that a stage keeps what must survive in."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any


class KeyedState(MutableMapping[bytes, bytes]):
    """The state of the key whose element is being processed.

    Names are kept as hexadecimal text: Flink compares arrays of bytes by identity, and a text that Python
    hands to Java ends at its first zero.
    """

    def __init__(self, state: Any) -> None:
        """`state` is a `MapState` from text to bytes."""
        self._state = state

    def __getitem__(self, name: bytes) -> bytes:
        found = self._state.get(name.hex())
        if found is None:
            raise KeyError(name)
        return bytes(found)

    def __setitem__(self, name: bytes, value: bytes) -> None:
        self._state.put(name.hex(), bytes(value))

    def __delitem__(self, name: bytes) -> None:
        self._state.remove(name.hex())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, bytes) and self._state.contains(name.hex())

    def __iter__(self) -> Iterator[bytes]:
        for name in list(self._state.keys()):
            yield bytes.fromhex(name)

    def __len__(self) -> int:
        return sum(1 for _ in self)
