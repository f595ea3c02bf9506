"""The rule book's history in the store: `ringfence.rulebook.changes.RuleHistory`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ringfence.adapters.sqlite.statements import SQL
from ringfence.errors import ConflictError
from ringfence.rulebook.changes import Change, Origin, Proposed, Review

if TYPE_CHECKING:
    import sqlite3

    from ringfence.adapters.sqlite.database import Database

_KIND = "rules"


class RuleBook:
    """Changes in a table of their own, texts among the registered versions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def changes(self) -> list[Change]:
        return [_change(row) for row in self._database.fetch("rule_changes")]

    def add(self, proposed: Proposed, review: Review | None = None) -> Change | None:
        with self._database.transaction() as connection:
            row = connection.execute(SQL["rule_head"]).fetchone()
            if (row[0] if row else None) != proposed.based_on:
                return None
            _register(connection, proposed)
            fields = msgspec.structs.asdict(proposed) | {"origin": str(proposed.origin)}
            number = connection.execute(SQL["add_rule_change"], fields).lastrowid
            if review is not None:
                connection.execute(SQL["review_rule_change"], _reviewed(number, review))
        return self._numbered(number)

    def review(self, number: int, review: Review) -> Change | None:
        with self._database.transaction() as connection:
            done = connection.execute(SQL["review_rule_change"], _reviewed(number, review)).rowcount
        return self._numbered(number) if done else None

    def body(self, digest: str) -> str | None:
        rows = self._database.fetch("version", {"kind": _KIND, "digest": digest})
        return rows[0][2] if rows else None

    def _numbered(self, number: int | None) -> Change:
        return next(change for change in self.changes() if change.number == number)


def _register(connection: sqlite3.Connection, proposed: Proposed) -> None:
    which = {"kind": _KIND, "digest": proposed.digest}
    found = connection.execute(SQL["version"], which).fetchone()
    if found is None:
        connection.execute(
            SQL["add_version"], which | {"body": proposed.body, "created_ms": proposed.created_ms}
        )
    elif found[2] != proposed.body:
        raise ConflictError(f"rules {proposed.digest} name another text in this store: restore a backup")


def _reviewed(number: int | None, review: Review) -> dict[str, Any]:
    return msgspec.structs.asdict(review) | {"number": number}


def _change(row: tuple[Any, ...]) -> Change:
    fields = dict(zip(Change.__struct_fields__, row, strict=True))
    approved = fields["approved"]
    return Change(
        **fields
        | {"origin": Origin(fields["origin"]), "approved": None if approved is None else bool(approved)}
    )
