"""Who a store is, and its secrets: made once, when it is opened for the first time."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ringfence.adapters.sqlite.statements import SQL
from ringfence.errors import StoreError

if TYPE_CHECKING:
    from ringfence.adapters.sqlite.database import Database


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
    """The store's meta values, made first where the store is new."""
    found = dict(database.fetch("meta"))
    if not found and not database.read_only:
        with database.transaction() as connection:
            connection.executemany(SQL["set_meta"], [{"name": k, "value": v} for k, v in _new().items()])
        found = dict(database.fetch("meta"))
    try:
        return Meta(
            found["store_id"].decode(),
            int(found["created_ms"].decode()),
            int.from_bytes(found["hash_seed"]),
            found["token_key"],
        )
    except KeyError as error:
        raise StoreError(
            f"{database.path} lacks its {error.args[0]}: the process that made it was stopped; run it again"
        ) from None


def _new() -> dict[str, bytes]:
    return {
        "store_id": secrets.token_hex(8).encode(),
        "created_ms": str(time.time_ns() // 1_000_000).encode(),
        "hash_seed": secrets.randbits(63).to_bytes(8),
        "token_key": secrets.token_bytes(32),
    }
