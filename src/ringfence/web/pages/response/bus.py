"""The event bus: subscriptions, destinations, and messages on their way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from msgspec.structs import replace
from starlette.responses import RedirectResponse, Response

from ringfence.access.roles import Permission
from ringfence.api.audited import tell
from ringfence.api.handlers import bus_changes
from ringfence.api.handlers.bus_changes import Chosen, Subscribe, told
from ringfence.api.handlers.requests import refusals
from ringfence.api.http.problems import Refusal
from ringfence.api.services import BusServices, services_of
from ringfence.bus.pattern import MOST_BYTES
from ringfence.bus.subscription import EVERYTHING, KINDS, shown
from ringfence.masking import mask_cards
from ringfence.web.parts.asking import beside, visit_of
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.forms import at_head, kept_forms, typed
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from collections.abc import Callable


async def _again(request: Request, status: int, wrong: dict[str, str]) -> Response:
    """The page with what is wrong; the form of a subscription as it was filled in."""
    if request.url.path not in _OF_SUBSCRIPTION:
        return await _page(request, {"": at_head(wrong)}, status)
    filled = await typed(request, *_FIELDS)
    return await _page(request, wrong, status, tried=filled.get("pattern", ""), typed=filled)


router = APIRouter(route_class=kept_forms(_again))
PATH: Final = "/bus"  # in the navigation
_LETTERS: Final = 50
_DELIVERED: Final = 20
_FAILED: Final = 500  # from here on the pattern is not what is wrong
_CONFLICT: Final = 409  # another number of dead letters than was confirmed
_OF_SUBSCRIPTION: Final = ("/bus/test", "/bus/subscribe")
_FIELDS: Final = ("name", "to", "pattern", "ordered")
Name = Annotated[str, Form(max_length=63)]
Pattern = Annotated[str, Form(max_length=MOST_BYTES)]
MessageId = Annotated[str, Form(max_length=8192)]


@router.get("/bus")
async def bus(request: Request, purging: bool = False) -> Response:
    """Who wants which events, how destinations are, and what has not arrived.

    With `purging` it asks whether all dead letters are to be deleted: the next click does it.
    """
    return await _page(request, purging=purging)


@router.post("/bus/test")
async def try_pattern(request: Request, pattern: Pattern = "") -> Response:
    """What a pattern would have matched; nothing is sent."""
    services, text = services_of(request, BusServices), pattern.strip() or EVERYTHING
    try:
        with refusals():
            found = await bus_changes.appraise(services, text)
    except Refusal as refusal:
        if refusal.status >= _FAILED:
            raise
        return await _again(request, refusal.status, {"pattern": refusal.problem.detail})
    return await _page(request, tried=text, found=found, typed=await typed(request, *_FIELDS))


@router.post("/bus/subscribe")
async def subscribe(
    request: Request,
    name: Name,
    to: Annotated[str, Form(max_length=2048)],
    pattern: Pattern = "",
    ordered: Annotated[bool, Form()] = False,
) -> Response:
    """Send what matches to a destination, from now on."""
    tell(request.scope, object=name, to=told(to))
    asked = Subscribe(name.strip(), to.strip(), pattern.strip() or EVERYTHING, ordered)
    wrong = await _change(request, lambda _services: bus_changes.faults(asked))
    try:
        with refusals():
            tried = await bus_changes.appraise(services_of(request, BusServices), asked.pattern)
    except Refusal as refusal:
        if refusal.status >= _FAILED:
            raise
        return await _again(request, refusal.status, wrong | {"pattern": refusal.problem.detail})
    if wrong:
        return await _again(request, 422, wrong)
    made = await _change(request, lambda services: bus_changes.subscribe(services, asked, tried))
    return await _page(request, tried=made.pattern, found=made.last_day, made=made)


@router.post("/bus/{change}")
async def change(request: Request, change: str, name: Name) -> Response:
    """Pause, resume or remove a subscription."""
    tell(request.scope, object=name, does=change[:20])
    acts: dict[str, Callable[[BusServices], object]] = {
        "pause": lambda services: services.outboxes.bus.pause(name, paused=True),
        "resume": lambda services: services.outboxes.bus.pause(name, paused=False),
        "remove": lambda services: bus_changes.remove(services, name),
    }
    if change not in acts:
        raise Stop(404, "A subscription can be paused, resumed or removed.")
    await _change(request, acts[change])
    return RedirectResponse("/bus", 303)


@router.post("/bus/destinations/{change}")
async def change_destination(
    request: Request, change: str, destination: Annotated[str, Form(max_length=64)]
) -> Response:
    """Send to a destination again that was gone, or sign its messages with a new secret, which is shown."""
    tell(request.scope, object=destination, does=change[:20])
    if change not in ("enable", "rotate"):
        raise Stop(404, "A destination can be enabled, and get a new secret.")
    address = await _change(request, lambda services: bus_changes.address_of(services, destination))
    tell(request.scope, object=told(address))
    if change == "rotate":
        found = await _change(request, lambda services: bus_changes.rotate(services, address))
        return await _page(request, rotated=found)
    await _change(request, lambda services: bus_changes.enable(services, address))
    return RedirectResponse("/bus", 303)


@router.post("/outbox/retry")
async def retry(request: Request, message_id: MessageId = "") -> Response:
    """Try a message again now, or all dead letters."""
    tell(request.scope, object=message_id or "all")
    await _change(request, lambda services: bus_changes.retry(services, _chosen(message_id)))
    return RedirectResponse("/bus", 303)


@router.post("/outbox/purge")
async def purge(
    request: Request,
    message_id: MessageId = "",
    count: Annotated[int | None, Form(ge=0, le=1 << 53)] = None,
) -> Response:
    """Throw a dead letter away, or all of them where there are as many as the page has said."""
    tell(request.scope, object=message_id or "all")
    if not message_id and count is None:
        return await _page(request, {"": "Confirm the number below."}, 422, purging=True)
    try:
        await _change(request, lambda services: bus_changes.purge(services, _chosen(message_id), count))
    except Refusal as refusal:
        if refusal.status != _CONFLICT:
            raise
        return await _page(request, {"": refusal.problem.detail}, _CONFLICT, purging=not message_id)
    return RedirectResponse("/bus", 303)


def _chosen(message_id: str) -> Chosen:
    return Chosen(ids=[message_id] if message_id else [], all=not message_id)


async def _change(request: Request, change: Callable[[BusServices], Any]) -> Any:
    with refusals():
        services = services_of(request, BusServices)
        return await services.pools.reading.run(change, services)


async def _page(
    request: Request, wrong: dict[str, str] | None = None, status: int = 200, **values: Any
) -> Response:
    """The page; after a refusal with what it says, by field, or at its head where no field is to blame."""
    operates = visit_of(request).may(Permission.OPERATE)
    known = await beside(request, _overview, services_of(request, BusServices), operates)
    asked = {
        "tried": "",
        "found": None,
        "made": None,
        "rotated": None,
        "typed": {},
        "purging": False,
        "wrong": {name: text for name, text in (wrong or {}).items() if name in _FIELDS},
        "problem": at_head({name: text for name, text in (wrong or {}).items() if name not in _FIELDS}),
        "kinds": list(KINDS.values()),
        "most": _LETTERS,
    } | values
    asked["tried"] = mask_cards(asked["tried"], strict=True)
    asked["typed"] = {name: mask_cards(text) for name, text in asked["typed"].items()}
    latest = asked["found"].examples if asked["found"] else []
    examples = [json.dumps(one, indent=1, ensure_ascii=False) for one in latest]
    return render(request, "bus.html", known | asked | {"examples": examples}, status)


def _overview(services: BusServices, operates: bool) -> dict[str, Any]:
    if not services.outboxes.is_used:
        return {"destinations": [], "subscriptions": [], "figures": [], "letters": [], "delivered": []}
    bus = services.outboxes.bus
    return {
        "destinations": bus_changes.destinations(services, operates=operates),
        "subscriptions": [replace(one, to=shown(one.to)) for one in bus.subscriptions()],
        "figures": bus.figures(),
        "letters": [
            one
            for state in (("dead", "waiting") if operates else ())
            for one in bus_changes.letters(services, state, _LETTERS)
        ],
        "delivered": bus_changes.letters(services, "delivered", _DELIVERED) if operates else [],
    }
