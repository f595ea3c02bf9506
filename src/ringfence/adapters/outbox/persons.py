"""What the file of the bus holds on somebody: alerts, messages, contacts and what people wrote of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.alerts.book import Mute
from ringfence.desks.alerts import ANY
from ringfence.events.privacy.personal import TOKEN
from ringfence.ports import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ringfence.adapters.outbox.database import OutboxDatabase
    from ringfence.desks.person_search import PersonTokens
    from ringfence.ports import EventLog

_ON_THEM: Final = """
entity_id IN (SELECT value FROM json_each(:own)) OR EXISTS (
  SELECT 1 FROM json_each(alert.body, '$.payments') AS paid
  WHERE paid.value IN (SELECT value FROM json_each(:payments)))
"""
_ALERTS: Final = f"SELECT id, body FROM alert WHERE {_ON_THEM}"  # noqa: S608 (constants)
_EVERY_MUTE: Final = "SELECT body FROM mute"
_UNMUTE: Final = "DELETE FROM mute WHERE typology = ? AND entity_id = ?"
_CONTACTS: Final = """
SELECT entity_type, name, value FROM contact WHERE entity_id IN (SELECT value FROM json_each(:own))
"""
_ABOUT: Final = """
(key IN (SELECT value FROM json_each(:own))
 OR EXISTS (SELECT 1 FROM json_each(:own) WHERE instr(CAST(event AS TEXT), value)))
"""
_MESSAGES: Final = f"""
SELECT id, destination, state, made_ms, event FROM message WHERE {_ABOUT} LIMIT 10000
"""  # noqa: S608 (constants)
_ERASE: Final = {
    "messages": f"message WHERE (state <> 'waiting' OR destination LIKE 'customer:%') AND {_ABOUT}",
    "contacts": "contact WHERE entity_id IN (SELECT value FROM json_each(:own))",
    "questions": """
asked WHERE customer_id IN (SELECT value FROM json_each(:own))
OR reached IN (SELECT value FROM json_each(:own))
""",
}
"""Rows to take out, by what they are. Messages to the team that wait hold tokens only, and are still sent."""

_OLD_ALERTS: Final = f"raised_ms < :before_ms AND NOT ({_ON_THEM})"
_UNCAP: Final = f"""
DELETE FROM capped_alert WHERE alert IN (SELECT id FROM alert WHERE {_OLD_ALERTS})
"""  # noqa: S608 (constants)
_EMPTY_SPANS: Final = """
DELETE FROM digest_span WHERE NOT EXISTS (
  SELECT 1 FROM capped_alert AS capped
  WHERE capped.destination = digest_span.destination AND capped.bucket = digest_span.bucket
    AND capped.n BETWEEN digest_span.first AND digest_span.last)
"""
_ENDED: Final = """
SELECT seq, key, event FROM message WHERE state <> 'waiting' AND made_ms < ? AND seq > ? ORDER BY seq LIMIT ?
"""
_FORGET: Final = "DELETE FROM message WHERE seq = ? AND state <> 'waiting' AND made_ms < ?"
_AT_ONCE: Final = 1000  # messages deleted in one transaction: whoever delivers waits for it
_SILENCE: Final = """
UPDATE destination SET body = json_set(body, '$.said', '') WHERE json_extract(body, '$.said') <> ''
"""

_FORGOTTEN: Final = """
INSERT INTO forgotten SELECT value, :end FROM json_each(:own) WHERE true
ON CONFLICT (entity_id) DO UPDATE SET log_offset = excluded.log_offset
"""
_ERASED: Final = """
INSERT INTO meta VALUES ('erased', '1') ON CONFLICT (name) DO UPDATE SET value = value + 1
"""
"""Has a take begin anew that read before what is deleted now."""


class BusPersons:
    """The bus of one data folder as a `PersonPlace`."""

    def __init__(
        self,
        database: OutboxDatabase,
        log: EventLog,
        forms: Callable[[str], Mapping[str, Iterable[str]]] = lambda _entity_id: {},
    ) -> None:
        """`forms` are the tokens that an entity's id may have in the log, by what the entity is.

        A mute of before the vault has its id in plain.
        """
        self._database = database
        self._log = log
        self._forms = forms

    def held(self, who: PersonTokens) -> dict[str, list[dict[str, Any]]]:
        """Alerts on somebody, messages about these, and how they are reached (by token)."""
        own = {"own": _json(who.own), "payments": _json(who.payments)}
        alerts = self._database.rows(_ALERTS, own)
        contacts = self._database.rows(_CONTACTS, own)
        mutes = [one for one in self._mutes() if self._is_of(one, who)]
        messages = self._database.rows(_MESSAGES, own)
        return {
            "alerts": [{"id": one, **msgspec.json.decode(body)} for one, body in alerts],
            "contacts": [{"of": of, "name": name, "value": value} for of, name, value in contacts],
            "mutes": [msgspec.to_builtins(one) for one in mutes],
            "messages": [
                {"id": one, "to": to, "state": state, "made_ms": made, "event": msgspec.json.decode(event)}
                for one, to, state, made, event in messages
            ],
        }

    def concerned(self, who: PersonTokens) -> frozenset[str]:
        """Nobody else: alerts stay, and messages are made of them and of decisions, which stay, too."""
        return who.own

    def has_left(self, who: PersonTokens) -> bool:
        """Whether there are contacts, questions or mutes that `erase` deletes.

        Messages count for nothing: they hold tokens only, and those to the team that waited are sent later.
        """
        own = {"own": _json(who.own)}
        return any(self._is_of(one, who) for one in self._mutes()) or any(
            self._database.rows(f"SELECT 1 FROM {rows} LIMIT 1", own)  # noqa: S608 (constants)
            for what, rows in _ERASE.items()
            if what != "messages"
        )

    def erase(self, who: PersonTokens) -> dict[str, int]:
        """See `PersonPlace.erase`. What was to be sent is not sent any more; alerts stay, by token.

        The latest answer of every destination goes, too: it may quote an address, and does not say whose.
        Profiles that the log has by now make no contacts later.
        """
        muted = [(one.typology, one.entity_id) for one in self._mutes() if self._is_of(one, who)]
        own = {"own": _json(who.own), "payments": _json(who.payments)}
        with self._database.transaction() as connection:
            connection.execute("PRAGMA secure_delete = ON")
            counts = {
                name: connection.execute(f"DELETE FROM {rows}", own).rowcount  # noqa: S608 (constants)
                for name, rows in _ERASE.items()
            }
            counts["mutes"] = sum(connection.execute(_UNMUTE, one).rowcount for one in muted)
            connection.execute(_FORGOTTEN, own | {"end": self._log.end_offset(EVENTS)})
            connection.execute(_SILENCE)
            connection.execute(_ERASED)
        self._database.empty_log()
        return counts

    def _mutes(self) -> list[Mute]:
        return [msgspec.json.decode(body, type=Mute) for (body,) in self._database.rows(_EVERY_MUTE)]

    def _is_of(self, mute: Mute, who: PersonTokens) -> bool:
        """Whether a mute is of somebody; one that is for everybody is of nobody.

        An id in plain is of whoever it names by what they are: a shop may have a customer's number. Of what
        somebody has, such as an account, only a token says whose it is.
        """
        entity_id = mute.entity_id
        if TOKEN.fullmatch(entity_id):
            return entity_id in who.own
        if entity_id == ANY:
            return False
        forms = self._forms(entity_id)
        found = {entity_id}.union(*(forms.get(kind, ()) for kind in mute.kinds or forms))
        if mute.kinds and who.kind not in mute.kinds:
            found = {one for one in found if TOKEN.fullmatch(one)}
        return not who.own.isdisjoint(found)

    def expire_alerts(self, before_ms: int, held: PersonTokens, *, dry: bool = False) -> int:
        """Delete alerts of before a time; how many.

        Those on somebody in `held`, or on their payments, stay. With `dry` all do.
        """
        asked = {"own": _json(held.own), "payments": _json(held.payments), "before_ms": before_ms}
        if dry:
            ((count,),) = self._database.rows(f"SELECT count(*) FROM alert WHERE {_OLD_ALERTS}", asked)  # noqa: S608 (constants)
            return int(count)
        with self._database.transaction() as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(_UNCAP, asked)  # before: alerts that are being made again are not old ones
            gone = connection.execute(f"DELETE FROM alert WHERE {_OLD_ALERTS}", asked).rowcount  # noqa: S608 (constants)
            connection.execute(_EMPTY_SPANS)
            connection.execute(_ERASED)
        self._database.empty_log()
        return gone

    def expire_messages(
        self, before_ms: int, held: PersonTokens, cases: frozenset[str] = frozenset(), *, dry: bool = False
    ) -> int:
        """Delete messages that were sent or given up, of before a time; how many.

        Those about somebody in `held`, their payments, alerts on these, or `cases`, stay. With `dry` all do.
        """
        gone = 0
        for portion in self._ended(before_ms, held, cases):
            if dry:
                gone += len(portion)
                continue
            with self._database.transaction() as connection:
                connection.execute("PRAGMA secure_delete = ON")
                rows = [(seq, before_ms) for seq in portion]
                gone += connection.executemany(_FORGET, rows).rowcount if rows else 0
        if not dry:
            self._database.empty_log()
        return gone

    def _ended(self, before_ms: int, held: PersonTokens, cases: frozenset[str]) -> Iterator[list[int]]:
        """Numbers of the messages that may go, of some at once, read outside of transactions that write."""
        asked = {"own": _json(held.own), "payments": _json(held.payments)}
        kept = held.own | held.payments | cases | {one for one, _ in self._database.rows(_ALERTS, asked)}
        after = 0
        while rows := self._database.rows(_ENDED, (before_ms, after, _AT_ONCE)):
            after = rows[-1][0]
            yield [seq for seq, key, event in rows if not kept or kept.isdisjoint({key} | _named(event))]


def _named(event: bytes) -> set[str]:
    """Every text in an event, and every token in these."""
    found, left = set[str](TOKEN.findall(event.decode())), [msgspec.json.decode(event)]
    while left:
        one = left.pop()
        if isinstance(one, str):
            found.add(one)
        elif isinstance(one, dict):
            left += one.values()
        elif isinstance(one, list):
            left += one
    return found


def _json(names: frozenset[str]) -> str:
    return msgspec.json.encode(sorted(names)).decode()
