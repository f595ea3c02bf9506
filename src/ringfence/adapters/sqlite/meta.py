"""Who a store is, and its secrets: made once, when it is opened for the first time."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from ringfence.adapters.sqlite.soundness import RESTORE
from ringfence.adapters.sqlite.statements import SQL
from ringfence.errors import CorruptError
from ringfence.masking import lettered

if TYPE_CHECKING:
    from ringfence.adapters.sqlite.database import Database

_IDENTITY: Final = ("store_id", "created_ms", "hash_seed", "token_key")
_SEAL: Final = "seal"


RESERVED: Final = frozenset((*_IDENTITY, _SEAL))
"""Names of what a store is: nothing else may be kept under them."""


@dataclass(frozen=True, slots=True)
class Meta:
    """Identity and secrets; the secrets stay out of its repr.

    `hash_seed` (63 bits) keys the engine's hashes of ids, `token_key` (32 bytes) the tokens of card numbers.
    """

    store_id: str
    created_ms: int
    hash_seed: int = field(repr=False)
    token_key: bytes = field(repr=False)


def load_meta(database: Database) -> Meta:
    """The store's meta values, made first where the store is new; `CorruptError` where they have changed."""
    found = dict(database.fetch("meta"))
    if not found and not database.read_only and not database.fetch("topics"):
        with database.transaction() as connection:
            connection.executemany(SQL["set_meta"], [{"name": k, "value": v} for k, v in _new().items()])
        found = dict(database.fetch("meta"))
    missing = [name for name in _IDENTITY if name not in found]
    if missing:
        raise CorruptError(f"{database.path} lacks its {missing[0]}: {RESTORE}")
    seal = _seal(found)
    if _SEAL not in found and not database.read_only:  # of before identities were sealed
        with database.transaction() as connection:
            connection.execute(SQL["set_meta"], {"name": _SEAL, "value": seal})
    if found.get(_SEAL, seal) != seal:
        raise CorruptError(
            f"the identity or the secrets in {database.path} have changed: ids and cards would no longer be "
            f"known again. {RESTORE}"
        )
    try:
        return Meta(
            found["store_id"].decode(),
            int(found["created_ms"].decode()),
            int.from_bytes(found["hash_seed"]),
            found["token_key"],
        )
    except ValueError as error:
        raise CorruptError(f"the identity in {database.path} makes no sense ({error}). {RESTORE}") from None


def _seal(found: dict[str, bytes]) -> bytes:
    """Tells whether the identity has changed; keyed with the secret that it covers, it gives away nothing."""
    digest = blake2b(key=found["token_key"][:64], digest_size=16)
    for name in _IDENTITY:
        digest.update(found[name] + b"|")
    return digest.digest()


def _new() -> dict[str, bytes]:
    made = {
        "store_id": lettered(secrets.token_hex(8)).encode(),
        "created_ms": str(time.time_ns() // 1_000_000).encode(),
        "hash_seed": secrets.randbits(63).to_bytes(8),
        "token_key": secrets.token_bytes(32),
    }
    return made | {_SEAL: _seal(made)}
