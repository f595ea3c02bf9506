"""Saved views of lists in a file of their own, made with the first view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.access.views import MOST_OWN, MOST_SHARED, NewView, SavedView, TableLook, number_of
from ringfence.adapters.sqlite.shared_file import FileAtFirstUse
from ringfence.errors import InputError
from ringfence.store import VIEWS

if TYPE_CHECKING:
    from pathlib import Path

IF_DAMAGED: Final = "put the copy of a backup in its place, or move it away: views are then saved anew"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS view (
  number   INTEGER PRIMARY KEY AUTOINCREMENT,
  path     TEXT NOT NULL,
  owner    TEXT NOT NULL,
  name     TEXT NOT NULL,
  query    TEXT NOT NULL,
  layout   TEXT NOT NULL,
  shared   INTEGER NOT NULL,
  saved_ms INTEGER NOT NULL,
  UNIQUE (path, owner, name)
) STRICT;
CREATE INDEX IF NOT EXISTS view_by_owner ON view (owner);
"""
_COLUMNS: Final = "number, path, owner, name, query, layout, shared, saved_ms"
_OF: Final = f"""
SELECT {_COLUMNS} FROM view
WHERE (?1 IS NULL OR path = ?1) AND (owner = ?2 OR (?3 AND shared)) ORDER BY path, name, number
"""  # noqa: S608 (constants)
_REMOVE: Final = f"""
DELETE FROM view WHERE number = ? AND (owner = ? OR (? AND shared)) RETURNING {_COLUMNS}
"""  # noqa: S608 (constants)
_SAVE: Final = """
INSERT INTO view (path, owner, name, query, layout, shared, saved_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (path, owner, name) DO UPDATE
SET query = excluded.query, layout = excluded.layout, shared = excluded.shared, saved_ms = excluded.saved_ms
RETURNING number
"""
_OTHERS: Final = """
SELECT count(*) FILTER (WHERE owner = ?1), count(*) FILTER (WHERE shared) FROM view
WHERE NOT (path = ?2 AND owner = ?1 AND name = ?3)
"""


class SqliteViews:
    """`ringfence.access.views.Views` of a data folder."""

    def __init__(self, folder: Path) -> None:
        self._file = FileAtFirstUse(folder / VIEWS, _SCHEMA, if_damaged=IF_DAMAGED)

    def close(self) -> None:
        """Closing twice is allowed."""
        self._file.close()

    def of(self, owner: str, path: str | None, *, with_shared: bool) -> list[SavedView]:
        """See `Views.of`."""
        if not self._file.is_there:
            return []
        return [_view(row) for row in self._file.opened().rows(_OF, path, owner, with_shared)]

    def save(self, view: NewView, owner: str, now_ms: int) -> SavedView:
        """See `Views.save`."""
        with self._file.opened().transaction() as connection:
            own, shared = connection.execute(_OTHERS, (owner, view.path, view.name)).fetchone()
            if own >= MOST_OWN:
                raise InputError(f"you have {MOST_OWN} views: remove one that you no longer need")
            if view.shared and shared >= MOST_SHARED:
                raise InputError(f"{MOST_SHARED} views are shared: remove one that nobody needs")
            row = (view.path, owner, view.name, view.query, _text(view.layout), view.shared, now_ms)
            ((number,),) = connection.execute(_SAVE, row).fetchall()
        return SavedView(**_fields(view), id=f"V-{number}", by=owner, saved_ms=now_ms)

    def remove(self, view_id: str, owner: str, *, with_shared: bool) -> SavedView | None:
        """See `Views.remove`."""
        if not self._file.is_there:
            return None
        with self._file.opened().transaction() as connection:
            removed = connection.execute(_REMOVE, (number_of(view_id), owner, with_shared)).fetchall()
        return next(map(_view, removed), None)


def _fields(view: NewView) -> dict[str, Any]:
    return {name: getattr(view, name) for name in NewView.__struct_fields__}


def _text(layout: TableLook) -> str:
    return msgspec.json.encode(layout).decode()


def _view(row: tuple[Any, ...]) -> SavedView:
    number, path, owner, name, query, layout, shared, saved_ms = row
    return SavedView(
        id=f"V-{number}",
        by=owner,
        saved_ms=saved_ms,
        name=name,
        path=path,
        query=query,
        layout=msgspec.json.decode(layout, type=TableLook),
        shared=bool(shared),
    )
