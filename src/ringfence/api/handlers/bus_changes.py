"""What people change of the bus through a running server, over HTTP or on a page; off the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from ringfence.bus.health import HealthState, health_of
from ringfence.bus.holds import HoldReason  # noqa: TC001 (msgspec reads the annotations)
from ringfence.bus.pattern import MOST_BYTES
from ringfence.bus.subscription import EVERYTHING, check_name, digest_of, kind_of, shown
from ringfence.compose.messaging.alerts import alert_policy
from ringfence.compose.messaging.notifiers import check_destination
from ringfence.desks import bus as desk
from ringfence.desks.bus import Appraisal  # noqa: TC001 (msgspec reads the annotations)
from ringfence.errors import InputError
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.api.services import BusServices
    from ringfence.bus.health import DestinationHealth
    from ringfence.bus.holds import MessageHold
    from ringfence.bus.outbox import Letter
    from ringfence.bus.subscription import Destination

MOST_LETTERS: Final = 500
PatternText = Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_BYTES)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]


class Subscribe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A subscription to make: `pattern` is one of EventBridge's as JSON, or an expression of the rules."""

    name: Name
    to: Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
    pattern: PatternText = EVERYTHING
    ordered: bool = False


class TryPattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pattern or an expression to try on the last day's events."""

    pattern: PatternText


class Chosen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Messages of the outbox by their ids, or, with `all`, all dead letters (of a subscription)."""

    ids: Annotated[list[Id], msgspec.Meta(max_length=MOST_LETTERS)] = []
    all: bool = False
    subscription: Name | None = None


class Subscribed(msgspec.Struct, frozen=True):
    """The subscription, what it would have matched lately, and a webhook's secret to verify messages with."""

    name: str
    to: str
    pattern: str
    ordered: bool
    last_day: Appraisal
    secret: str = ""


class DestinationView(msgspec.Struct, frozen=True):
    """Where messages go: `disabled` says why nothing is sent, `said` what it answered last.

    `health` is the worst of disabled, failing, dead letters, waiting and healthy; `waiting` and `dead` count
    messages.

    `id` stands for the address, which is not shown in full, in the routes that change a destination. Those
    who may not change any get no `id` and none of the receiver's words: these may quote a message.
    """

    id: str
    address: str
    kind: str
    disabled: str
    failing: int
    failing_since_ms: int
    said: str
    health: HealthState
    waiting: int
    dead: int


class NewSecret(msgspec.Struct, frozen=True):
    """A webhook's new secret. The one before signs, too, until the next one is made."""

    id: str
    address: str
    secret: str


class LetterView(msgspec.Struct, frozen=True):
    """A message in the outbox, without its event; `said` is what the destination answered last.

    `held_by` is what holds a waiting one, null where it may go now, and `held_until_ms` until when: 0 where
    no time ends it.
    """

    id: str
    subscription: str
    destination: str
    state: str
    attempts: int
    due_ms: int
    made_ms: int
    said: str
    held_by: HoldReason | None = None
    held_until_ms: int = 0


def subscribe(services: BusServices, asked: Subscribe, found: Appraisal) -> Subscribed:
    """Make a subscription whose pattern was tried; errors as of `Bus.subscribe` and `check_destination`."""
    check_destination(asked.to, load_settings())
    bus = services.outboxes.bus
    now_ms = services.clock.now_ms()
    log = services.store.log
    made = desk.subscribe(bus, log, asked.name, asked.pattern, asked.to, ordered=asked.ordered, now_ms=now_ms)
    secret = next(iter(bus.destination(made.to).secrets), "")
    return Subscribed(made.name, shown(made.to), made.pattern, made.ordered, found, secret)


def faults(asked: Subscribe) -> dict[str, str]:
    """What is wrong with name and address of a subscription that somebody wants, by field."""
    found = {}
    checks: tuple[tuple[str, Callable[[], object]], ...] = (
        ("name", lambda: check_name(asked.name)),
        ("to", lambda: check_destination(asked.to, load_settings())),
    )
    for field, check in checks:
        try:
            check()
        except InputError as error:
            found[field] = str(error)
    return found


def told(to: str) -> str:
    """What the audit trail keeps of an address that somebody wrote: its scheme alone where it is none."""
    address = to.strip()
    try:
        kind_of(address)
    except InputError:
        scheme, colon, _ = address.partition(":")
        return f"{scheme[:20]}:…" if colon else "…"
    return shown(address)[:200]


async def appraise(services: BusServices, pattern: str) -> Appraisal:
    """What a pattern would have matched lately; `InputError` where it is none. On the event loop."""
    return await services.pools.patterns.run(services.inquiries.appraise, pattern)


def remove(services: BusServices, name: str) -> int:
    """As `Bus.remove`; what the alert policy names stays."""
    policy = alert_policy()
    return services.outboxes.bus.remove(name, (*policy.team, *policy.escalate_to))


def address_of(services: BusServices, digest: str) -> str:
    """As `desks.bus.address_of`."""
    if not services.outboxes.is_used:
        raise InputError("there is no destination yet: a subscription or alerts.toml names one")
    return desk.address_of(services.outboxes.bus, digest, services.store.meta.token_key)


def enable(services: BusServices, address: str) -> DestinationView:
    """As `desks.bus.enable`."""
    bus = services.outboxes.bus
    changed = desk.enable(bus, address)
    return destination_view(services, changed, health_of([changed], bus.counts())[address])


def rotate(services: BusServices, address: str) -> NewSecret:
    """As `Bus.rotate`."""
    changed = services.outboxes.bus.rotate(address, services.clock.now_ms())
    return NewSecret(id_of(services, address), shown(address), changed.secrets[0])


def id_of(services: BusServices, address: str) -> str:
    """What names a destination in routes and forms."""
    return digest_of(address, services.store.meta.token_key)


def destinations(services: BusServices, *, operates: bool) -> list[DestinationView]:
    """All of them, as people see them who change the bus, or as others do."""
    known = services.outboxes.bus.destinations()
    found = health_of(known, services.outboxes.bus.counts())
    return [destination_view(services, one, found[one.address], operates=operates) for one in known]


def destination_view(
    services: BusServices, one: Destination, health: DestinationHealth, *, operates: bool = True
) -> DestinationView:
    """A destination as people see it who change the bus, or as others do."""
    if not operates:
        gone = "gone" if one.disabled else ""
        ill = gone, one.failing, one.failing_since_ms, ""
        return DestinationView("", shown(one.address), one.kind, *ill, *health)
    names = id_of(services, one.address), shown(one.address), one.kind
    return DestinationView(*names, one.disabled, one.failing, one.failing_since_ms, one.said, *health)


def letters(services: BusServices, state: str | None, limit: int) -> list[LetterView]:
    """Messages, newest first."""
    bus = services.outboxes.bus
    found = bus.letters(state=state, limit=limit)
    holds = bus.holds(found, services.clock.now_ms())
    return [_view(one, holds.get(one.id)) for one in found]


def retry(services: BusServices, asked: Chosen) -> int:
    """As `Bus.retry`."""
    now_ms = services.clock.now_ms()
    return services.outboxes.bus.retry(_ids(asked), subscription=asked.subscription, now_ms=now_ms)


def purge(services: BusServices, asked: Chosen, expected: int | None = None) -> int:
    """As `Bus.purge`."""
    ids = _ids(asked)
    return services.outboxes.bus.purge(ids, subscription=asked.subscription, expected=expected)


def _ids(asked: Chosen) -> list[str]:
    if bool(asked.ids) == asked.all:
        raise InputError("name messages by their ids, or say all")
    return asked.ids


def _view(one: Letter, hold: MessageHold | None) -> LetterView:
    return LetterView(
        id=one.id,
        subscription=one.subscription,
        destination=shown(one.destination),
        state=one.state,
        attempts=one.attempts,
        due_ms=one.due_ms,
        made_ms=one.made_ms,
        said=one.said,
        held_by=None if hold is None else hold.reason,
        held_until_ms=0 if hold is None else hold.until_ms,
    )
