"""What the file of cases holds on somebody: notes, reasons and files, which an erasure takes out.

A case stays what it was: its events keep their order, authors and times, and lose the words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.cases.model import Attached, decode_case, decode_change, encode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from sqlite3 import Connection

    from ringfence.adapters.cases.store import SqliteCases
    from ringfence.cases.model import AnyChange
    from ringfence.desks.privacy import PersonTokens

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


_CLOSED: Final = f"""
SELECT event.case_id, version, at_ms, by_whom, change FROM event JOIN standing USING (case_id)
WHERE state = 'closed' AND closed_ms < :before_ms AND event.case_id NOT IN ({_TOUCHED})
ORDER BY event.case_id, version
"""  # noqa: S608 (constants)


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

    def erase(self, who: PersonTokens) -> dict[str, int]:
        """See `PersonPlace.erase`. A file that another case has, too, stays there."""
        with self._cases.work() as work:
            notes, files = _strip(work.connection, list(_events(work.connection, who)))
        self._cases.empty_log()
        return {"notes": notes, "files": files}

    def expire(self, before_ms: int, held: PersonTokens, *, dry: bool = False) -> int:
        """Take what people wrote and attached out of cases closed before a time; how many of both.

        Cases on somebody in `held`, or on their payments, stay as they are. With `dry` all do.
        """
        with self._cases.work() as work:
            found = [
                (case, version, at_ms, by, decode_change(change))
                for case, version, at_ms, by, change in work.connection.execute(
                    _CLOSED, _names(held) | {"before_ms": before_ms}
                ).fetchall()
            ]
            if dry:
                return sum(_without_words(change) != change for *_, change in found)
            gone = sum(_strip(work.connection, found))
        self._cases.empty_log()
        return gone


def _strip(connection: Connection, events: list[_Event]) -> tuple[int, int]:
    """Take the words out of events of cases; how many notes and files went. Files of other cases stay."""
    notes = files = 0
    connection.execute("PRAGMA secure_delete = ON")
    hashes = set()
    cases = set()
    for case, version, _, _, change in events:
        cases.add(case)
        bare = _without_words(change)
        if bare == change:
            continue
        if isinstance(change, Attached):
            hashes.add(change.sha256)
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
    for sha256 in hashes:
        text = "SELECT 1 FROM event WHERE instr(change, ?) LIMIT 1"
        if connection.execute(text, (sha256.encode(),)).fetchone() is None:
            connection.execute("DELETE FROM attachment WHERE sha256 = ?", (sha256,))
    return notes, files


def _events(connection: Connection, who: PersonTokens) -> Iterator[_Event]:
    for case, version, at_ms, by, change in connection.execute(_EVENTS, _names(who)).fetchall():
        yield case, version, at_ms, by, decode_change(change)


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
