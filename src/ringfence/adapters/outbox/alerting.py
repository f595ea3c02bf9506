"""Makes alerts of decisions, and messages of alerts: nothing is written before the transaction of a take."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from ringfence.adapters.outbox import alert_book
from ringfence.adapters.outbox.bus import new_secret
from ringfence.adapters.outbox.caps import OF_CLOCK, OF_DECISIONS, MessageCaps, name_digest
from ringfence.alerts import events
from ringfence.alerts.model import belongs, grown, opened, subject_of
from ringfence.alerts.policy import LANGUAGES, Severity
from ringfence.bus.pattern import matches
from ringfence.bus.retry import DEAD_AFTER_MS
from ringfence.bus.subscription import Destination, is_contact, kind_of, tag, unkeyed_digest_of
from ringfence.events.privacy.personal import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from sqlite3 import Connection

    from ringfence.adapters.outbox.bus import Bus
    from ringfence.adapters.outbox.contacts import Contacts
    from ringfence.adapters.outbox.database import OutboxDatabase
    from ringfence.alerts.model import Alert
    from ringfence.alerts.policy import AlertPolicy
    from ringfence.bus.subscription import Subscription
    from ringfence.scoring.rulesets.ruleset import RuleSet

_LOGGER: Final = logging.getLogger(__name__)
ALERTS: Final = "alerts"
"""Stands for a subscription in messages that the alert policy asks for."""

_CONTACTS: Final = {"mail": "email", "sms": "phone", "console": "customer_id"}
_ESCALATED: Final = "escalated"  # before a severity among caps; by itself in those of an earlier version
_ENCODER: Final = msgspec.json.Encoder()


class OutboxRow(msgspec.Struct, frozen=True):
    """A message to be put into the outbox; `offset` is of the record it comes of."""

    id: str
    subscription: str
    destination: str
    key: str
    event: bytes
    due_ms: int
    offset: int
    ordered: bool = False


class _Due(NamedTuple):
    """An alert to be told of, and the decision that opened or raised it."""

    row: int
    offset: int
    alert: Alert
    event: dict[str, Any]
    type: str


class MuteInForce(msgspec.Struct, frozen=True):
    """What of a `Mute` counts when a decision comes. Of the kinds of entities, none stands for any."""

    until_ms: int
    kinds: tuple[str, ...] = ()

    def is_about(self, entity: str) -> bool:
        """Whether it mutes such an entity: a shop may have the number of a card."""
        return not self.kinds or entity in self.kinds


class Alerting:
    """The alerts of one take.

    Args:
        database: is read only.
        rules: the rule set of a digest, for reasons in words.
    """

    def __init__(
        self,
        database: OutboxDatabase,
        policy: AlertPolicy,
        log_id: str,
        now_ms: int,
        mutes: Mapping[tuple[str, str], MuteInForce],
        subscriptions: Sequence[Subscription],
        rules: Callable[[str], RuleSet | None],
        contacts: Contacts,
    ) -> None:
        self._database = database
        self._contacts = contacts
        self._policy = policy
        self._log_id = log_id
        self._now_ms = now_ms
        self._subscriptions = [(one, one.parsed()) for one in subscriptions]
        self._rules = rules
        self._near: dict[tuple[str, str, str], list[Alert]] = {}
        self._changed: dict[str, Alert] = {}
        self._caps = MessageCaps(OF_DECISIONS, database.rows, policy)
        self._asked: dict[tuple[str, str], int] = {}
        self._unasked = 0  # of payments that are too old
        self._mutes = mutes
        self._due: list[_Due] = []
        self._notices: list[tuple[str, bytes]] = []
        self.rows: list[OutboxRow] = []

    def add(self, row: int, offset: int, event: dict[str, Any]) -> None:
        """Take in a decision that raises an alert by its outcome; it comes without its features."""
        subject = subject_of(event)
        decision = event["data"]
        if self._policy.is_too_old(decision["event_time_ms"], decision["decided_at_ms"]):
            return
        if self._is_muted(subject, event):
            return
        if subject not in self._near:
            self._near[subject] = alert_book.near(self._database, subject)
        known = self._near[subject]
        for place, alert in enumerate(known):
            if belongs(alert, event, self._policy):
                known[place], raised = grown(alert, event, self._policy)
                self._changed[alert.id] = known[place]
                if raised:
                    self._due.append(_Due(row, offset, known[place], event, events.RAISED))
                return
        fresh = opened(offset, event, self._policy)
        known.insert(0, fresh)
        self._changed[fresh.id] = fresh
        self._due.append(_Due(row, offset, fresh, event, events.OPENED))
        self._ask_customer(offset, fresh, event)

    def tell(self, feature: Callable[[int, str], float | None]) -> None:
        """Make the messages of what was added; `feature` gives the value that a row has of one."""
        due, self._due = self._due, []
        for one in due:
            self._tell(one, partial(feature, one.row))

    def write(self, connection: Connection) -> None:
        """Write all but the messages."""
        if self._unasked:
            _LOGGER.warning(
                "Customers are not asked about %d payments: these are older than three days, or the clock of "
                "their source is wrong",
                self._unasked,
            )
        alert_book.put(connection, list(self._changed.values()))
        alert_book.keep(connection, self._now_ms, self._notices)
        self._caps.write(connection)
        if self._asked:
            connection.executemany(
                "INSERT OR REPLACE INTO asked VALUES (?, ?, ?)",
                [(*whom, at_ms) for whom, at_ms in self._asked.items()],
            )
            ended_ms = max(self._asked.values()) - self._policy.window_ms
            connection.execute("DELETE FROM asked WHERE at_ms <= ?", (ended_ms,))
        for address in {one.destination for one in self.rows if one.subscription == ALERTS}:
            declare(connection, address)

    def _tell(self, due: _Due, feature: Callable[[str], float | None]) -> None:
        """Make the team's messages, and those of whoever subscribes to alerts."""
        _, offset, alert, event, type_ = due
        if self._now_ms - event["data"]["decided_at_ms"] > DEAD_AFTER_MS:
            return  # history that is read again, or for the first time: nobody wants to hear of it
        ruleset = self._rules(event["data"].get("versions", {}).get("rules", ""))
        data = events.alert_data(alert, event, events.explanations(event, ruleset, feature))
        source = f"/ringfence/{self._log_id}"
        event_id = f"{alert.id}:{alert.severity}"
        told = events.event_of(type_, source, event_id, event["data"]["decided_at_ms"], alert.entity_id, data)
        body = _ENCODER.encode(told)
        self._notices.append((event_id, body))
        severity = Severity[alert.severity.upper()]
        due_ms = self._policy.due_ms(event["data"]["decided_at_ms"], severity)  # a night's go in the morning
        for address in self._policy.team:
            if self._caps.allow(address, alert.severity, due_ms, alert.id):
                self._put(
                    offset, f"{event_id}:{tag(address)}", ALERTS, address, alert.entity_id, body, due_ms
                )
        for one, pattern in self._subscriptions:
            if matches(pattern, told):
                self._put(offset, f"{event_id}:{one.name}", one.name, one.to, alert.entity_id, body, 0)

    def _ask_customer(self, offset: int, alert: Alert, event: dict[str, Any]) -> None:
        """One message a window, in the customer's language, about the payment that opened an alert."""
        policy, decision = self._policy, event["data"]
        paid_ms = min(decision["decided_at_ms"], decision["event_time_ms"])
        is_stale = self._now_ms - paid_ms > DEAD_AFTER_MS  # a file of last year's payments may be decided now
        if not policy.customer or decision["outcome"] not in policy.customer_outcomes:
            return
        if is_stale:
            self._unasked += 1
            return
        payment = decision.get("transaction", {})
        told = payment | {"language": payment.get("attributes", {}).get("language")}
        if policy.contacts == "profile" and policy.customer != "console":
            told = self._contacts.of(payment, decision["offset"])
        to, language = told.get(_CONTACTS[policy.customer]), told.get("language")
        if not to or not (TOKEN.fullmatch(to) or is_contact(policy.customer, to)):
            return
        data = events.alert_data(alert, event, [])
        data = {
            "to": to,
            "is_ours": bool(policy.contacts),
            "language": language if language in LANGUAGES else policy.language,
            "alert": {"id": alert.id},
            "decision": {
                name: data["decision"][name]
                for name in ("transaction_id", "outcome", "transaction", "event_time_ms", "decided_at_ms")
                if name in data["decision"]
            },
        }
        asked = events.event_of(
            events.CUSTOMER_ASKED,
            f"/ringfence/{self._log_id}",
            f"{alert.id}:customer",
            decision["decided_at_ms"],
            alert.entity_id,
            data,
        )
        if not self._may_ask((payment.get("customer_id") or "", to), decision["decided_at_ms"]):
            return
        address = f"customer:{policy.customer}"
        body = _ENCODER.encode(asked)
        self._put(offset, f"{alert.id}:customer", ALERTS, address, alert.entity_id, body, 0)

    def _may_ask(self, whom: tuple[str, str], at_ms: int) -> bool:
        """Note that a customer is asked, unless they were within the window: a burst may open many alerts."""
        last_ms = self._asked.get(whom)
        if last_ms is None:
            found = self._database.rows("SELECT at_ms FROM asked WHERE customer_id = ? AND reached = ?", whom)
            last_ms = found[0][0] if found else None
        if last_ms is not None and abs(at_ms - last_ms) < self._policy.window_ms:
            return False
        self._asked[whom] = at_ms
        return True

    def _put(
        self, offset: int, tail: str, subscription: str, to: str, key: str, body: bytes, due_ms: int
    ) -> None:
        self.rows.append(
            OutboxRow(f"{self._log_id}:alerts:{tail}", subscription, to, key, body, due_ms, offset)
        )

    def _is_muted(self, subject: tuple[str, str, str], event: dict[str, Any]) -> bool:
        if not self._mutes:
            return False
        entity, entity_id, typology = subject
        names = {typology, "*", *event["data"].get("rules", ()), *event["data"].get("reasons", ())}
        at_ms = event["data"]["decided_at_ms"]
        found = (self._mutes.get((name, whom)) for name in names for whom in (entity_id, "*"))
        return any(one is not None and one.until_ms > at_ms and one.is_about(entity) for one in found)


def declare(connection: Connection, address: str) -> None:
    """There is such a destination, which the alert policy names."""
    kind = address.partition(":")[2] if address.startswith("customer:") else kind_of(address)
    secrets = (new_secret(),) if kind == "webhook" else ()
    body = msgspec.json.encode(Destination(address=address, kind=kind, secrets=secrets)).decode()
    connection.execute("INSERT INTO destination VALUES (?, ?) ON CONFLICT DO NOTHING", (address, body))


def _is_first(connection: Connection, done: str) -> bool:
    """Whether this is done for the first time; it is not, afterwards."""
    return connection.execute("INSERT INTO done VALUES (?) ON CONFLICT DO NOTHING", (done,)).rowcount > 0


class Watch:
    """What alerts do by the clock: digests of what a cap held back, and escalation."""

    def __init__(self, bus: Bus, policy: AlertPolicy, log_id: str) -> None:
        self._bus = bus
        self._policy = policy
        self._log_id = log_id

    def look(self, now_ms: int) -> int:
        """Make the messages that are due; how many."""
        with self._bus.database.transaction(at_leisure=True) as connection:  # lost, they are made again
            made = [*self._digests(connection, now_ms), *self._escalations(connection, now_ms)]
            for address in {row[2] for row in made}:
                declare(connection, address)
            connection.executemany(
                "INSERT INTO message (id, subscription, destination, key, ordered, event, state, due_ms, "
                "made_ms) VALUES (?, ?, ?, ?, 0, ?, 'waiting', ?, ?) ON CONFLICT (id) DO NOTHING",
                [(*row, now_ms) for row in made],
            )
        return len(made)

    def _digests(self, connection: Connection, now_ms: int) -> list[tuple[Any, ...]]:
        ended = now_ms // self._policy.per_ms
        rows = connection.execute(
            "SELECT destination, bucket, held, coalesce(told, 0) "
            "FROM (SELECT * FROM cap UNION ALL SELECT * FROM clock_cap) "
            "LEFT JOIN digest USING (destination, bucket) "
            "WHERE bucket BETWEEN ? AND ? AND held <> '{}' AND coalesce(told_in, 0) < ?",
            (ended - DEAD_AFTER_MS // self._policy.per_ms - 2, ended - 1, ended),
        ).fetchall()
        made = []
        for capped, bucket, held_text, told in rows:
            what, _, address = capped.partition(" ")
            severity = what.removeprefix(_ESCALATED).removeprefix("-") or self._policy.escalate_from
            told_as = what.replace("-", " ")
            held = msgspec.json.decode(held_text).get(what, 0)
            if held <= told:
                continue  # what a late decision held back afterwards is told once a period
            connection.execute(
                "INSERT OR REPLACE INTO digest VALUES (?, ?, ?, ?)", (capped, bucket, held, ended)
            )
            subject = f"digest-{what}-{bucket}" + (f"-{told}" if told else "")
            data = {"count": held - told, "severity": severity, "severities": f"{held - told:,} {told_as}"}
            name = f"{subject}-{unkeyed_digest_of(address)}"
            if name_digest(connection, name, (capped, bucket), told + 1, held):
                data["digest"] = name
            due_ms = self._policy.due_ms(now_ms, Severity[severity.upper()])
            made.append((*self._row(events.DIGEST, subject, address, now_ms, data), due_ms))
        return made

    def _escalations(self, connection: Connection, now_ms: int) -> list[tuple[Any, ...]]:
        policy = self._policy
        if not policy.escalate_to:
            return []
        until_ms = now_ms - policy.escalate_after_ms
        least = Severity[policy.escalate_from.upper()]
        if policy.due_ms(until_ms, least) > until_ms:  # the team has not been told of these yet
            least = Severity[policy.quiet_below.upper()]
        rows = connection.execute(
            "SELECT alert.id, alert.body FROM alert LEFT JOIN seen ON seen.id = alert.id "
            "WHERE raised_ms <= ? AND raised_ms > ? AND severity >= ? AND seen.id IS NULL "
            "AND alert.id NOT IN (SELECT id FROM done) LIMIT 1000",
            (until_ms, until_ms - DEAD_AFTER_MS, least),
        ).fetchall()
        made = []
        caps = MessageCaps(OF_CLOCK, lambda *asked: connection.execute(*asked).fetchall(), policy)
        for alert_id, body in rows:
            alert = msgspec.json.decode(body)
            _is_first(connection, alert_id)
            data = {"alert": alert, "minutes": -(-policy.escalate_after_ms // 60_000)}
            rows = [
                self._row(events.ESCALATED, alert_id, address, now_ms, data) for address in policy.escalate_to
            ]
            alert_book.keep(connection, now_ms, [(f"{alert_id}:escalated", rows[0][-1])])
            due_ms = policy.due_ms(now_ms, Severity[alert["severity"].upper()])
            severity = f"{_ESCALATED}-{alert['severity']}"
            made += [(*row, due_ms) for row in rows if caps.allow(row[2], severity, due_ms, alert_id)]
        caps.write(connection)
        return made

    def _row(self, type_: str, subject: str, to: str, now_ms: int, data: dict[str, Any]) -> tuple[Any, ...]:
        kind = type_.split(".")[-2]
        event = events.event_of(
            type_, f"/ringfence/{self._log_id}", f"{subject}:{kind}", now_ms, subject, data
        )
        message_id = f"{self._log_id}:alerts:{subject}:{kind}:{tag(to)}"
        return message_id, ALERTS, to, subject, _ENCODER.encode(event)
