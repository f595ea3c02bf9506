"""Events of the bus to pull and replay, alerts, and what stands in the outbox."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from ringfence.access.roles import Permission
from ringfence.alerts.book import DIGEST_NAME
from ringfence.alerts.model import Alert  # noqa: TC001 (msgspec reads the annotations)
from ringfence.api.handlers import bus_changes, event_stream
from ringfence.api.handlers.bus_changes import DestinationView  # noqa: TC001 (msgspec reads the annotations)
from ringfence.api.handlers.event_stream import page_of, start_of
from ringfence.api.handlers.reading import check_log
from ringfence.api.handlers.requests import as_json, queues_of, refusals
from ringfence.api.http.callers import owner_of
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import Refusal
from ringfence.api.services import BusServices, services_of
from ringfence.bus.catalog import FEEDS
from ringfence.bus.paging import PulledEvents  # noqa: TC001 (pages are told)
from ringfence.bus.pattern import MOST_BYTES, wanted
from ringfence.bus.subscription import shown
from ringfence.errors import InputError

router = APIRouter(tags=["bus"], route_class=LazyRoute)
_WHICH: Final = "In EventBridge's language as JSON, or an expression of the rules; all events unless given."
Topic = Literal["decisions", "events", "drift", "flag_matches", "model_news", "slo_news", "alerts", "cases"]
_LONG: Final = 1000  # characters of a pattern that may take long
AlertId = Annotated[str, Path(pattern="^alert-[0-9]{1,18}$")]


class EventPage(msgspec.Struct, frozen=True):
    """CloudEvents in order. `after` goes on from here; `end` is where the topic ends now.

    Both are places in `log`: sent back beside `after`, it keeps a place from being looked up in another log.
    """

    events: list[dict[str, Any]]
    after: int
    end: int
    log: str


class SubscriptionView(msgspec.Struct, frozen=True):
    """One subscription."""

    name: str
    pattern: str
    to: str
    ordered: bool
    paused: bool


class BusView(msgspec.Struct, frozen=True):
    """Subscriptions, and how their destinations are."""

    subscriptions: list[SubscriptionView]
    destinations: list[DestinationView]


class AlertPage(msgspec.Struct, frozen=True):
    """Alerts, newest first; `open`, `in_case` and `acknowledged` count all of them, or all of a digest."""

    alerts: list[Alert]
    open: int
    in_case: int
    acknowledged: int


@router.get("/v1/events")
async def events(
    request: Request,
    topic: Annotated[Topic, Query(description="Each topic has places of its own.")] = "decisions",
    after: Annotated[int, Query(ge=0, le=1 << 53, description="As the page before says it.")] = 0,
    log: Annotated[
        str | None,
        Query(pattern="^[0-9A-Za-z]{1,64}$", description="As the page before says it; another is refused."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    pattern: Annotated[
        str | None,
        Query(
            max_length=MOST_BYTES,
            description="EventBridge's language as JSON, or a rule's expression; all events unless given.",
        ),
    ] = None,
) -> Response:
    """Events of the bus as CloudEvents 1.0, from a place on: to pull, to page through, to replay.

    A page may be empty although more events follow: go on with its `after` until that is `end`.
    """
    services = services_of(request, BusServices)
    if log is not None:
        check_log(log, services.store.log)
    if pattern is not None and len(pattern) > _LONG and topic not in FEEDS:
        ask = partial(services.inquiries.page, topic, after, limit, pattern)
        with refusals():
            return as_json(_told(services, await services.pools.patterns.run(ask)))
    own = queues_of(request)
    return as_json(await services.pools.topics.run(_page, services, topic, after, limit, pattern, own))


@router.get("/v1/events/stream")
async def stream(
    request: Request,
    pattern: Annotated[str | None, Query(max_length=MOST_BYTES, description=_WHICH)] = None,
    begin: Annotated[
        Literal["now", "beginning"], Query(description="Where to begin without Last-Event-ID.")
    ] = "now",
) -> Response:
    """Events as they come, of all topics, as server-sent events: each is a CloudEvent, `event` its type.

    Come back with the header `Last-Event-ID`, as browsers do: no event is missed and none comes twice.
    """
    services = services_of(request, BusServices)
    chosen = await services.pools.topics.run(wanted, pattern) if pattern else None
    came = request.headers.get("last-event-id", "")
    ask = partial(start_of, services, came, from_beginning=begin == "beginning")
    at = await services.pools.reading.run(ask)
    place = services.places.take(owner_of(request.scope), lambda: None)  # it looks for itself
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(
        event_stream.stream(services, at, chosen, place, queues_of(request)),
        media_type="text/event-stream",
        headers=headers,
    )


@router.get("/v1/bus")
async def bus(request: Request) -> Response:
    """Subscriptions and destinations; secrets are not shown."""
    services = services_of(request, BusServices)
    operates = request.scope["ringfence.caller"].may(Permission.OPERATE)
    return as_json(await services.pools.reading.run(_bus, services, operates))


@router.get("/v1/alerts")
async def alerts(
    request: Request,
    state: Annotated[Literal["open", "in_case", "acknowledged"] | None, Query()] = None,
    severity: Annotated[Literal["medium", "high", "critical"] | None, Query()] = None,
    entity_id: Annotated[str | None, Query(min_length=1, max_length=4096)] = None,
    digest: Annotated[
        str | None,
        Query(pattern=DIGEST_NAME, description="Only those that a digest counts, as its message names it."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[
        int | None, Query(ge=0, le=1 << 53, description="Number of the last alert seen.")
    ] = None,
) -> Response:
    """Alerts, newest first. The counts are of all alerts or, with `digest`, of those that it counts."""
    services = services_of(request, BusServices)
    asked = {"state": state, "severity": severity, "entity_id": entity_id, "limit": limit, "before": before}
    with refusals():
        found = await services.pools.reading.run(_alerts, services, digest, asked)
    return as_json(found)


@router.post("/v1/alerts/{alert_id}/acknowledge")
async def acknowledge(request: Request, alert_id: AlertId) -> Response:
    """Say that somebody looks at an alert: it is not escalated. The first one counts."""
    services, by = services_of(request, BusServices), request.scope["ringfence.caller"].name
    try:
        found = await services.pools.reading.run(_acknowledge, services, alert_id, by)
    except InputError as error:
        raise Refusal(404, "not_found", str(error)) from None
    return as_json(found)


def _page(
    services: BusServices,
    topic: str,
    after: int,
    limit: int,
    pattern_text: str | None,
    queues: tuple[str, ...],
) -> EventPage:
    pattern = wanted(pattern_text) if pattern_text else None
    return _told(services, page_of(services, topic, after, limit, pattern, queues))


def _told(services: BusServices, page: PulledEvents) -> EventPage:
    return EventPage([one for _, one in page.events], page.after, page.end, services.store.log.identity)


def _bus(services: BusServices, operates: bool) -> BusView:
    if not services.outboxes.is_used:
        return BusView([], [])
    known = services.outboxes.bus
    return BusView(
        [
            SubscriptionView(o.name, o.pattern, shown(o.to), o.ordered, o.paused)
            for o in known.subscriptions()
        ],
        bus_changes.destinations(services, operates=operates),
    )


def _alerts(services: BusServices, digest: str | None, asked: dict[str, Any]) -> AlertPage:
    if not services.outboxes.is_used:
        return AlertPage([], 0, 0, 0)
    book = services.outboxes.alerts
    return AlertPage(book.alerts(digest=digest, **asked), **book.counts(digest))


def _acknowledge(services: BusServices, alert_id: str, by: str) -> Alert:
    if not services.outboxes.is_used:
        raise InputError(f"there is no alert {alert_id!r}")
    return services.outboxes.alerts.acknowledge(alert_id, by, services.clock.now_ms())
