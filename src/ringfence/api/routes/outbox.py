"""Subscriptions of the bus and messages of the outbox, changed by an admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response  # noqa: TC002 (FastAPI reads the annotations)

from ringfence.api.audited import tell
from ringfence.api.handlers import bus_changes
from ringfence.api.handlers.bus_changes import Chosen, LetterView, Subscribe, TryPattern, told
from ringfence.api.handlers.requests import as_json, body_of, refusals
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import Refusal
from ringfence.api.services import BusServices, services_of
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


router = APIRouter(tags=["bus"], route_class=LazyRoute)
SubscriptionName = Annotated[str, Path(min_length=1, max_length=63)]
DestinationId = Annotated[str, Path(pattern="^[0-9a-f]{12}$", description="As `GET /v1/bus` has it.")]
_BODY_BYTES = 8 << 20


class Changed(msgspec.Struct, frozen=True):
    """What a change came to: messages that are tried again or thrown away, or a subscription's state."""

    messages: int = 0
    paused: bool | None = None


class LetterPage(msgspec.Struct, frozen=True):
    """Messages of the outbox, newest first."""

    messages: list[LetterView]


@router.post("/v1/bus/test")
async def try_pattern(request: Request) -> Response:
    """Say how many of the last day's events a pattern or an expression would have matched."""
    asked = await body_of(request, TryPattern, _BODY_BYTES)
    with refusals():
        return as_json(await bus_changes.appraise(services_of(request, BusServices), asked.pattern))


@router.post("/v1/bus/subscriptions")
async def subscribe(request: Request) -> Response:
    """Send events that match a pattern or an expression to a destination, from now on."""
    asked = await body_of(request, Subscribe, _BODY_BYTES)
    tell(request.scope, object=asked.name, to=told(asked.to))
    with refusals():
        found = await bus_changes.appraise(services_of(request, BusServices), asked.pattern)
    return await _done(request, bus_changes.subscribe, asked, found)


@router.post("/v1/bus/subscriptions/{name}/pause")
async def pause(request: Request, name: SubscriptionName) -> Response:
    """Have a subscription's messages wait; none is lost."""
    return await _known(request, _pause, name, True)


@router.post("/v1/bus/subscriptions/{name}/resume")
async def resume(request: Request, name: SubscriptionName) -> Response:
    """Have a paused subscription go on, with what has waited."""
    return await _known(request, _pause, name, False)


@router.post("/v1/bus/subscriptions/{name}/remove")
async def remove(request: Request, name: SubscriptionName) -> Response:
    """Take a subscription away, with the messages that it still waits for."""
    return await _known(request, lambda services: Changed(bus_changes.remove(services, name)))


@router.post("/v1/bus/destinations/{destination}/enable")
async def enable(request: Request, destination: DestinationId) -> Response:
    """Send to a destination again that had answered 410, gone; what waits for it goes out."""
    return await _of_destination(request, bus_changes.enable, destination, "enable")


@router.post("/v1/bus/destinations/{destination}/rotate")
async def rotate(request: Request, destination: DestinationId) -> Response:
    """Sign messages to a webhook with a new secret and, until the next is made, with the one before, too.

    A second one within ten minutes is refused (409): its receiver would know neither.
    """
    return await _of_destination(request, bus_changes.rotate, destination, "rotate")


@router.get("/v1/outbox")
async def outbox(
    request: Request,
    state: Annotated[Literal["waiting", "dead", "delivered"], Query()] = "dead",
    limit: Annotated[int, Query(ge=1, le=bus_changes.MOST_LETTERS)] = 100,
) -> Response:
    """Messages on their way, and those that never arrived."""
    return await _done(request, lambda services: LetterPage(_letters(services, state, limit)))


@router.post("/v1/outbox/retry")
async def retry(request: Request) -> Response:
    """Try messages again now, with the same ids."""
    asked = await body_of(request, Chosen, _BODY_BYTES)
    tell(request.scope, object=_named(asked))
    return await _done(request, lambda services: Changed(bus_changes.retry(services, asked)))


@router.post("/v1/outbox/purge")
async def purge(request: Request) -> Response:
    """Throw dead letters away."""
    asked = await body_of(request, Chosen, _BODY_BYTES)
    tell(request.scope, object=_named(asked))
    return await _done(request, lambda services: Changed(bus_changes.purge(services, asked)))


async def _done(request: Request, act: Callable[..., object], *given: object) -> Response:
    services = services_of(request, BusServices)
    with refusals():
        return as_json(await services.pools.reading.run(act, services, *given))


async def _known(request: Request, act: Callable[..., object], *given: object) -> Response:
    """As `_done`, of a subscription that there has to be."""
    services = services_of(request, BusServices)
    try:
        return as_json(await services.pools.reading.run(act, services, *given))
    except InputError as error:
        raise Refusal(404, "not_found", str(error)) from None


async def _of_destination(
    request: Request, act: Callable[[BusServices, str], object], destination: str, does: str
) -> Response:
    """As `_done`, with the address of a destination that there has to be."""
    services = services_of(request, BusServices)
    tell(request.scope, does=does)
    try:
        address = await services.pools.reading.run(bus_changes.address_of, services, destination)
    except InputError as error:
        raise Refusal(404, "not_found", str(error)) from None
    tell(request.scope, object=told(address))
    return await _done(request, act, address)


def _pause(services: BusServices, name: str, paused: bool) -> Changed:
    services.outboxes.bus.pause(name, paused=paused)
    return Changed(paused=paused)


def _letters(services: BusServices, state: str, limit: int) -> list[LetterView]:
    return bus_changes.letters(services, state, limit) if services.outboxes.is_used else []


def _named(asked: Chosen) -> str:
    return asked.ids[0] if len(asked.ids) == 1 else f"{len(asked.ids)} messages" if asked.ids else "all"
