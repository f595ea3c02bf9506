"""What the file of cases holds on somebody: notes, reasons and files, which an erasure takes out.

A case stays what it was: its events keep their order, authors and times, and lose the words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.cases.model import Attached, decode_case, decode_change, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from sqlite3 import Connection

    from ringfence.adapters.cases.store import SqliteCases
    from ringfence.cases.model import AnyChange
    from ringfence.desks.person_search import PersonTokens

    _Event = tuple[str, int, int, str, AnyChange]

ERASED: Final = "[erased]"
_TEXTS: Final = ("text", "reason")
_TOUCHED: Final = """
  SELECT case_id FROM standing JOIN subject USING (number)
  WHERE entity_id IN (SELECT value FROM json_each(:own))
  UNION SELECT case_id FROM payment WHERE transaction_id IN (SELECT value FROM json_each(:payments))
"""
_EVENTS: Final = f"""
SELECT case_id, version, at_ms, by_whom, change FROM event WHERE case_id IN ({_TOUCHED})
ORDER BY case_id, version
"""  # noqa: S608 (constants)
_CONCERNED: Final = f"""
WITH touched AS ({_TOUCHED})
SELECT entity_id FROM standing JOIN subject USING (number) WHERE case_id IN touched
UNION SELECT named.value FROM payment, json_each(CAST(body AS TEXT), '$.entities') AS named
WHERE case_id IN touched AND named.key IN ('customer', 'account')
"""  # noqa: S608 (constants)


_CLOSED: Final = """
SELECT number, case_id, body FROM standing
WHERE state = 'closed' AND closed_ms < ? AND number > ? ORDER BY number LIMIT ?
"""
_STILL_CLOSED: Final = "SELECT 1 FROM standing WHERE case_id = ? AND state = 'closed' AND closed_ms < ?"
_OF_CASE: Final = (
    "SELECT case_id, version, at_ms, by_whom, change FROM event WHERE case_id = ? ORDER BY version"
)
_AT_ONCE: Final = 200  # cases in one transaction: whoever works on others waits for it
_NAMES_FILE: Final = b'"sha256":"'
_FILE: Final = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_FILES: Final = "SELECT change FROM event WHERE instr(change, :mark)"
_LATER_FILES: Final = """
SELECT change FROM feed JOIN event USING (case_id, version) WHERE seq > :seq AND instr(change, :mark)
"""


class CasePersons:
    """The cases of one data folder as a `PersonPlace`."""

    def __init__(self, cases: SqliteCases) -> None:
        self._cases = cases

    def held(self, who: PersonTokens) -> dict[str, list[dict[str, Any]]]:
        """Cases on somebody or their payments, what was written in them, and the files' names."""
        with self._cases.work() as work:
            events = list(_events(work.connection, who))
            ids = dict.fromkeys(case for case, *_ in events)
        notes = [
            {"case": case, "at_ms": at_ms, "by": by, name: getattr(change, name)}
            for case, _, at_ms, by, change in events
            for name in _TEXTS
            if getattr(change, name, "") not in ("", ERASED)
        ]
        files = [
            {"case": case, "at_ms": at_ms, "by": by, "name": change.name, "sha256": change.sha256}
            for case, _, at_ms, by, change in events
            if isinstance(change, Attached) and change.name != ERASED
        ]
        return {"cases": [{"case": case} for case in ids], "notes": notes, "files": files}

    def concerned(self, who: PersonTokens) -> frozenset[str]:
        """Whom cases on somebody or their payments are on, and whose payments are in them."""
        with self._cases.work() as work:
            return frozenset(one for (one,) in work.connection.execute(_CONCERNED, _names(who)))

    def has_left(self, who: PersonTokens) -> bool:
        """Whether anybody's words or files are in these cases."""
        held = self.held(who)
        return bool(held["notes"] or held["files"])

    def erase(self, who: PersonTokens) -> dict[str, int]:
        """See `PersonPlace.erase`. A file that another case has, too, stays there."""
        with self._cases.work() as work:
            notes, files = _strip(work.connection, list(_events(work.connection, who)))
        self._drop_files()
        self._cases.empty_log()
        return {"notes": notes, "files": files}

    def cases_of(self, who: PersonTokens) -> frozenset[str]:
        """Ids of cases on somebody or their payments."""
        with self._cases.reading() as connection:
            return frozenset(one for (one,) in connection.execute(_TOUCHED, _names(who)))

    def expire(self, before_ms: int, held: PersonTokens, *, dry: bool = False) -> int:
        """Take what people wrote and attached out of cases closed before a time; how many of both.

        Cases on somebody in `held`, or on their payments, stay as they are. With `dry` all do.
        """
        kept = self.cases_of(held)
        found = {case: count for case, count in self._with_words(before_ms) if case not in kept}
        if dry:
            return sum(found.values())
        gone, cases = 0, list(found)
        for begin in range(0, len(cases), _AT_ONCE):
            with self._cases.work() as work:
                for case in cases[begin : begin + _AT_ONCE]:
                    if work.connection.execute(_STILL_CLOSED, (case, before_ms)).fetchone():
                        gone += sum(_strip(work.connection, _of_case(work.connection, case)))
        self._drop_files()
        self._cases.empty_log()
        return gone

    def _with_words(self, before_ms: int) -> Iterator[tuple[str, int]]:
        """Cases closed before a time that hold words or files, and how many."""
        number = -1
        while True:
            with self._cases.reading() as connection:
                portion = connection.execute(_CLOSED, (before_ms, number, _AT_ONCE)).fetchall()
                counts = [
                    sum(_without_words(one) != one for *_, one in _of_case(connection, case))
                    for _, case, _ in portion
                ]
            if not portion:
                return
            number = portion[-1][0]
            for (_, case, body), count in zip(portion, counts, strict=True):
                if count or decode_case(body).snooze_reason not in (None, "", ERASED):
                    yield case, count

    def _drop_files(self) -> None:
        """Take away the content of files that no event names any more, be it from a run that was cut short.

        What events name is looked up beside other work, and what came meanwhile is looked at again.
        """
        with self._cases.reading() as connection:
            dropped = {one for (one,) in connection.execute("SELECT sha256 FROM attachment")}
            if not dropped:
                return
            ((seq,),) = connection.execute("SELECT coalesce(max(seq), 0) FROM feed")
            dropped -= _files_in(connection.execute(_FILES, {"mark": _NAMES_FILE}))
        with self._cases.work() as work:
            dropped -= _files_in(work.connection.execute(_LATER_FILES, {"mark": _NAMES_FILE, "seq": seq}))
            work.connection.execute("PRAGMA secure_delete = ON")
            work.connection.executemany(
                "DELETE FROM attachment WHERE sha256 = ?", [(one,) for one in dropped]
            )


def _strip(connection: Connection, events: list[_Event]) -> tuple[int, int]:
    """Take the words out of events of cases; how many notes and names of files went."""
    notes = files = 0
    connection.execute("PRAGMA secure_delete = ON")
    cases = set()
    for case, version, _, _, change in events:
        cases.add(case)
        bare = _without_words(change)
        if bare == change:
            continue
        if isinstance(change, Attached):
            files += 1
        else:
            notes += 1
        text = "UPDATE event SET change = ? WHERE case_id = ? AND version = ?"
        connection.execute(text, (encode(bare), case, version))
    for case in cases:
        (body,) = connection.execute("SELECT body FROM standing WHERE case_id = ?", (case,)).fetchone()
        kept = decode_case(body)
        if kept.snooze_reason:
            kept = msgspec.structs.replace(kept, snooze_reason=ERASED)
            text = "UPDATE standing SET body = ? WHERE case_id = ?"
            connection.execute(text, (encode(kept), case))
    return notes, files


def _files_in(changes: Iterable[tuple[bytes]]) -> set[str]:
    return {one.decode() for (change,) in changes for one in _FILE.findall(change)}


def _events(connection: Connection, who: PersonTokens) -> Iterator[_Event]:
    for case, version, at_ms, by, change in connection.execute(_EVENTS, _names(who)).fetchall():
        yield case, version, at_ms, by, decode_change(change)


def _of_case(connection: Connection, case_id: str) -> list[_Event]:
    return [
        (case, version, at_ms, by, decode_change(change))
        for case, version, at_ms, by, change in connection.execute(_OF_CASE, (case_id,))
    ]


def _names(who: PersonTokens) -> dict[str, str]:
    return {
        "own": msgspec.json.encode(sorted(who.own)).decode(),
        "payments": msgspec.json.encode(sorted(who.payments)).decode(),
    }


def _without_words(change: AnyChange) -> AnyChange:
    if isinstance(change, Attached):
        return msgspec.structs.replace(change, name=ERASED, sha256="", size=0)
    found = {name: ERASED for name in _TEXTS if getattr(change, name, "")}
    return msgspec.structs.replace(change, **found) if found else change
