"""How long originals are kept: the fields that each stood in, and the last event that named its person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ringfence.adapters.sqlite.shared_file import SharedFile
    from ringfence.events.privacy.personal import Original

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS stood (  -- none for originals of before, and of records that became no event
  person TEXT NOT NULL, token TEXT NOT NULL, field TEXT NOT NULL, PRIMARY KEY (person, token, field)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS named (person TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
_AT_ONCE: Final = 1000  # rows of one transaction: no server waits long
_NAME: Final = """
INSERT INTO named SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM person WHERE token = ?1)
ON CONFLICT (person) DO UPDATE SET at_ms = max(at_ms, excluded.at_ms)
"""
# SQLite takes `part` from the row that has the minimum: the field that is kept for the longest time.
_OUTLIVED: Final = f"""
SELECT person, token, part FROM (
  SELECT o.person, o.token, coalesce(f.key, k.key) AS part, coalesce(n.at_ms, o.seen_ms) AS last_ms,
    min(coalesce(f.value, k.value, {-(1 << 62)})) AS before_ms
  FROM original o
  LEFT JOIN named n ON n.person = o.person
  LEFT JOIN stood s ON s.person = o.person AND s.token = o.token
  LEFT JOIN json_each(?1) f ON f.key = s.field
  LEFT JOIN json_each(?1) k ON k.key = o.kind
  WHERE o.person NOT IN (SELECT person FROM hold UNION SELECT value FROM json_each(?2))
  GROUP BY o.person, o.token
) WHERE last_ms < before_ms
"""  # noqa: S608 (a constant)
_FORGET: Final = (
    "DELETE FROM original WHERE person = ? AND token = ? AND person NOT IN (SELECT person FROM hold)"
)
_LEFT_BEHIND: Final = (
    "DELETE FROM person WHERE token NOT IN (SELECT person FROM original)",
    """
DELETE FROM stood
WHERE NOT EXISTS (SELECT 1 FROM original o WHERE o.person = stood.person AND o.token = stood.token)
""",
    "DELETE FROM named WHERE person NOT IN (SELECT token FROM person)",
)


def note_field(connection: sqlite3.Connection, original: Original) -> None:
    """Keep which field an original stood in, where that is known."""
    if original.field:
        row = (original.person, original.token, original.field)
        connection.execute("INSERT OR IGNORE INTO stood VALUES (?, ?, ?)", row)


def note_events(file: SharedFile, last_ms: Mapping[str, int]) -> None:
    """See `Vault.note_events`."""
    for rows in _portions(list(last_ms.items())):
        with file.transaction() as connection:
            connection.executemany(_NAME, rows)


def fields(file: SharedFile) -> frozenset[str]:
    """See `Vault.fields`."""
    return frozenset(field for (field,) in file.rows("SELECT DISTINCT field FROM stood"))


def outlived(
    file: SharedFile, before_ms: Mapping[str, int], kept: Collection[str]
) -> list[tuple[str, str, str]]:
    """Originals whose time is over: person, token and the part of the settings that says so."""
    encode = msgspec.json.encode
    return file.rows(_OUTLIVED, encode(before_ms).decode(), encode(list(kept)).decode())


def forget(file: SharedFile, found: Sequence[tuple[str, str, str]]) -> list[str]:
    """Delete these; of each that went, its part. Who came under legal hold meanwhile keeps theirs."""
    gone: list[str] = []
    for rows in _portions(found):
        with file.transaction() as connection:
            gone += [
                part for person, token, part in rows if connection.execute(_FORGET, (person, token)).rowcount
            ]
    with file.transaction() as connection:
        clear(connection)
    file.empty_log()
    return gone


def clear(connection: sqlite3.Connection) -> None:
    """Delete keys that seal nothing, and what was known of originals that are gone."""
    for statement in _LEFT_BEHIND:
        connection.execute(statement)


def _portions(rows: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (rows[at : at + _AT_ONCE] for at in range(0, len(rows), _AT_ONCE))
