"""The keys of tokens after a store's own, and who was known when each took effect: one file, sealed.

A key is made, and waits; the writer of the log has it take effect, together with the marks of all who were
known by then. Each step is one transaction, so that a crash leaves the key of before or the new one.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ringfence.adapters.sqlite.shared_file import SharedFile
from ringfence.errors import CorruptError, InputError
from ringfence.events.privacy.token_keys import TokenKeys
from ringfence.ports.token_keys import TokenKey
from ringfence.store import TOKENS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from ringfence.store import Identity

MOST_KEYS: Final = 8
"""Token keys that are live at once: each older one costs every new value another hash."""

MOST_KNOWN: Final = 1 << 28
"""Marks that are kept: 2 GiB in the memory of each process."""

_KEY_BYTES: Final = 32
_PIECE: Final = 1 << 20  # marks of one row
_REMEDY: Final = (
    "Restore the folder from a backup (`ringfence restore`), or put your copy of the file back. Without it "
    "nobody who was known before would be known again, so nothing is decided"
)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS about (
  id INTEGER PRIMARY KEY CHECK (id = 1), store TEXT NOT NULL, version INTEGER NOT NULL, seal BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS token_key (  -- number 0 is the store's own, whose key stands in its log
  number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, key BLOB NOT NULL, made_ms INTEGER NOT NULL,
  since_offset INTEGER, since_ms INTEGER, forgotten_ms INTEGER, gathered INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS known (  -- marks of the tokens that a key has made, sorted
  number INTEGER PRIMARY KEY, made_by INTEGER NOT NULL, of_state INTEGER NOT NULL, marks BLOB NOT NULL
) STRICT;
"""
_ROWS: Final = (
    "SELECT number, name, key, made_ms, since_offset, since_ms, forgotten_ms, gathered "
    "FROM token_key ORDER BY number"
)


class KnownTokens(NamedTuple):
    """Marks of all tokens that are known up to a place in the log, and hashes of ids in the state."""

    marks: NDArray[np.uint64]
    in_state: NDArray[np.int64]
    up_to: int


class SqliteTokenKeys:
    """The token keys of one data folder; threads and processes share it.

    `InputError` where the file is another installation's, `CorruptError` where it is damaged.
    """

    def __init__(self, folder: Path, identity: Identity) -> None:
        """Made where there is none, with the store's own key as the first."""
        self.path = folder / TOKENS
        self._identity = identity
        self._file = SharedFile(self.path, _SCHEMA, ("secure_delete = ON",))
        try:
            if not self._file.rows("SELECT 1 FROM about"):
                with self._file.transaction() as connection:
                    if connection.execute("SELECT 1 FROM about").fetchone() is None:
                        self._begin(connection)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether a folder has token keys beside the store's own."""
        return (folder / TOKENS).exists()

    def _begin(self, connection: sqlite3.Connection) -> None:
        if connection.execute("SELECT 1 FROM token_key").fetchone() is not None:
            raise CorruptError(f"{self.path} is damaged: it does not say whose it is. {_REMEDY}")
        connection.execute("INSERT INTO about VALUES (1, ?, 0, x'')", (self._identity.store_id,))
        made_ms = self._identity.created_ms
        row = (0, "first", b"", made_ms, 0, made_ms, None, None)
        connection.execute("INSERT INTO token_key VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        connection.execute("UPDATE about SET seal = ?", (_sealed(connection),))

    def version(self) -> int:
        """Grows with every change of what `keys` gives."""
        return int(self._file.rows("SELECT version FROM about")[0][0])

    def keys(self) -> TokenKeys:
        """Those that have taken effect, with everybody who was known; checked against the seal."""
        with self._file.reading() as connection:
            connection.execute("BEGIN")
            try:
                version = self._check(connection)
                rows = connection.execute(_ROWS).fetchall()
                marks = connection.execute("SELECT of_state, marks FROM known").fetchall()
            finally:
                connection.execute("ROLLBACK")
        own = self._identity.token_key
        live = [row for row in rows if row[4] is not None]
        return TokenKeys(
            tuple(row[2] or own for row in live if row[6] is None),
            own,
            _joined([part for of_state, part in marks if not of_state], np.uint64),
            _joined([part for of_state, part in marks if of_state], np.int64),
            self._identity.hash_seed,
            len(live) - 1,
            version,
        )

    def _check(self, connection: sqlite3.Connection) -> int:
        """The version of what the file says, all of which its seal covers."""
        found = connection.execute("SELECT store, version, seal FROM about").fetchone()
        if found is None:
            raise CorruptError(f"{self.path} is damaged: it does not say whose it is. {_REMEDY}")
        store, version, seal = found
        if store != self._identity.store_id:
            raise InputError(
                f"{self.path} belongs to another installation (store {store[:16]}, this one is "
                f"{self._identity.store_id[:16]}): put this one's own back"
            )
        if seal != _sealed(connection):
            raise CorruptError(f"{self.path} is damaged: it fails its checksum. {_REMEDY}")
        return int(version)

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction on a file that is sound, and sealed anew."""
        with self._file.transaction() as connection:
            self._check(connection)
            yield connection
            connection.execute("UPDATE about SET seal = ?", (_sealed(connection),))

    def listed(self) -> list[TokenKey]:
        """All keys, the oldest first."""
        counts = dict(
            self._file.rows("SELECT made_by, sum(length(marks)) / 8 FROM known WHERE NOT of_state GROUP BY 1")
        )
        return [
            TokenKey(
                number=row[0], name=row[1], made_ms=row[3], since_offset=row[4], since_ms=row[5],
                forgotten_ms=row[6], gathered=row[7], persons=counts.get(row[0], 0),
            )
            for row in self._file.rows(_ROWS)
        ]  # fmt: skip

    def named(self, name: str) -> TokenKey:
        """A key by its name; `InputError` where there is none."""
        found = next((one for one in self.listed() if one.name == name), None)
        if found is None:
            raise InputError(f"{self.path} holds no token key {name}: it was put back from a copy meanwhile")
        return found

    def waiting(self) -> TokenKey | None:
        """The key that waits to take effect."""
        return next((one for one in self.listed() if one.since_offset is None), None)

    def add(self, now_ms: int) -> TokenKey:
        """A new key, which waits, or the one that waits already; `InputError` where too many are live."""
        with self._changing() as connection:
            rows = connection.execute(_ROWS).fetchall()
            if all(row[4] is not None for row in rows):
                live = sum(row[6] is None for row in rows)
                if live >= MOST_KEYS:
                    raise InputError(
                        f"{live} token keys are live, which is as many as may be: forget the older ones "
                        "first (`ringfence privacy rotate --tokens --forget`)"
                    )
                row = (rows[-1][0] + 1, secrets.token_hex(4), secrets.token_bytes(_KEY_BYTES), now_ms)
                connection.execute("INSERT INTO token_key VALUES (?, ?, ?, ?, NULL, NULL, NULL, NULL)", row)
        return self.listed()[-1]

    def note(self, name: str, known: KnownTokens) -> None:
        """Keep, with a key that waits, who is known up to a place in the log."""
        with self._changing() as connection:
            if self._waits(connection, name) is not None:
                self._keep(connection, known)
                text = "UPDATE token_key SET gathered = ? WHERE name = ?"
                connection.execute(text, (known.up_to, name))
                self._changed(connection)

    def begin(self, name: str, known: KnownTokens, now_ms: int) -> None:
        """Have a waiting key take effect where `known`, added to what was noted, knows everybody up to.

        One that has taken effect already stays as it is.
        """
        with self._changing() as connection:
            number = self._waits(connection, name)
            if number is not None:
                self._keep(connection, known)
                text = "UPDATE token_key SET since_offset = ?, gathered = ?, since_ms = ? WHERE number = ?"
                connection.execute(text, (known.up_to, known.up_to, now_ms, number))
                self._changed(connection)

    def _waits(self, connection: sqlite3.Connection, name: str) -> int | None:
        text = "SELECT number FROM token_key WHERE name = ? AND since_offset IS NULL"
        found = connection.execute(text, (name,)).fetchone()
        return None if found is None else int(found[0])

    def _keep(self, connection: sqlite3.Connection, known: KnownTokens) -> None:
        text = "SELECT marks FROM known WHERE of_state = ?"
        made_by = "SELECT max(number) FROM token_key WHERE since_offset IS NOT NULL"
        (before,) = connection.execute(made_by).fetchone()
        for of_state, values in ((0, known.marks), (1, known.in_state)):
            parts = [part for (part,) in connection.execute(text, (of_state,)).fetchall()]
            held = _joined(parts, values.dtype)
            fresh = np.setdiff1d(values, held)
            if len(held) + len(fresh) > MOST_KNOWN:
                raise InputError(
                    f"{len(held) + len(fresh):,} tokens are known, and {MOST_KNOWN:,} can be kept: shorten "
                    "the log first (`ringfence retention`)"
                )
            for at in range(0, len(fresh), _PIECE):
                row = (before, of_state, fresh[at : at + _PIECE].tobytes())
                connection.execute("INSERT INTO known (made_by, of_state, marks) VALUES (?, ?, ?)", row)

    def drop(self, marks: Collection[int]) -> int:
        """These tokens are not known any more: somebody was erased. How many were."""
        gone, count = np.fromiter(marks, np.uint64, len(marks)), 0
        with self._changing() as connection:
            for number, part in connection.execute(
                "SELECT number, marks FROM known WHERE NOT of_state"
            ).fetchall():
                values = np.frombuffer(part, np.uint64)
                left = values[~np.isin(values, gone)]
                if len(left) < len(values):
                    count += len(values) - len(left)
                    connection.execute(
                        "UPDATE known SET marks = ? WHERE number = ?", (left.tobytes(), number)
                    )
            if count:
                self._changed(connection)
        return count

    def forget(self, now_ms: int) -> list[str]:
        """Forget all keys but the newest that has taken effect, and who was known by them; their names."""
        with self._changing() as connection:
            rows = connection.execute(_ROWS).fetchall()
            live = [row for row in rows if row[4] is not None and row[6] is None]
            gone = live[:-1]
            for row in gone:
                text = "UPDATE token_key SET forgotten_ms = ?, key = x'' WHERE number = ?"
                connection.execute(text, (now_ms, row[0]))
            connection.execute("DELETE FROM known")
            if gone:
                self._changed(connection)
        self._file.empty_log()
        return [row[1] for row in gone]

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        self._file.close()

    def _changed(self, connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE about SET version = version + 1")


def _sealed(connection: sqlite3.Connection) -> bytes:
    """Checksum of all that the file says."""
    digest = hashlib.sha256(repr(connection.execute("SELECT store, version FROM about").fetchone()).encode())
    for row in connection.execute(_ROWS):
        digest.update(repr(row).encode())
    for number, made_by, of_state, marks in connection.execute("SELECT * FROM known ORDER BY number"):
        digest.update(repr((number, made_by, of_state, len(marks))).encode() + marks)
    return digest.digest()


def _joined(parts: list[bytes], kind: Any) -> NDArray[Any]:
    """Sorted, each once."""
    return np.unique(np.frombuffer(b"".join(parts), kind))
