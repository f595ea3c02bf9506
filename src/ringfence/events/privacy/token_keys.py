"""The keys that tokens are made with: the newest makes them, and who was known before keeps an older one's.

    value ──► token by the oldest key ──► known? keep it
                   │ no
                   └──► ... by the next key ──► by the newest key

An older key makes no token any more that was not known when it was replaced. So whoever holds that key can
test no guess on anybody who came later, and no feature, list or case loses anybody who came before.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.errors import InputError
from ringfence.events.ids.hashing import hash_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

SHORTEST_KEY: Final = 16
_TOKEN: Final = re.compile(r"(?:pd|tok)_([0-9a-f]{16})[0-9a-f]{16}")
_IN_TEXT: Final = "(pd|tok)_[0-9a-f]{32}"
_MARK_DIGITS: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class TokenKeys:
    """The keys of one store. Immutable, so that any thread may make tokens.

    Attributes:
        keys: oldest first; the last one makes the tokens of whoever is not known.
        first: the key that the store was made with, whether it still makes tokens or not.
        known: marks (`mark`) of all tokens that were known when the newest key took effect, sorted.
        in_state: hashes of ids in the state under `seed`, sorted, where the log alone does not tell who is
            known.
        generation: how many keys have taken effect after the first one.
        version: grows with every change, also of `known`.
    """

    keys: tuple[bytes, ...] = field(repr=False)
    first: bytes = field(repr=False)
    known: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64), repr=False)
    in_state: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    seed: int = field(default=0, repr=False)
    generation: int = 0
    version: int = 0

    def __post_init__(self) -> None:
        for key in self.keys:
            if len(key) < SHORTEST_KEY:
                raise InputError(
                    f"the token key has {len(key)} bytes: use at least {SHORTEST_KEY}, random and secret"
                )

    @classmethod
    def only(cls, key: bytes) -> TokenKeys:
        """The keys of a store that has one."""
        return cls((key,), key)

    def maker(self, prefix: str, purpose: bytes | None = None) -> Callable[[bytes], str]:
        """Makes the token, prefix and 32 hex digits, of a value; `purpose` derives keys of its own.

        >>> TokenKeys.only(b"0123456789abcdef").maker("tok_")(b"4111111111111111")
        'tok_6ab68ca2a9a5093ababdf00856c5692b'
        """
        keys = [key if purpose is None else hmac.digest(key, purpose, "sha256") for key in self.keys]
        *older, newest = keys

        def newest_of(value: bytes) -> str:
            return prefix + hmac.digest(newest, value, "sha256").hex()[:32]

        def made(value: bytes) -> str:
            for key in older:
                token = prefix + hmac.digest(key, value, "sha256").hex()[:32]
                if self.holds(token):
                    return token
            return newest_of(value)

        return made if older else newest_of

    def holds(self, token: str) -> bool:
        """Whether a token was known when the newest key took effect."""
        if _is_in(self.known, np.uint64(mark(token))):
            return True
        return bool(len(self.in_state)) and _is_in(self.in_state, np.int64(hash_text(token, self.seed)))


def mark(token: str) -> int:
    """64 bits of a token, which tell it from all others.

    >>> hex(mark("tok_6ab68ca2a9a5093ababdf00856c5692b"))
    '0x6ab68ca2a9a5093a'
    """
    digits = token.partition("_")[2]
    return int(digits[:_MARK_DIGITS], 16)


def marks_in(columns: Iterable[Any]) -> NDArray[np.uint64]:
    """Marks of all tokens in Arrow columns of text, also within longer texts; sorted, each once."""
    found = [np.zeros(0, np.uint64)]
    for column in columns:
        if not (pa.types.is_string(column.type) or pa.types.is_dictionary(column.type)):
            continue
        texts = pc.unique(column).cast(pa.string()).drop_null()
        texts = texts.filter(pc.match_substring_regex(texts, _IN_TEXT))
        if len(texts):
            digits = "".join(_TOKEN.findall("\n".join(texts.to_pylist())))
            found.append(np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64))
    return np.unique(np.concatenate(found))


def _is_in(values: NDArray[Any], value: Any) -> bool:
    at = int(np.searchsorted(values, value))
    return at < len(values) and bool(values[at] == value)
