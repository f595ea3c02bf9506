"""Every version that a decision may name: a digest resolves to its text for as long as the store lives."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ringfence.adapters.sqlite.soundness import RESTORE
from ringfence.adapters.sqlite.statements import SQL
from ringfence.errors import ConflictError, CorruptError
from ringfence.ports import Version

if TYPE_CHECKING:
    from ringfence.adapters.sqlite.database import Database


class SqliteRegistry:
    """`ringfence.ports.Registry` in the store's file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, kind: str, digest: str, body: str, now_ms: int) -> None:
        """Keep a version, once. `ConflictError` if the digest names another text."""
        found = self.find(kind, digest)
        if found is None:
            version = {"kind": kind, "digest": digest, "body": body, "created_ms": now_ms}
            with self._database.transaction() as connection:
                connection.execute(SQL["add_version"], version)
        elif found.body != body:
            raise ConflictError(
                f"{kind} {digest} names another text in this store: the digest must be of the text"
            )

    def find(self, kind: str, digest: str) -> Version | None:
        """The version that a digest names; `CorruptError` where its text has changed."""
        rows = self._database.fetch("version", {"kind": kind, "digest": digest})
        return self._checked(rows[0]) if rows else None

    def versions(self, kind: str | None = None) -> list[Version]:
        """All versions, or those of a kind, by `created_ms`, then as they came; errors as of `find`."""
        return [self._checked(row) for row in self._database.fetch("versions", {"kind": kind})]

    def _checked(self, row: Any) -> Version:
        found = Version(*row)
        if hashlib.sha256(found.body.encode()).hexdigest()[:16] != found.digest:
            raise CorruptError(
                f"the text of {found.kind} {found.digest} in {self._database.path} has changed. {RESTORE}"
            )
        return found
