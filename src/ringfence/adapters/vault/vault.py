"""`ringfence.ports.vault.Vault` in SQLite: AES-256-GCM under keys of persons, wrapped by a master key."""

from __future__ import annotations

import secrets
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ringfence.adapters.sqlite.shared_file import SharedFile
from ringfence.adapters.vault import lifetimes
from ringfence.errors import CorruptError, InputError
from ringfence.events.personal_names import PersonalClass
from ringfence.ports.vault import Erased, Held, LegalHold, UnderHoldError
from ringfence.store import VAULT

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from ringfence.adapters.vault.keyring import Keyring
    from ringfence.events.privacy.personal import Original

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
_NONCE_BYTES: Final = 12
_KEY_BITS: Final = 256
_WRAPPED_AT_ONCE: Final = 1000  # keys of one transaction of a rotation: nobody waits long
_MARK: Final = b"ringfence vault"
_HOLDS: Final = "SELECT person, reason, by, since_ms FROM hold ORDER BY since_ms"
_FORGET: Final = "DELETE FROM original WHERE person IN (SELECT value FROM json_each(?))"
_FORGET_KEYS: Final = "DELETE FROM person WHERE token IN (SELECT value FROM json_each(?))"
_FORGET_FACTS: Final = tuple(
    f"DELETE FROM {table} WHERE person IN (SELECT value FROM json_each(?))"  # noqa: S608 (constants)
    for table in ("stood", "named")
)
_FACTS: Final = (
    "coalesce((SELECT at_ms FROM named n WHERE n.person = o.person), seen_ms), "
    "(SELECT json_group_array(field) FROM stood s WHERE s.person = o.person AND s.token = o.token)"
)
_HOLDERS: Final = """
SELECT token, person FROM original WHERE token IN (SELECT value FROM json_each(?1))
UNION SELECT token, person FROM erasing WHERE token IN (SELECT value FROM json_each(?1))
"""
_EXPIRES: Final = (
    "kind IN (SELECT value FROM json_each(?)) AND seen_ms < ? "
    "AND person NOT IN (SELECT person FROM hold UNION SELECT value FROM json_each(?))"
)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS vault (
  id INTEGER PRIMARY KEY CHECK (id = 1), store TEXT NOT NULL, master TEXT NOT NULL, mark BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS person (
  token TEXT PRIMARY KEY, master TEXT NOT NULL, wrapped BLOB NOT NULL, made_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS person_master ON person (master);
CREATE TABLE IF NOT EXISTS original (
  person  TEXT NOT NULL,
  token   TEXT NOT NULL,
  kind    TEXT NOT NULL,
  sealed  BLOB NOT NULL,
  seen_ms INTEGER NOT NULL,
  PRIMARY KEY (person, token)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS original_token ON original (token);
CREATE INDEX IF NOT EXISTS original_kind ON original (kind, seen_ms);
CREATE TABLE IF NOT EXISTS hold (
  person TEXT PRIMARY KEY, reason TEXT NOT NULL, by TEXT NOT NULL, since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erased (
  person TEXT NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL, at_ms INTEGER NOT NULL,
  PRIMARY KEY (person, at_ms)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erasing (  -- whose keys are gone, and whose traces elsewhere may not be yet
  person TEXT NOT NULL, token TEXT NOT NULL, PRIMARY KEY (person, token)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS erasing_token ON erasing (token);
CREATE TABLE IF NOT EXISTS shown (actor TEXT NOT NULL, token TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS shown_actor ON shown (actor, at_ms);
"""


def has_vault(folder: Path) -> bool:
    """Whether a data folder has a vault."""
    return (folder / VAULT).exists()


class SqliteVault:
    """The vault of one data folder.

    Deleted rows are overwritten, and after an erasure the write-ahead log is emptied: no key stays behind in
    a free page. `InputError` where it is another installation's, or `keys` are not those that sealed it.
    """

    def __init__(self, folder: Path, store_id: str, keys: Keyring, *, create: bool = False) -> None:
        """With `create` a new one; `InputError` where there is one, and otherwise where there is none."""
        self.path = folder / VAULT
        self._keys = keys
        self._store_id = store_id
        if has_vault(folder) == create:
            raise InputError(_there(self.path) if create else _missing(self.path))
        self._file = SharedFile(self.path, _SCHEMA + lifetimes.SCHEMA, ("secure_delete = ON",))
        if create:
            row = (store_id, keys.newest, keys.wrap(keys.newest, _MARK, store_id))
            with self._file.transaction() as connection:
                connection.execute("INSERT INTO vault VALUES (1, ?, ?, ?)", row)
        try:
            self._check()
            self._destroy_again()
        except BaseException:
            self.close()
            raise

    def _check(self) -> None:
        rows = self._file.rows("SELECT store, master, mark FROM vault")
        if not rows:
            raise CorruptError(f"{self.path} is damaged: it does not say whose it is. {_REMEDY}")
        store, master, mark = rows[0]
        if store != self._store_id:
            raise InputError(
                f"{self.path} belongs to another installation (store {store[:16]}, this one is "
                f"{self._store_id[:16]}): put this one's own back"
            )
        self._keys.unwrap(master, mark, store)

    def _destroy_again(self) -> None:
        """Whom an older copy of this file brought back."""
        text = "SELECT token, made_ms FROM person WHERE token IN (SELECT value FROM json_each(?))"
        erased = self._keys.erased
        gone = [token for token, made_ms in self._file.rows(text, _json(erased)) if made_ms <= erased[token]]
        if gone:
            with self._file.transaction() as connection:
                _delete(connection, gone)
            self._file.empty_log()

    def changes(self) -> int:
        """A number that another one follows once another process has changed the file."""
        return int(self._file.rows("PRAGMA data_version")[0][0])

    def put(self, originals: Sequence[Original], now_ms: int) -> int:
        """See `Vault.put`."""
        added = 0
        with self._file.transaction() as connection:
            ciphers: dict[str, AESGCM] = {}
            for one in originals:
                lifetimes.note_field(connection, one)
                there = "SELECT 1 FROM original WHERE person = ? AND token = ?"
                if connection.execute(there, (one.person, one.token)).fetchone():
                    continue
                if one.person not in ciphers:
                    ciphers[one.person] = self._cipher(connection, one.person, now_ms)
                sealed = _seal(ciphers[one.person], one.value, f"{one.person} {one.token}")
                row = (one.person, one.token, one.kind.value, sealed, now_ms)
                connection.execute("INSERT INTO original VALUES (?, ?, ?, ?, ?)", row)
                added += 1
        return added

    def _cipher(self, connection: sqlite3.Connection, person: str, now_ms: int | None = None) -> AESGCM:
        """A person's; made where there is none and `now_ms` says when."""
        row = connection.execute("SELECT master, wrapped FROM person WHERE token = ?", (person,)).fetchone()
        if row is not None:
            return AESGCM(self._keys.unwrap(row[0], row[1], person))
        if now_ms is None:
            raise CorruptError(f"{self.path} is damaged: a person's key is missing. {_REMEDY}")
        key = AESGCM.generate_key(_KEY_BITS)
        (master,) = connection.execute("SELECT master FROM vault").fetchone()  # as of the last rotation
        row = (person, master, self._keys.wrap(master, key, person), now_ms)
        connection.execute("INSERT INTO person VALUES (?, ?, ?, ?)", row)
        return AESGCM(key)

    def of_persons(self, persons: Collection[str]) -> list[Held]:
        """See `Vault.of_persons`."""
        return self._opened(
            "person IN (SELECT value FROM json_each(?)) ORDER BY person, kind, token", persons
        )

    def of_token(self, token: str) -> Held | None:
        """See `Vault.of_token`."""
        found = self._opened("token IN (SELECT value FROM json_each(?)) LIMIT 1", [token])
        return found[0] if found else None

    def _opened(self, where: str, names: Collection[str]) -> list[Held]:
        text = f"SELECT person, token, kind, sealed, seen_ms, {_FACTS} FROM original o WHERE {where}"  # noqa: S608 (constants)
        with self._file.reading() as connection:
            rows = connection.execute(text, (_json(names),)).fetchall()
            ciphers = {person: self._cipher(connection, person) for person in {row[0] for row in rows}}
        return [
            Held(
                person=person, token=token, kind=PersonalClass(kind), seen_ms=seen_ms, last_ms=last_ms,
                fields=tuple(sorted(msgspec.json.decode(fields))),
                value=self._open(ciphers[person], sealed, f"{person} {token}"),
            )
            for person, token, kind, sealed, seen_ms, last_ms, fields in rows
        ]  # fmt: skip

    def _open(self, cipher: AESGCM, sealed: bytes, about: str) -> str:
        try:
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about.encode()).decode()
        except InvalidTag:
            raise CorruptError(f"{self.path} is damaged: an original does not open. {_REMEDY}") from None

    def holders(self, tokens: Collection[str]) -> dict[str, frozenset[str]]:
        """See `Vault.holders`."""
        found: dict[str, set[str]] = {}
        for token, person in self._file.rows(_HOLDERS, _json(tokens)):
            found.setdefault(token, set()).add(person)
        return {token: frozenset(persons) for token, persons in found.items()}

    def destroy(self, persons: Collection[str], erased: Erased, concerned: Collection[str] = ()) -> int:
        """See `Vault.destroy`."""
        with self._file.transaction() as connection:  # one writer of the file of keys at a time
            for row in connection.execute(_HOLDS).fetchall():
                if row[0] in concerned:
                    raise UnderHoldError(_hold(row))
            self._keys.reload()
            self._keys.note_erased(dict.fromkeys(persons, erased.at_ms))
            count = _delete(connection, persons)
            row = (erased.person, erased.by, erased.reason, erased.at_ms)
            connection.execute("INSERT OR REPLACE INTO erased VALUES (?, ?, ?, ?)", row)
            rows = [(erased.person, token) for token in persons]
            connection.executemany("INSERT OR IGNORE INTO erasing VALUES (?, ?)", rows)
        self._file.empty_log()
        return count

    def erasing(self, person: str) -> frozenset[str]:
        """See `Vault.erasing`."""
        rows = self._file.rows("SELECT token FROM erasing WHERE person = ?", person)
        return frozenset(token for (token,) in rows)

    def finish(self, person: str) -> None:
        """See `Vault.finish`."""
        with self._file.transaction() as connection:
            connection.execute("DELETE FROM erasing WHERE person = ?", (person,))
        self._file.empty_log()

    def holds(self) -> list[LegalHold]:
        """See `Vault.holds`."""
        return [_hold(row) for row in self._file.rows(_HOLDS)]

    def hold(self, hold: LegalHold) -> None:
        """See `Vault.hold`."""
        row = (hold.person, hold.reason, hold.by, hold.since_ms)
        with self._file.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO hold VALUES (?, ?, ?, ?)", row)

    def release(self, person: str) -> bool:
        """See `Vault.release`."""
        with self._file.transaction() as connection:
            return connection.execute("DELETE FROM hold WHERE person = ?", (person,)).rowcount > 0

    def erasures(self, persons: Collection[str]) -> list[Erased]:
        """See `Vault.erasures`."""
        text = (
            "SELECT person, by, reason, at_ms FROM erased WHERE person IN (SELECT value FROM json_each(?)) "
            "ORDER BY at_ms DESC"
        )
        return [
            Erased(person=person, by=by, reason=reason, at_ms=at_ms)
            for person, by, reason, at_ms in self._file.rows(text, _json(persons))
        ]

    def let_see(
        self, actor: str, tokens: Collection[str], now_ms: int, an_hour: int, a_day: int | None = None
    ) -> bool:
        """See `Vault.let_see`."""
        text = (
            "SELECT count(DISTINCT token) FROM shown WHERE actor = ? AND at_ms > ? "
            "AND token NOT IN (SELECT value FROM json_each(?))"
        )
        with self._file.transaction() as connection:
            connection.execute("DELETE FROM shown WHERE at_ms <= ?", (now_ms - DAY_MS,))
            (seen,) = connection.execute(text, (actor, now_ms - HOUR_MS, _json(tokens))).fetchone()
            if seen >= an_hour:
                raise InputError(
                    f"{actor} has been shown {seen} originals within an hour, and {an_hour} are allowed "
                    "(reveals_per_hour): wait, or have somebody else look"
                )
            (seen,) = connection.execute(text, (actor, now_ms - DAY_MS, _json(tokens))).fetchone()
            if a_day is not None and seen + len(tokens) > a_day:
                return False
            rows = [(actor, token, now_ms) for token in tokens]
            connection.executemany("INSERT INTO shown VALUES (?, ?, ?)", rows)
        return True

    def rotate(self, *, forget: bool = False) -> tuple[str, int]:
        """See `Vault.rotate`."""
        with self._file.transaction() as connection:
            self._keys.reload()
            name, count = self._keys.add(), 0
            mark = self._keys.wrap(name, _MARK, self._store_id)
            connection.execute("UPDATE vault SET master = ?, mark = ?", (name, mark))
        while fresh := self._wrapped_anew(name):
            count += fresh
        self._file.empty_log()
        if forget:
            with self._file.transaction():
                self._keys.reload()
                self._keys.keep_only(name)
        return name, count

    def _wrapped_anew(self, name: str) -> int:
        """Some keys that another master key wraps, wrapped by this one; how many, 0 where none is left."""
        with self._file.transaction() as connection:
            text = "SELECT token, master, wrapped FROM person WHERE master <> ? LIMIT ?"
            rows = connection.execute(text, (name, _WRAPPED_AT_ONCE)).fetchall()
            fresh = [
                (name, self._keys.wrap(name, self._keys.unwrap(master, wrapped, token), token), token)
                for token, master, wrapped in rows
            ]
            connection.executemany("UPDATE person SET master = ?, wrapped = ? WHERE token = ?", fresh)
        return len(fresh)

    def expiring(
        self, kinds: Collection[PersonalClass], before_ms: int, kept: Collection[str] = ()
    ) -> tuple[int, int]:
        """See `Vault.expiring`."""
        text = f"SELECT count(*), count(DISTINCT person) FROM original WHERE {_EXPIRES}"  # noqa: S608 (a constant)
        ((originals, persons),) = self._file.rows(text, *_expiring(kinds, before_ms, kept))
        return originals, persons

    def expire(self, kinds: Collection[PersonalClass], before_ms: int, kept: Collection[str] = ()) -> int:
        """See `Vault.expire`."""
        with self._file.transaction() as connection:
            count = connection.execute(
                f"DELETE FROM original WHERE {_EXPIRES}",  # noqa: S608 (a constant)
                _expiring(kinds, before_ms, kept),
            ).rowcount
            lifetimes.clear(connection)
        self._file.empty_log()
        return count

    def note_events(self, last_ms: Mapping[str, int]) -> None:
        """See `Vault.note_events`."""
        lifetimes.note_events(self._file, last_ms)

    def fields(self) -> frozenset[str]:
        """See `Vault.fields`."""
        return lifetimes.fields(self._file)

    def outlive(
        self, before_ms: Mapping[str, int], kept: Collection[str] = (), *, dry: bool = False
    ) -> Counter[str]:
        """See `Vault.outlive`."""
        found = lifetimes.outlived(self._file, before_ms, kept)
        return Counter([part for *_, part in found] if dry else lifetimes.forget(self._file, found))

    def close(self) -> None:
        """See `Vault.close`."""
        self._file.close()


_REMEDY: Final = (
    "Restore it from a backup (`ringfence restore`); or move it away and begin an empty one with "
    "`ringfence privacy init`: tokens stay, and originals are kept from then on"
)


def _missing(path: Path) -> str:
    return f"{path} is missing, and with it the originals of personal data. {_REMEDY}"


def _there(path: Path) -> str:
    return f"{path} is there already: nothing is overwritten"


def _delete(connection: sqlite3.Connection, persons: Collection[str]) -> int:
    """Keys of persons and all that they sealed; how many originals."""
    names = (_json(persons),)
    count = connection.execute(_FORGET, names).rowcount
    for statement in (_FORGET_KEYS, *_FORGET_FACTS):
        connection.execute(statement, names)
    return count


def _hold(row: tuple[str, str, str, int]) -> LegalHold:
    person, reason, by, since_ms = row
    return LegalHold(person=person, reason=reason, by=by, since_ms=since_ms)


def _seal(cipher: AESGCM, value: str, about: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, value.encode(), about.encode())


def _expiring(
    kinds: Collection[PersonalClass], before_ms: int, kept: Collection[str]
) -> tuple[str, int, str]:
    """The values in `_EXPIRES`."""
    return _json([kind.value for kind in kinds]), before_ms, _json(kept)


def _json(names: Collection[str]) -> str:
    return msgspec.json.encode(list(names)).decode()
