"""API keys in memory: the first to sit the exam, and enough for tests."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING

from ringfence.access.keys import PREFIX, ApiKey, check_makers
from ringfence.access.restriction import EVERYTHING, Restriction
from ringfence.errors import InputError
from ringfence.masking import lettered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.access.principal import Principal
    from ringfence.access.roles import Role


@dataclass
class MemoryKeyRing:
    """What several `MemoryKeys` share, as processes share a file."""

    keys: dict[str, tuple[ApiKey, bytes]] = field(default_factory=dict)  # with hashes, by id
    changes: int = 0


class MemoryKeys:
    """`ringfence.access.key_store.KeyStore` in memory.

    >>> keys = MemoryKeys()
    >>> token = keys.create("till", frozenset(), 1)
    >>> keys.recognise(token).name == f"key:{keys.all()[0].id}", keys.recognise(token + "x")
    (True, None)
    """

    def __init__(self, ring: MemoryKeyRing | None = None) -> None:
        self._ring = ring or MemoryKeyRing()

    def create(
        self,
        name: str,
        roles: frozenset[Role],
        now_ms: int,
        *,
        rate: float = 0.0,
        burst: float = 0.0,
        restriction: Restriction = EVERYTHING,
        made_by: Sequence[str] = (),
    ) -> str:
        check_makers(made_by)
        key_id, secret = lettered(secrets.token_hex(4)), secrets.token_urlsafe(32)
        key = ApiKey(key_id, name, roles, rate, burst or rate, now_ms, None, restriction, tuple(made_by))
        self._put(key, _hash(secret))
        return f"{PREFIX}_{key_id}_{secret}"

    def change(self, key_id: str, roles: frozenset[Role], restriction: Restriction) -> None:
        key, kept = self._ring.keys.get(key_id, (None, b""))
        if key is None or key.revoked_ms is not None:
            raise InputError(f"no key {key_id!r} is in force: list them")
        self._put(replace(key, roles=roles, restriction=restriction), kept)

    def revoke(self, key_id: str, now_ms: int) -> None:
        if key_id not in self._ring.keys:
            raise InputError(f"there is no key {key_id!r}: list them")
        key, kept = self._ring.keys[key_id]
        self._put(replace(key, revoked_ms=key.revoked_ms or now_ms), kept)

    def all(self) -> list[ApiKey]:
        return sorted((key for key, _ in self._ring.keys.values()), key=lambda key: (key.created_ms, key.id))

    def person(self, author: str | None) -> str:
        kind, _, key_id = (author or "").partition(":")
        found = self._ring.keys.get(key_id) if kind == "key" else None
        return (found[0].name if found else "") or author or ""

    def recognise(self, token: str) -> Principal | None:
        prefix, _, rest = token.partition("_")
        key_id, _, secret = rest.partition("_")
        key, kept = self._ring.keys.get(key_id, (None, b""))
        same = secrets.compare_digest(kept, _hash(secret))
        return key.principal if key and same and prefix == PREFIX and key.revoked_ms is None else None

    def version(self) -> int:
        return self._ring.changes

    def close(self) -> None:
        """There is nothing to release."""

    def _put(self, key: ApiKey, kept: bytes) -> None:
        self._ring.keys[key.id] = key, kept
        self._ring.changes += 1


def _hash(secret: str) -> bytes:
    return blake2b(secret.encode()).digest()
