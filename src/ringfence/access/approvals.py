"""Two pairs of eyes: what one person asks for, another one approves, and then it is done once."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing, contextmanager
from enum import StrEnum
from hashlib import blake2b
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.access.keys import FILE_NAME
from ringfence.access.roles import Permission, holders
from ringfence.errors import CorruptError, InputError, StoreError
from ringfence.rulebook.changes import ApprovalError, NothingToDoError
from ringfence.rulebook.desk import bare

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ringfence.rulebook.desk import Who

WAITS_MS: Final = 7 * 86_400_000
"""How long a request waits for somebody to decide."""

COUNTS_MS: Final = 86_400_000
"""How long an approval counts: what was looked at may be another thing tomorrow."""

MOST_WAITING: Final = 100
"""Requests of one principal that wait at once."""

_BUSY_SECONDS: Final = 10.0
_LONGEST: Final = 500  # characters of what people read
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


class Deed(StrEnum):
    """What the setting `four_eyes` can hold to two pairs of eyes, beside rules and the closing of cases."""

    MODELS = "models"  # a model is promoted, rolled out or retired
    ERASURE = "erasure"  # a person is erased
    REVEAL = "reveal"  # originals are revealed beyond the limit


class ApprovalState(StrEnum):
    """Where a request stands. `done`: what was approved has been done, and may not be done again."""

    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"
    DONE = "done"
    LAPSED = "lapsed"


class ApprovalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants done. `subject` is for people, `content` a digest of all that it names."""

    id: str
    deed: Deed
    subject: str
    content: str
    asked_by: str
    asked_ms: int
    reason: str
    state: ApprovalState
    decided_by: str | None = None
    decided_ms: int | None = None
    note: str | None = None

    def at(self, now_ms: int) -> ApprovalRequest:
        """As it is at this time: what waited, or was approved, for too long has lapsed."""
        waited = self.state is ApprovalState.WAITING and now_ms - self.asked_ms > WAITS_MS
        passed = self.state is ApprovalState.APPROVED and now_ms - (self.decided_ms or 0) > COUNTS_MS
        return msgspec.structs.replace(self, state=ApprovalState.LAPSED) if waited or passed else self


class AwaitingApprovalError(ApprovalError):
    """Nothing is done until somebody else has approved `request`."""

    def __init__(self, request: ApprovalRequest) -> None:
        self.request = request
        super().__init__(
            f"this waits for a second person: {request.id} is to be approved by somebody else with the role "
            f"{holders(Permission.APPROVE)} (`ringfence approvals approve {request.id}`, or the page "
            "Approvals). Then do the same again"
        )


class Approvals:
    """Requests in the file of keys, which is made with the first; any thread and any process may use it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._lock = Lock()
        self._opened: sqlite3.Connection | None = None

    def close(self) -> None:
        """Closing twice is allowed."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._errors():
            if self._opened is None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._path.touch(mode=0o600)
                self._opened = self._connect()
            yield self._opened

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        with ExitStack() as unless_whole:
            unless_whole.enter_context(closing(connection))
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
            unless_whole.pop_all()
        return connection

    def add(self, asked: ApprovalRequest) -> ApprovalRequest:
        """Keep a request under a new id."""
        row = (asked.deed, asked.subject, asked.content, asked.asked_by, asked.asked_ms, asked.reason)
        with self._using() as connection:
            number = connection.execute(
                f"INSERT INTO approval ({_COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",  # noqa: S608 (constants)
                (*row, asked.state),
            ).lastrowid
        return msgspec.structs.replace(asked, id=f"A-{number}")

    def get(self, request_id: str) -> ApprovalRequest:
        """`InputError` where there is none of this id."""
        number = request_id.strip().upper().removeprefix("A-")
        if number.isascii() and number.isdigit() and len(number) <= 15:
            for found in self._rows("WHERE number = ?", int(number)):
                return found
        raise InputError(f"there is no request {request_id[:20]!r}: `ringfence approvals list` shows them")

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
        with self._using() as connection:
            if by is None:
                changed = connection.execute(
                    "UPDATE approval SET state = ? WHERE number = ? AND state = ?",
                    (state, number, request.state),
                )
            else:
                changed = connection.execute(
                    "UPDATE approval SET state = ?, decided_by = ?, decided_ms = ?, note = ? "
                    "WHERE number = ? AND state = ?",
                    (state, by.name, by.now_ms, by.note[:_LONGEST], number, request.state),
                )
            return changed.rowcount == 1

    def _rows(self, where: str, *values: object) -> list[ApprovalRequest]:
        if not self._path.exists():
            return []
        with self._using() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM approval {where}", values).fetchall()  # noqa: S608 (constants)
        return [_request(row) for row in rows]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StoreError(f"{self._path}: {error}. Give this user the right to write it") from error
        except sqlite3.Error as error:
            raise CorruptError(
                f"{self._path} is damaged ({error}): put the copy of a backup in its place"
            ) from error
        except OSError as error:
            raise StoreError(
                f"{self._path}: {error.strerror}. Give this user the right to write it"
            ) from error


class ApprovalDesk:
    """Requests of one installation. `demanded` are the deeds that need a second person; others just pass."""

    def __init__(self, book: Approvals, demanded: frozenset[Deed]) -> None:
        self.book = book
        self.demanded = demanded

    @contextmanager
    def approved(self, deed: Deed, subject: str, content: Mapping[str, object], who: Who) -> Iterator[None]:
        """Inside, do what somebody else has approved; an approval counts once, and again if that failed.

        `content` is all that decides what is done: an approval of one thing is none of another. Where nobody
        has approved it yet the request is kept, and `AwaitingApprovalError` names it. `InputError` where too
        many requests of the same principal wait.
        """
        if deed not in self.demanded:
            yield
            return
        request = self._asked(deed, subject, content, who)
        if request.state is not ApprovalState.APPROVED or not self.book.move(request, ApprovalState.DONE):
            raise AwaitingApprovalError(request)
        try:
            yield
        except BaseException:
            self.book.move(msgspec.structs.replace(request, state=ApprovalState.DONE), ApprovalState.APPROVED)
            raise

    def decide(self, request_id: str, who: Who, *, approve: bool) -> ApprovalRequest:
        """Approve or decline a request that waits. One's own can only be taken back, by declining it.

        `InputError` where there is none, `NothingToDoError` where it does not wait, `ApprovalError` for
        whoever may not decide.
        """
        request = self.book.get(request_id).at(who.now_ms)
        if request.state is not ApprovalState.WAITING:
            raise NothingToDoError(f"{request.id} does not wait: it is {request.state}")
        own = bare(request.asked_by) == bare(who.name)
        if (approve and own) or not (own or who.may_approve):
            raise ApprovalError(
                f"{request.id} has to be decided by somebody else than {request.asked_by}, with the role "
                f"{holders(Permission.APPROVE)}"
            )
        if approve and (why := who.same_hand(request.asked_by, request.asked_ms)):
            raise ApprovalError(f"{request.id}: {why}")
        state = ApprovalState.APPROVED if approve else ApprovalState.DECLINED
        if not self.book.move(request, state, who):
            raise NothingToDoError(f"{request.id} has been decided by somebody else meanwhile")
        return self.book.get(request.id)

    def list(self, now_ms: int, limit: int = 200) -> list[ApprovalRequest]:
        """The newest requests, as they stand."""
        return [one.at(now_ms) for one in self.book.newest(limit)]

    def _asked(self, deed: Deed, subject: str, content: Mapping[str, object], who: Who) -> ApprovalRequest:
        told = msgspec.json.encode(
            {"deed": deed, "subject": subject, "content": dict(content)}, order="sorted"
        )
        digest = blake2b(told, digest_size=16).hexdigest()
        known = self.book.latest(digest, who.name)
        if known is not None:
            known = known.at(who.now_ms)
            if known.state in (ApprovalState.WAITING, ApprovalState.APPROVED):
                return known
        own = self.book.newest(MOST_WAITING, asked_by=who.name)
        if len([one for one in own if one.at(who.now_ms).state is ApprovalState.WAITING]) >= MOST_WAITING:
            raise InputError(
                f"{MOST_WAITING} requests of {who.name} wait already: decline some with "
                "`ringfence approvals decline`"
            )
        asked = ApprovalRequest(
            id="",
            deed=deed,
            subject=subject[:_LONGEST],
            content=digest,
            asked_by=who.name,
            asked_ms=who.now_ms,
            reason=who.note[:_LONGEST],
            state=ApprovalState.WAITING,
        )
        return self.book.add(asked)


def _request(row: tuple[Any, ...]) -> ApprovalRequest:
    named = dict(zip(_COLUMNS.split(", "), row, strict=True))
    deed, state = Deed(named.pop("deed")), ApprovalState(named.pop("state"))
    return ApprovalRequest(id=f"A-{named.pop('number')}", deed=deed, state=state, **named)
