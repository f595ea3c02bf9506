"""API keys: shown once, kept as keyed hashes, made and revoked while the server runs."""

from __future__ import annotations

import hmac
import secrets
from contextlib import closing, contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.access.keys import PREFIX, ApiKey, check_makers
from ringfence.access.restriction import EVERYTHING, Restriction, kept_restriction
from ringfence.access.roles import Role
from ringfence.adapters.sqlite.opening import closed_if_it_raises
from ringfence.adapters.sqlite.shared_file import SharedFile
from ringfence.errors import CorruptError, InputError
from ringfence.masking import lettered
from ringfence.store import KEYS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ringfence.access.principal import Principal

IF_DAMAGED: Final = (
    "put the copy of a backup in its place, or move it away and make new keys (`ringfence keys create`)"
)
_NO_HASH: Final = bytes(32)

# The one row of pepper holds the key of the hashes; a stolen copy of the table alone proves nothing.
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS pepper (id INTEGER PRIMARY KEY CHECK (id = 1), value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS api_key (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  hash       BLOB NOT NULL,
  roles      TEXT NOT NULL,
  rate       REAL NOT NULL,
  burst      REAL NOT NULL,
  created_ms INTEGER NOT NULL,
  revoked_ms INTEGER,
  restriction TEXT NOT NULL DEFAULT '',
  made_by    TEXT NOT NULL DEFAULT '[]'
) STRICT;
"""
_ADDED: Final = {
    "restriction": "''",
    "made_by": "'[]'",
}  # columns that files of before have not, and defaults
_COLUMNS: Final = "id, name, roles, rate, burst, created_ms, revoked_ms, restriction, made_by"


class ApiKeys:
    """`ringfence.access.key_store.KeyStore` in a file that several processes may change."""

    @staticmethod
    def are_in(folder: Path) -> bool:
        """Whether keys have ever been made in a data folder."""
        return (folder / KEYS).exists()

    def __init__(self, folder: Path) -> None:
        self._path = folder / KEYS
        self._file = SharedFile(self._path, _SCHEMA, if_damaged=IF_DAMAGED)
        with closed_if_it_raises(self._file):
            with self._file.transaction() as connection:
                _complete(connection)
                connection.execute(
                    "INSERT INTO pepper VALUES (1, ?) ON CONFLICT DO NOTHING", (secrets.token_bytes(32),)
                )
            ((self._pepper,),) = self._file.rows("SELECT value FROM pepper")

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
        """A new key, whole: this is the only time that it can be seen. `InputError` after too many makers."""
        check_makers(made_by)
        key_id, secret = lettered(secrets.token_hex(4)), secrets.token_urlsafe(32)
        makers = msgspec.json.encode(made_by).decode()
        known = (" ".join(sorted(roles)), rate, burst or rate, now_ms, None, restriction.text(), makers)
        with self._writing() as connection:
            connection.execute(
                f"INSERT INTO api_key ({_COLUMNS}, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 (constants)
                (key_id, name, *known, self._hash(secret)),
            )
        return f"{PREFIX}_{key_id}_{secret}"

    def change(self, key_id: str, roles: frozenset[Role], restriction: Restriction) -> None:
        """What a key permits from now on; `InputError` where there is none in force."""
        with self._writing() as connection:
            changed = connection.execute(
                "UPDATE api_key SET roles = ?, restriction = ? WHERE id = ? AND revoked_ms IS NULL",
                (" ".join(sorted(roles)), restriction.text(), key_id),
            ).rowcount
        if not changed:
            raise InputError(f"no key {key_id!r} is in force: `ringfence keys list` shows them")

    def revoke(self, key_id: str, now_ms: int) -> None:
        """From now on nobody gets in with this key; `InputError` where there is none."""
        with self._writing() as connection:
            changed = connection.execute(
                "UPDATE api_key SET revoked_ms = coalesce(revoked_ms, ?) WHERE id = ?", (now_ms, key_id)
            ).rowcount
        if not changed:
            raise InputError(f"there is no key {key_id!r}: `ringfence keys list` shows them")

    def all(self) -> list[ApiKey]:
        """Every key there has been, oldest first."""
        rows = self._file.rows(f"SELECT {_COLUMNS} FROM api_key ORDER BY created_ms, id")  # noqa: S608 (constants)
        return [self._key(row) for row in rows]

    def person(self, author: str | None) -> str:
        """Name of the key that signs as `key:ID`; any other author as it is, None as no text."""
        kind, _, key_id = (author or "").partition(":")
        if kind != "key":
            return author or ""
        found = self._file.rows("SELECT name FROM api_key WHERE id = ?", key_id)
        return str(found[0][0] or author) if found else author or ""

    def recognise(self, token: str) -> Principal | None:
        """Who holds this key; None for a key that is unknown, revoked or no key at all."""
        prefix, _, rest = token.partition("_")
        key_id, _, secret = rest.partition("_")
        found = self._file.rows(
            f"SELECT hash, {_COLUMNS} FROM api_key WHERE id = ? AND revoked_ms IS NULL",  # noqa: S608 (constants)
            key_id,
        )
        same = hmac.compare_digest(found[0][0] if found else _NO_HASH, self._hash(secret))
        return self._key(found[0][1:]).principal if found and same and prefix == PREFIX else None

    def version(self) -> int:
        """A number that changes whenever any process has changed a key; a few microseconds."""
        ((number,),) = self._file.rows("PRAGMA data_version")
        return int(number)

    def close(self) -> None:
        """Closing twice is allowed."""
        self._file.close()

    def _hash(self, secret: str) -> bytes:
        return blake2b(secret.encode(), key=self._pepper, digest_size=32).digest()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own: `version` of the reading one then notices."""
        with (
            closing(SharedFile(self._path, "", if_damaged=IF_DAMAGED)) as file,
            file.transaction() as connection,
        ):
            yield connection

    def _key(self, row: tuple[Any, ...]) -> ApiKey:
        try:
            return _key(row)
        except (TypeError, ValueError) as error:
            raise CorruptError(f"{self._path} is damaged ({error}): {IF_DAMAGED}") from error


def _complete(connection: sqlite3.Connection) -> None:
    columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(api_key)")}
    for name, default in _ADDED.items():
        if name not in columns:
            connection.execute(f"ALTER TABLE api_key ADD COLUMN {name} TEXT NOT NULL DEFAULT {default}")


def _key(row: tuple[str, str, str, float, float, int, int | None, str, str]) -> ApiKey:
    key_id, name, roles, rate, burst, created_ms, revoked_ms, restriction, made_by = row
    known, narrowed = frozenset(map(Role, roles.split())), kept_restriction(restriction.split())
    makers = msgspec.json.decode(made_by, type=tuple[str, ...])
    return ApiKey(key_id, name, known, rate, burst, created_ms, revoked_ms, narrowed, makers)
