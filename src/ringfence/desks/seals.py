"""Proof that somebody was shown what a change would do: a seal on its sheet, which the change carries."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SEAL_MS: Final = 30 * 60_000
"""So long a sheet may be read before it has to be made again."""

MOST_CHARACTERS: Final = 64
"""Of a seal, or of the digits that confirm a change beyond the limits."""

_BEYOND: Final = "!"
_WITHIN: Final = "."
_DIGITS: Final = 8
_LETTERS: Final = str.maketrans("0123456789", "ghijklmnop")  # digits in a row may be taken for a card number
_BACK: Final = str.maketrans("ghijklmnop", "0123456789")


@dataclass(frozen=True, slots=True)
class Seals:
    """Seals of one server, by its `key`: a random secret that no restart outlives.

    A seal names the version that is to take effect, what it replaces and for which portion of payments, and
    when it expires, so it fits no other change and none that somebody else has overtaken.

    >>> seals = Seals(b"secret", lambda: 0)
    >>> seal = seals.seal("0123456789abcdef", "in force", 1.0, beyond=False)
    >>> seals.holds(seal, "0123456789abcdef", "in force", 1.0)
    True
    >>> seals.holds(seal, "0123456789abcdef", "another", 1.0)
    False
    """

    key: bytes
    clock_ms: Callable[[], int]

    def seal(self, version: str, before: str, portion: float, *, beyond: bool) -> str:
        """For a sheet of now; `beyond` says that the change is beyond the limits."""
        mark = _BEYOND if beyond else _WITHIN
        expires = str(self.clock_ms() + SEAL_MS).translate(_LETTERS)
        return self._signed(f"{version[:_DIGITS]}{mark}{expires}", version, before, portion)

    def holds(self, seal: str, version: str, before: str, portion: float) -> bool:
        """Whether this server sealed a sheet of this very change, not too long ago."""
        if len(seal) > MOST_CHARACTERS:
            return False
        head, _, _ = seal.rpartition("-")
        expires = head[_DIGITS + 1 :].translate(_BACK)
        if not (expires.isascii() and expires.isdigit()) or int(expires) < self.clock_ms():
            return False
        return hmac.compare_digest(seal.encode(), self._signed(head, version, before, portion).encode())

    def _signed(self, head: str, version: str, before: str, portion: float) -> str:
        told = f"{head}\n{version}\n{before}\n{portion:.6f}".encode()
        return f"{head}-{hmac.digest(self.key, told, 'sha256').hex()[:32].translate(_LETTERS)}"


def is_beyond(seal: str) -> bool:
    """Whether the sheet was of a change beyond the limits, which asks people for the version's digits."""
    return seal[_DIGITS : _DIGITS + 1] == _BEYOND


def said(seal: str, typed: str) -> str:
    """What a page's form confirms: its seal; nothing where digits are asked for and others were typed."""
    digits = typed.strip().lower()[:_DIGITS]
    return "" if is_beyond(seal) and digits != seal[:_DIGITS] else seal
