"""Answers to questions about what has been decided."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import numpy as np

from ringfence.access.restriction import EVERYTHING, Restriction
from ringfence.api.hot.answers import DecisionAnswer  # noqa: TC001 (msgspec reads the annotations)
from ringfence.api.http.problems import Refusal
from ringfence.decisions.index import DecisionQuery, parse_place
from ringfence.events.ids.hashing import hash_text
from ringfence.events.values.norms import norm
from ringfence.features.spec import ENTITY_KEYS
from ringfence.intake import event_json
from ringfence.scoring.reference.flags import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ringfence.api.services import RecordServices
    from ringfence.ports import EventLog

CURSOR: Final = r"^[0-9]{1,15}-[0-9]{1,18}-[0-9A-Za-z]{1,64}$"
_ENCODER: Final = msgspec.json.Encoder()
_RECENT: Final = 10


class ListedPayment(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who paid whom how much, as far as a list shows it. `amount` is in major units."""

    amount: float | None = None
    currency: str | None = None
    customer_id: str | None = None
    card_id: str | None = None
    merchant_id: str | None = None


class Listed(msgspec.Struct, frozen=True):
    """One line of a list of decisions."""

    decision: DecisionAnswer
    transaction: ListedPayment


class Page(msgspec.Struct, frozen=True):
    """Decisions, newest first. `next_cursor` is null on the last page; it names the log that it is of."""

    decisions: list[Listed]
    next_cursor: str | None


class Details(msgspec.Struct, frozen=True):
    """A decision with all that it knew."""

    decision: DecisionAnswer
    features: dict[str, float | None]
    transaction: dict[str, Any]


class ListMembership(msgspec.Struct, frozen=True):
    """A list that the entity is in."""

    name: str
    kind: str


class EntityState(msgspec.Struct, frozen=True):
    """What is known of an entity.

    `features` are as of now (`as_of_ms`): what has left a window by now is not counted. A feature is null
    where nothing is known, and where it compares a payment with those before it.
    """

    entity_type: str
    entity_id: str
    lists: list[ListMembership]
    flagged_since_ms: int | None
    as_of_ms: int
    features: dict[str, float | None]
    recent: list[Listed]


def parse_cursor(text: str, log: EventLog) -> tuple[int, int]:
    """The place that a cursor names; `Refusal` (422) of one that another log has given."""
    place, _, identity = text.rpartition("-")
    check_log(identity, log)
    return parse_place(place)


def check_log(identity: str, log: EventLog) -> None:
    """`Refusal` (422) unless this is the log: an offset of another one would name other events."""
    if identity != log.identity:
        raise Refusal(
            422,
            "other_log",
            f"this place is in the log {identity}, and the server has {log.identity}: begin with the first "
            "page, or ask the server that has that log",
        )


def id_in_norm(entity_type: str, entity_id: str) -> str:
    """The id of an entity as payments have it.

    >>> id_in_norm("email", "Bob@Mail.Example"), id_in_norm("ip", "::ffff:1.2.3.4")
    ('bob@mail.example', '1.2.3.4')
    """
    return norm(ENTITY_KEYS[entity_type], entity_id)


def page(services: RecordServices, query: DecisionQuery, restriction: Restriction = EVERYTHING) -> bytes:
    """One page of decisions, as JSON, as far as a restriction shows their payments.

    What it does not show is left out of the page, which may be empty although more follow.
    """
    rows = services.lake.decisions(query).to_pylist()
    last = rows[-1] if len(rows) == query.limit else None
    log = services.store.log.identity
    cursor = f"{last['event_time_ms']}-{last['offset']}-{log}" if last else None
    hidden, regions = restriction.concealed, restriction.regions
    within = [row for row in rows if not regions or restriction.shows(_country(services, row["offset"]))]
    shown = b",".join(_kept(services, [row | dict.fromkeys(hidden & row.keys()) for row in within]))
    return b'{"decisions":[%b],"next_cursor":%b}' % (shown, _ENCODER.encode(cursor))


def details(
    services: RecordServices,
    transaction_id: str,
    account_id: str | None = None,
    restriction: Restriction = EVERYTHING,
) -> bytes | None:
    """One decision with features and payment, as far as a restriction shows it, as JSON.

    None where there is none, not of this account, or of another region.
    """
    found = services.stored.decision_of(transaction_id)
    if found is None:
        return None
    known = found.batch.row(found.row)
    event = services.stored.event_at(known.offset)
    payment = event_json(*event) if event is not None else {}
    if account_id is not None and payment.get("account_id") != id_in_norm("account", account_id):
        return None
    if not restriction.shows(payment.get("country")):
        return None
    return b'{"decision":%b,"features":%b,"transaction":%b}' % (
        services.answers.encode_one(found.batch, found.row),
        _ENCODER.encode(known.features),
        _ENCODER.encode(_without(restriction.concealed, payment)),
    )


def _country(services: RecordServices, offset: int) -> str | None:
    event = services.stored.event_at(offset)
    return None if event is None else event_json(*event).get("country")


def _without(hidden: frozenset[str], fields: dict[str, Any], within: str = "") -> dict[str, Any]:
    return {
        name: _without(hidden, value, f"{within}{name}.") if isinstance(value, dict) else value
        for name, value in fields.items()
        if name not in hidden and within + name not in hidden
    }


class EntityStanding(NamedTuple):
    """How an entity stands in the state: what the next payment would meet."""

    features: dict[str, float | None]
    lists: list[tuple[str, str]]  # name and kind
    flagged_since_ms: int | None
    profile: dict[str, float | str]


async def standing(services: RecordServices, entity_type: str, entity_id: str, now_ms: int) -> EntityStanding:
    """How an entity stands at a time; `Refusal` (503) while nothing can be decided."""
    pipeline = services.pipeline
    id_hash = hash_text(entity_id, pipeline.seed)

    def ask() -> EntityStanding:
        reference = pipeline.reference
        since = int(reference.flags.since(entity_type, np.array([id_hash]), np.array([now_ms]))[0])
        found = pipeline.engine.observe(entity_type, entity_id, now_ms)
        return EntityStanding(
            {name: None if math.isnan(value) else value for name, value in found.items()},
            reference.lists.of(entity_type, id_hash, now_ms),
            None if since == NEVER else since,
            reference.profiles.attributes(entity_type, id_hash),
        )

    return await services.decider.look(ask)


async def entity(services: RecordServices, entity_type: str, entity_id: str) -> dict[str, Any]:
    """What is known of one entity."""
    now_ms, given = services.clock.now_ms(), entity_id
    entity_id = id_in_norm(entity_type, given)
    state = await standing(services, entity_type, entity_id, now_ms)
    return {
        "entity_type": entity_type,
        "entity_id": entity_id,
        "lists": [ListMembership(name, kind) for name, kind in state.lists],
        "flagged_since_ms": state.flagged_since_ms,
        "as_of_ms": now_ms,
        "features": state.features,
        "recent": await services.pools.reading.run(_recent, services, entity_type, entity_id, given),
    }


def _recent(services: RecordServices, entity_type: str, entity_id: str, given: str) -> list[msgspec.Raw]:
    query = DecisionQuery(entity=entity_type, entity_id=entity_id, limit=_RECENT, or_id=given)
    return [msgspec.Raw(shown) for shown in _kept(services, services.lake.decisions(query).to_pylist())]


def _kept(services: RecordServices, rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Each decision with its payment, as JSON; those that retention has taken from the log are left out."""
    for row in rows:
        found = services.stored.decision_at(row["offset"])
        if found is not None:
            payment = ListedPayment(*(row[name] for name in ListedPayment.__struct_fields__))
            answer = services.answers.encode_one(found.batch, found.row)
            yield b'{"decision":%b,"transaction":%b}' % (answer, _ENCODER.encode(payment))
