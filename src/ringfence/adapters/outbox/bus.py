"""Subscriptions, destinations and messages of one data folder. Any thread and any process may use it."""

from __future__ import annotations

import base64
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.adapters.outbox.database import OutboxDatabase
from ringfence.adapters.outbox.holds import holds_of
from ringfence.bus.outbox import Letter
from ringfence.bus.subscription import (
    MOST_SUBSCRIPTIONS,
    Destination,
    Subscription,
    check_name,
    kind_of,
    shown,
)
from ringfence.errors import ConflictError, InputError
from ringfence.store import BUS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path
    from sqlite3 import Connection

    from ringfence.bus.holds import MessageHold

STATES: Final = ("waiting", "delivered", "dead")
_COLUMNS: Final = "id, subscription, destination, key, event, state, due_ms, attempts, said, made_ms, done_ms"
_COUNTS: Final = " UNION ALL ".join(  # each by an index of its own: no message is read
    f"SELECT destination, '{state}', count(*) FROM message WHERE state = '{state}' GROUP BY 1"  # noqa: S608 (constants)
    for state in sorted(STATES)
)
_TRY_ANEW: Final = "UPDATE message SET tried_ms = 0 WHERE state = 'waiting' AND tried_ms > 0"  # it was held
_SECRET_BYTES: Final = 32
_ROTATED_AGAIN_MS: Final = 600_000  # sooner, it is a page that was loaded again, or a call that was repeated


class Bus:
    """What people see and change of the bus; `check` as of `OutboxDatabase`."""

    def __init__(self, folder: Path, check: Callable[[], None] = lambda: None) -> None:
        self.database = OutboxDatabase(folder, check)

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether a bus has ever been used in a data folder."""
        return (folder / BUS).exists()

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        self.database.close()

    def subscriptions(self) -> list[Subscription]:
        """All of them, by name."""
        rows = self.database.rows("SELECT body FROM subscription ORDER BY name")
        return [msgspec.json.decode(body, type=Subscription) for (body,) in rows]

    def subscription(self, name: str) -> Subscription:
        """One of them; `InputError` with those that there are."""
        known = self.subscriptions()
        for one in known:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in known) or "none yet: `ringfence bus subscribe` makes one"
        raise InputError(f"there is no subscription {name[:80]!r}: {names}")

    def subscribe(self, wanted: Subscription) -> Subscription:
        """Add a subscription; `ConflictError` where its name stands for another one."""
        check_name(wanted.name)
        wanted.parsed()
        kind = kind_of(wanted.to)
        with self.database.transaction() as connection:
            known = {one.name: one for one in self.subscriptions()}
            before = known.get(wanted.name)
            if before is not None:
                same = (before.pattern, before.to, before.ordered)
                if same != (wanted.pattern, wanted.to, wanted.ordered):
                    raise ConflictError(
                        f"there is a subscription {wanted.name!r} already, to {shown(before.to)}: remove it "
                        "first, or choose another name"
                    )
                return before
            if len(known) >= MOST_SUBSCRIPTIONS:
                raise InputError(f"there are {MOST_SUBSCRIPTIONS} subscriptions already: remove one first")
            connection.execute("INSERT INTO subscription VALUES (?, ?)", (wanted.name, _text(wanted)))
            fresh = Destination(
                address=wanted.to, kind=kind, secrets=(new_secret(),) if kind == "webhook" else ()
            )
            connection.execute(
                "INSERT INTO destination VALUES (?, ?) ON CONFLICT DO NOTHING", (wanted.to, _text(fresh))
            )
        return wanted

    def pause(self, name: str, *, paused: bool) -> None:
        """Have a subscription's messages wait, or go on; `InputError` as of `subscription`."""
        with self.database.transaction() as connection:
            changed = msgspec.structs.replace(self.subscription(name), paused=paused)
            connection.execute("UPDATE subscription SET body = ? WHERE name = ?", (_text(changed), name))
            if not paused:
                connection.execute(f"{_TRY_ANEW} AND subscription = ?", (name,))

    def remove(self, name: str, kept: Collection[str]) -> int:
        """Take a subscription away, and what it still waits for; how many messages that were.

        Its destination goes too, with its secret, unless it is in `kept` (the alert policy's addresses), or
        another subscription or a message that is not delivered names it.
        """
        with self.database.transaction() as connection:
            to = self.subscription(name).to
            connection.execute("DELETE FROM subscription WHERE name = ?", (name,))
            gone = connection.execute(
                "DELETE FROM message WHERE subscription = ? AND state = 'waiting'", (name,)
            ).rowcount
            if to not in kept and all(one.to != to for one in self.subscriptions()):
                connection.execute(
                    "DELETE FROM destination WHERE address = ? AND NOT EXISTS "
                    "(SELECT 1 FROM message WHERE destination = ? AND state <> 'delivered')",
                    (to, to),
                )
        return gone

    def destinations(self) -> list[Destination]:
        """All of them, by address."""
        rows = self.database.rows("SELECT body FROM destination ORDER BY address")
        return [msgspec.json.decode(body, type=Destination) for (body,) in rows]

    def destination(self, address: str) -> Destination:
        """One of them; `InputError` with those that there are."""
        known = self.destinations()
        for one in known:
            if one.address == address:
                return one
        names = ", ".join(shown(one.address) for one in known) or "none yet"
        raise InputError(f"there is no destination {shown(address)[:80]!r}: {names}")

    def change(self, address: str, **fields: Any) -> Destination:
        """Set fields of a destination."""
        with self.database.transaction() as connection:
            return self.change_within(connection, address, **fields)

    def change_within(self, connection: Connection, address: str, **fields: Any) -> Destination:
        """As `change`, within a transaction of the same file."""
        known = self.destination(address)
        changed = msgspec.structs.replace(known, **fields)
        if changed != known:
            connection.execute("UPDATE destination SET body = ? WHERE address = ?", (_text(changed), address))
        if known.disabled and not changed.disabled:
            connection.execute(f"{_TRY_ANEW} AND destination = ?", (address,))
        return changed

    def rotate(self, address: str, now_ms: int) -> Destination:
        """See `Outbox.rotate`."""
        with self.database.transaction() as connection:
            known = self.destination(address)
            if known.kind != "webhook":
                raise InputError(f"{shown(address)}: only messages to webhooks are signed")
            if 0 <= now_ms - known.rotated_ms < _ROTATED_AGAIN_MS:
                raise ConflictError(
                    f"{shown(address)} got a new secret less than ten minutes ago, and one more would lock "
                    "out a receiver that does not know it yet: `ringfence bus secret ADDRESS` shows it"
                )
            secrets = (new_secret(), *known.secrets[:1])
            return self.change_within(connection, address, secrets=secrets, rotated_ms=now_ms)

    def letters(
        self,
        *,
        state: str | None = None,
        subscription: str | None = None,
        destination: str | None = None,
        limit: int = 100,
    ) -> list[Letter]:
        """Messages, newest first, where every filter holds."""
        where, arguments = _where(state=state, subscription=subscription, destination=destination)
        # few are undelivered, and the plus has SQLite ask the index of these: it would read all messages
        by = "+seq" if state in ("waiting", "dead") else "seq"
        chosen = f"SELECT seq FROM message WHERE {' AND '.join(where) or '1'} ORDER BY {by} DESC LIMIT ?"  # noqa: S608 (constants)
        text = f"SELECT {_COLUMNS} FROM message WHERE seq IN ({chosen}) ORDER BY seq DESC"  # noqa: S608 (constants)
        return [Letter(*row) for row in self.database.rows(text, (*arguments, limit))]

    def letter(self, message_id: str) -> Letter:
        """The message with this id; `InputError` where there is none."""
        rows = self.database.rows(f"SELECT {_COLUMNS} FROM message WHERE id = ?", (message_id,))  # noqa: S608 (constants)
        if not rows:
            raise _unknown(message_id)
        return Letter(*rows[0])

    def counts(self) -> list[tuple[str, str, int]]:
        """How many messages of each destination are in each state."""
        found: list[Any] = self.database.rows(_COUNTS)
        return found

    def figures(self) -> list[tuple[str, int, int, int]]:
        """By kind of destination: waiting messages, dead letters, since when the first of those waits.

        A message that quiet hours hold back waits from their end on: in milliseconds, maybe of the future.
        """
        found: dict[str, list[int]] = {}
        counts = self.database.rows(
            "SELECT destination, count(*), "
            "min(CASE attempts WHEN 0 THEN max(made_ms, due_ms) ELSE made_ms END) "
            "FROM message WHERE state = 'waiting' GROUP BY 1"
        )
        dead = dict(
            self.database.rows("SELECT destination, count(*) FROM message WHERE state = 'dead' GROUP BY 1")
        )
        waiting = {address: (count, oldest) for address, count, oldest in counts}
        for one in self.destinations():
            kind = found.setdefault(one.kind, [0, 0, 0])
            count, oldest = waiting.get(one.address, (0, 0))
            kind[0] += count
            kind[1] += dead.get(one.address, 0)
            kind[2] = min(filter(None, (kind[2], oldest)), default=0)
        return [(kind, one[0], one[1], one[2]) for kind, one in sorted(found.items())]

    def holds(self, letters: Iterable[Letter], now_ms: int) -> dict[str, MessageHold]:
        """See `Outbox.holds`."""
        return holds_of(self.database, letters, self.subscriptions(), self.destinations(), now_ms)

    def retry(
        self,
        ids: Iterable[str] = (),
        *,
        destination: str | None = None,
        subscription: str | None = None,
        now_ms: int,
    ) -> int:
        """Have dead letters tried again from the beginning, and waiting ones at once; how many that are.

        Those with these ids, or all dead ones where the filters hold. `InputError` where an id is of no
        message: nothing is done for the others then.
        """
        told = "state = 'waiting', attempts = 0, due_ms = 0, made_ms = ?, done_ms = 0, tried_ms = 0"
        chosen = list(ids)
        wheres = [(["id = ?", "state <> 'delivered'"], [one]) for one in chosen]
        if not chosen:
            wheres = [_where(state="dead", destination=destination, subscription=subscription)]
        found: list[str] = []
        with self.database.transaction() as connection:
            _check_known(connection, chosen)
            for where, arguments in wheres:
                text = f"UPDATE message SET {told} WHERE {' AND '.join(where)} RETURNING destination"  # noqa: S608 (constants)
                found += [address for (address,) in connection.execute(text, (now_ms, *arguments))]
            for address in {*found, *filter(None, [destination])}:  # at once, also where it has failed lately
                with suppress(InputError):  # it has been removed
                    self.change_within(connection, address, open_until_ms=0)
        return len(found)

    def purge(
        self,
        ids: Iterable[str] = (),
        *,
        destination: str | None = None,
        subscription: str | None = None,
        expected: int | None = None,
    ) -> int:
        """See `Outbox.purge`."""
        chosen = list(ids)
        with self.database.transaction() as connection:
            _check_known(connection, chosen)
            if chosen:
                return sum(
                    connection.execute("DELETE FROM message WHERE id = ? AND state = 'dead'", (one,)).rowcount
                    for one in chosen
                )
            where, arguments = _where(state="dead", destination=destination, subscription=subscription)
            gone = connection.execute(
                f"DELETE FROM message WHERE {' AND '.join(where)}",  # noqa: S608 (constants)
                arguments,
            ).rowcount
            if expected is not None and gone not in (0, expected):
                raise ConflictError(
                    f"there are {gone:,} dead letters now, and {expected:,} were confirmed. "
                    "Nothing was deleted: confirm the new number"
                )
            return gone


def _check_known(connection: Connection, ids: Iterable[str]) -> None:
    for one in ids:
        if connection.execute("SELECT 1 FROM message WHERE id = ?", (one,)).fetchone() is None:
            raise _unknown(one)


def _unknown(message_id: str) -> InputError:
    return InputError(f"the outbox has no message {message_id[:120]!r}: `ringfence outbox list` shows them")


def new_secret() -> str:
    """A secret as Standard Webhooks has them."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _where(state: str | None, **wanted: str | None) -> tuple[list[str], list[Any]]:
    there = {name: value for name, value in wanted.items() if value is not None}
    # the state as a literal: SQLite finds no partial index by an argument
    of_state = [] if state is None else [f"state = '{STATES[STATES.index(state)]}'"]
    return [*of_state, *(f"{name} = ?" for name in there)], list(there.values())


def _text(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()
