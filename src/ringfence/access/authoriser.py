"""Recognises callers, and remembers them for a while: five minutes, or until any key changes."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from ringfence.access.keys import PREFIX
from ringfence.access.principal import LOCAL, Principal
from ringfence.errors import RingfenceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.access.key_store import KeyStore
    from ringfence.access.tokens import Tokens

REMEMBERED_SECONDS: Final = 300.0
TOKEN_SECONDS: Final = 60.0
"""How long a token's caller is remembered: its signing key may be taken back."""

UNKNOWN_SECONDS: Final = 10.0
"""How long what proved nothing is remembered: who tries again and again costs next to nothing."""

_MOST_REMEMBERED: Final = 10_000
_LONGEST: Final = 8192  # of a credential
_MOST_ASKED: Final = 256  # credentials that are looked up at once
_PATIENCE_SECONDS: Final = 10.0


class BusyError(RingfenceError):
    """Too many callers that nobody knows yet ask at once, or the keys take too long to tell."""

    def __init__(self) -> None:
        super().__init__("too many callers are being looked up: try again in a moment")


class Authoriser:
    """`find` by header; None means that the caller is nobody. Without keys and tokens everybody is `LOCAL`.

    Callers are remembered under a hash of what they sent. Keys and tokens are looked up on threads of their
    own, apart from each other: nobody waits for other work, nor for a key set that is slow. Use it on one
    event loop.
    """

    def __init__(
        self,
        keys: KeyStore | None = None,
        tokens: Tokens | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._now = now
        self._remembered: dict[bytes, tuple[Principal | None, float]] = {}
        self._version = self._versions()
        self._of_keys = ThreadPoolExecutor(2, "ringfence-keys")
        self._of_tokens = ThreadPoolExecutor(2, "ringfence-tokens")
        self._asked = 0

    @property
    def keys(self) -> KeyStore | None:
        """Where keys are kept, None where nobody is asked for one."""
        return self._keys

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked who they are."""
        return self._keys is None and self._tokens is None

    def close(self) -> None:
        """Closes the file of keys. Closing twice is allowed."""
        self._of_keys.shutdown()
        self._of_tokens.shutdown(wait=False, cancel_futures=True)
        if self._keys is not None:
            self._keys.close()

    def person(self, author: str | None) -> str:
        """The name of the key that signed something; of any other author what was signed, of None nothing."""
        return self._keys.person(author) if self._keys else author or ""

    def remembered(self, credential: bytes | None) -> Principal | None:
        """The caller, if known already: cheap. Forgets everybody once any key has changed."""
        if self.is_open:
            return LOCAL
        if credential is None:
            return None
        found = self._known(_digest(credential))
        return found[0] if found else None

    async def find(self, credential: bytes | None) -> Principal | None:
        """The caller; asks the keys and the tokens off the event loop where it is not known yet.

        `BusyError` where that would take too long.
        """
        if self.is_open:
            return LOCAL
        if credential is None or len(credential) > _LONGEST:
            return None
        digest = _digest(credential)
        known = self._known(digest)
        if known is not None:
            return known[0]
        version = self._version
        found = await self._look_up(credential)
        if version == self._version == self._versions():
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._make_room()
            self._remembered[digest] = found
        return found[0]

    def _known(self, digest: bytes) -> tuple[Principal | None, float] | None:
        """What is remembered of a credential, which may be that it is nobody's."""
        version = self._versions()
        if version != self._version:
            self._remembered.clear()
            self._version = version
        found = self._remembered.get(digest)
        return found if found and found[1] > self._now() else None

    def _versions(self) -> tuple[int, int]:
        return (
            self._keys.version() if self._keys else 0,
            self._tokens.version if self._tokens else 0,
        )

    def _make_room(self) -> None:
        """Nobodies go first: they must not drive out those who got in."""
        self._remembered = {digest: one for digest, one in self._remembered.items() if one[0] is not None}
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()

    async def _look_up(self, credential: bytes) -> tuple[Principal | None, float]:
        if self._asked >= _MOST_ASKED:
            raise BusyError
        is_key = self._tokens is None or credential.startswith(PREFIX.encode() + b"_")
        loop, text = asyncio.get_running_loop(), credential.decode("latin-1")
        self._asked += 1
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                if is_key:
                    return await loop.run_in_executor(self._of_keys, self._by_key, text)
                return await loop.run_in_executor(self._of_tokens, self._by_token, text)
        except TimeoutError:
            raise BusyError from None
        finally:
            self._asked -= 1

    def _by_key(self, text: str) -> tuple[Principal | None, float]:
        caller = self._keys.recognise(text) if self._keys is not None else None
        return caller, self._now() + (UNKNOWN_SECONDS if caller is None else REMEMBERED_SECONDS)

    def _by_token(self, text: str) -> tuple[Principal | None, float]:
        found = self._tokens.recognise(text) if self._tokens is not None else None
        if found is None:
            return None, self._now() + UNKNOWN_SECONDS
        return found[0], min(self._now() + TOKEN_SECONDS, found[1])


def _digest(credential: bytes) -> bytes:
    return blake2b(credential, digest_size=16).digest()
