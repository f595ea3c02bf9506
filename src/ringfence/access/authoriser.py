"""Recognises callers, and remembers them for a while: five minutes, or until any key changes."""

from __future__ import annotations

import asyncio
import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from ringfence.access.principal import LOCAL, Principal

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.access.keys import ApiKeys
    from ringfence.access.tokens import Tokens

REMEMBERED_SECONDS: Final = 300.0
_MOST_REMEMBERED: Final = 10_000


class Authoriser:
    """`find` by header; None means that the caller is nobody. Without keys and tokens everybody is `LOCAL`.

    Only callers who got in are remembered, under a hash of what they sent. Use it on one event loop.
    """

    def __init__(
        self,
        keys: ApiKeys | None = None,
        tokens: Tokens | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._now = now
        self._remembered: dict[bytes, tuple[Principal, float]] = {}
        self._version = keys.version() if keys else 0

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked who they are."""
        return self._keys is None and self._tokens is None

    def close(self) -> None:
        """Closes the file of keys. Closing twice is allowed."""
        if self._keys is not None:
            self._keys.close()

    def remembered(self, credential: bytes | None) -> Principal | None:
        """The caller, if known already: cheap. Forgets everybody once any key has changed."""
        if self.is_open:
            return LOCAL
        if credential is None:
            return None
        if self._keys is not None and (version := self._keys.version()) != self._version:
            self._remembered.clear()
            self._version = version
        found = self._remembered.get(_digest(credential))
        return found[0] if found and found[1] > self._now() else None

    async def find(self, credential: bytes | None) -> Principal | None:
        """The caller; asks the keys and the tokens off the event loop where it is not known yet."""
        known = self.remembered(credential)
        if known is not None or credential is None:
            return known
        version = self._version
        found = await asyncio.to_thread(self._recognise, credential.decode("latin-1"))
        if found is None:
            return None
        if version == self._version:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[_digest(credential)] = found
        return found[0]

    def _recognise(self, credential: str) -> tuple[Principal, float] | None:
        until = self._now() + REMEMBERED_SECONDS
        if self._keys is not None and (caller := self._keys.recognise(credential)):
            return caller, until
        if self._tokens is not None and (found := self._tokens.recognise(credential)):
            return found[0], min(until, found[1])
        return None


def _digest(credential: bytes) -> bytes:
    return blake2b(credential, digest_size=16).digest()
