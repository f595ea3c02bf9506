"""Requests for approval in a file that several processes may change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.access.approvals import LONGEST, ApprovalRequest, ApprovalState, Deed, UnknownApprovalError
from ringfence.adapters.access.keys import IF_DAMAGED
from ringfence.adapters.sqlite.shared_file import FileAtFirstUse
from ringfence.store import KEYS

if TYPE_CHECKING:
    from pathlib import Path

    from ringfence.rulebook.desk import Who

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS approval (
  number     INTEGER PRIMARY KEY,
  deed       TEXT NOT NULL,
  subject    TEXT NOT NULL,
  content    TEXT NOT NULL,
  asked_by   TEXT NOT NULL,
  asked_ms   INTEGER NOT NULL,
  reason     TEXT NOT NULL,
  state      TEXT NOT NULL,
  decided_by TEXT,
  decided_ms INTEGER,
  note       TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS approval_by_content ON approval (content, asked_by, number);
"""
_COLUMNS: Final = (
    "number, deed, subject, content, asked_by, asked_ms, reason, state, decided_by, decided_ms, note"
)


class SqliteApprovals:
    """`ringfence.access.approvals.Approvals` in the file of keys, which is made with the first request."""

    def __init__(self, folder: Path) -> None:
        self._file = FileAtFirstUse(folder / KEYS, _SCHEMA, if_damaged=IF_DAMAGED)

    def close(self) -> None:
        """Closing twice is allowed."""
        self._file.close()

    def add(self, asked: ApprovalRequest) -> ApprovalRequest:
        """Keep a request under a new id."""
        row = (asked.deed, asked.subject, asked.content, asked.asked_by, asked.asked_ms, asked.reason)
        with self._file.opened().transaction() as connection:
            number = connection.execute(
                f"INSERT INTO approval ({_COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",  # noqa: S608 (constants)
                (*row, asked.state),
            ).lastrowid
        return msgspec.structs.replace(asked, id=f"A-{number}")

    def get(self, request_id: str) -> ApprovalRequest:
        """`UnknownApprovalError` where there is none of this id."""
        number = request_id.strip().upper().removeprefix("A-")
        if number.isascii() and number.isdigit() and len(number) <= 15:
            for found in self._rows("WHERE number = ?", int(number)):
                return found
        raise UnknownApprovalError(
            f"there is no request {request_id[:20]!r}: `ringfence approvals list` shows them"
        )

    def latest(self, content: str, asked_by: str) -> ApprovalRequest | None:
        """The newest request of somebody for the same thing."""
        found = self._rows(
            "WHERE content = ? AND asked_by = ? ORDER BY number DESC LIMIT 1", content, asked_by
        )
        return next(iter(found), None)

    def newest(self, limit: int, *, asked_by: str | None = None) -> list[ApprovalRequest]:
        """The newest first."""
        if asked_by is not None:
            return self._rows("WHERE asked_by = ? ORDER BY number DESC LIMIT ?", asked_by, limit)
        return self._rows("ORDER BY number DESC LIMIT ?", limit)

    def move(self, request: ApprovalRequest, state: ApprovalState, by: Who | None = None) -> bool:
        """Whether the request was still as given, and is in this state now; `by` is who decided."""
        number = int(request.id.removeprefix("A-"))
        with self._file.opened().transaction() as connection:
            if by is None:
                changed = connection.execute(
                    "UPDATE approval SET state = ? WHERE number = ? AND state = ?",
                    (state, number, request.state),
                )
            else:
                changed = connection.execute(
                    "UPDATE approval SET state = ?, decided_by = ?, decided_ms = ?, note = ? "
                    "WHERE number = ? AND state = ?",
                    (state, by.name, by.now_ms, by.note[:LONGEST], number, request.state),
                )
            return changed.rowcount == 1

    def _rows(self, where: str, *values: object) -> list[ApprovalRequest]:
        if not self._file.is_there:
            return []
        rows = self._file.opened().rows(f"SELECT {_COLUMNS} FROM approval {where}", *values)  # noqa: S608 (constants)
        return [_request(row) for row in rows]


def _request(row: tuple[Any, ...]) -> ApprovalRequest:
    named = dict(zip(_COLUMNS.split(", "), row, strict=True))
    deed, state = Deed(named.pop("deed")), ApprovalState(named.pop("state"))
    return ApprovalRequest(id=f"A-{named.pop('number')}", deed=deed, state=state, **named)
