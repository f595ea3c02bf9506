"""One message of the outbox: what was sent, to whom, and what became of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from ringfence.alerts.events import Wording
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import BusServices, services_of
from ringfence.bus.subscription import is_for_people, shown
from ringfence.compose.messaging.alerts import alert_policy, templates
from ringfence.errors import InputError
from ringfence.web.parts.asking import beside
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from ringfence.bus.words import Words

router = APIRouter(route_class=LazyRoute)


@router.get("/outbox/{message_id:id}")
async def message(request: Request, message_id: Annotated[str, Path(max_length=8192)]) -> Response:
    """One message with its CloudEvent, and its words where people read it."""
    values = await beside(request, _message, services_of(request, BusServices), message_id)
    return render(request, "message.html", values)


def _message(services: BusServices, message_id: str) -> dict[str, Any]:
    """`Stop` (404) where there is no such message."""
    if not services.outboxes.is_used:
        raise Stop(404, "There are no messages yet.")
    bus = services.outboxes.bus
    try:
        letter = bus.letter(message_id)
    except InputError:
        raise Stop(404, "There is no such message: delivered ones are kept for a week.") from None
    event: dict[str, Any] = msgspec.json.decode(letter.event)
    kind = next((one.kind for one in bus.destinations() if one.address == letter.destination), "")
    words = _words(event) if kind and is_for_people(kind) else None
    data = event.get("data", {})
    return {
        "letter": msgspec.structs.replace(letter, destination=shown(letter.destination)),
        "reader": words.to if words else "",
        "words": words.text if words else "",
        "payment": data.get("transaction_id") or data.get("decision", {}).get("transaction_id", ""),
        "event": json.dumps(event, indent=1, ensure_ascii=False),
        "hold": bus.holds([letter], services.clock.now_ms()).get(letter.id),
    }


def _words(event: dict[str, Any]) -> Words | None:
    """None where the alert policy is faulty. Without the customer's link: whoever has it may answer."""
    try:
        policy = alert_policy()
        hidden = "…" if policy.answer_url else ""
        return Wording(policy, templates(policy), lambda _data: hidden)(event)
    except InputError:
        return None
