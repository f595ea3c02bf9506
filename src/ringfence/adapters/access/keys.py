"""API keys: shown once, kept as keyed hashes, made and revoked while the server runs."""

from __future__ import annotations

import hmac
import secrets
import sqlite3
from contextlib import ExitStack, closing, contextmanager, suppress
from hashlib import blake2b
from threading import Lock
from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.access.keys import FILE_NAME, PREFIX, ApiKey, check_makers
from ringfence.access.restriction import EVERYTHING, Restriction, kept_restriction
from ringfence.access.roles import Role
from ringfence.errors import CorruptError, InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ringfence.access.principal import Principal

_BUSY_SECONDS: Final = 10.0
_NO_HASH: Final = bytes(32)

# One row of meta holds the key of the hashes; a stolen copy of the table alone proves nothing.
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
        return (folder / FILE_NAME).exists()

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._lock = Lock()
        with self._errors():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.touch(mode=0o600)
            self._reader = self._connect()
            with ExitStack() as unless_whole:
                unless_whole.enter_context(closing(self._reader))
                with self._reader as connection:
                    connection.executescript(_SCHEMA)
                    self._complete(connection)
                    connection.execute(
                        "INSERT INTO pepper VALUES (1, ?) ON CONFLICT DO NOTHING", (secrets.token_bytes(32),)
                    )
                (self._pepper,) = self._reader.execute("SELECT value FROM pepper").fetchone()
                unless_whole.pop_all()

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
        key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
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
        with self._lock, self._errors():
            rows = self._reader.execute(f"SELECT {_COLUMNS} FROM api_key ORDER BY created_ms, id")  # noqa: S608 (constants)
            return [_key(row) for row in rows]

    def person(self, author: str | None) -> str:
        """Name of the key that signs as `key:ID`; any other author as it is, None as no text."""
        kind, _, key_id = (author or "").partition(":")
        if kind != "key":
            return author or ""
        with self._lock, self._errors():
            found = self._reader.execute("SELECT name FROM api_key WHERE id = ?", (key_id,)).fetchone()
        return str(found[0] or author) if found else author or ""

    def recognise(self, token: str) -> Principal | None:
        """Who holds this key; None for a key that is unknown, revoked or no key at all."""
        prefix, _, rest = token.partition("_")
        key_id, _, secret = rest.partition("_")
        with self._lock, self._errors():
            found = self._reader.execute(
                f"SELECT hash, {_COLUMNS} FROM api_key WHERE id = ? AND revoked_ms IS NULL",  # noqa: S608 (constants)
                (key_id,),
            ).fetchone()
        same = hmac.compare_digest(found[0] if found else _NO_HASH, self._hash(secret))
        return _key(found[1:]).principal if found and same and prefix == PREFIX else None

    def version(self) -> int:
        """A number that changes whenever any process has changed a key; a few microseconds."""
        with self._lock:
            (number,) = self._reader.execute("PRAGMA data_version").fetchone()
        return int(number)

    def close(self) -> None:
        """Closing twice is allowed."""
        self._reader.close()

    def _hash(self, secret: str) -> bytes:
        return blake2b(secret.encode(), key=self._pepper, digest_size=32).digest()

    @staticmethod
    def _complete(connection: sqlite3.Connection) -> None:
        columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(api_key)")}
        for name, default in _ADDED.items():
            if name not in columns:
                with suppress(sqlite3.OperationalError):  # another process has just done it
                    connection.execute(
                        f"ALTER TABLE api_key ADD COLUMN {name} TEXT NOT NULL DEFAULT {default}"
                    )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, check_same_thread=False)
        with ExitStack() as unless_whole:
            unless_whole.enter_context(closing(connection))
            connection.execute("PRAGMA journal_mode = WAL")
            unless_whole.pop_all()
        return connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own: `version` of the reading one then notices."""
        with self._errors():
            connection = self._connect()
            try:
                with connection:
                    yield connection
            finally:
                connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:  # of the place, or of tables that are not ours
            raise StoreError(
                f"{self._path}: {error}. Give this user the right to write it and its folder; if it is no "
                "file of keys, move it away"
            ) from error
        except (sqlite3.Error, TypeError, ValueError) as error:
            raise CorruptError(
                f"{self._path} is damaged ({error}): put the copy of a backup in its place, or move it away "
                "and make new keys (`ringfence keys create`)"
            ) from error
        except OSError as error:
            raise StoreError(
                f"{self._path}: {error.strerror}. Give this user the right to write it and its folder"
            ) from error


def _key(row: tuple[str, str, str, float, float, int, int | None, str, str]) -> ApiKey:
    key_id, name, roles, rate, burst, created_ms, revoked_ms, restriction, made_by = row
    known, narrowed = frozenset(map(Role, roles.split())), kept_restriction(restriction.split())
    makers = msgspec.json.decode(made_by, type=tuple[str, ...])
    return ApiKey(key_id, name, known, rate, burst, created_ms, revoked_ms, narrowed, makers)
