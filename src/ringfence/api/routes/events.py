"""What comes in: payments to be decided, and everything else that the log takes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from ringfence.api.handlers.batches import BatchResponse
from ringfence.api.hot.outcomes import is_large
from ringfence.api.http.bodies import JSON, content_type, read_body
from ringfence.api.http.callers import owner_of
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import TYPE, Refusal, traced
from ringfence.api.services import EventServices, services_of

router = APIRouter(route_class=LazyRoute)


@router.post("/v1/decisions", tags=["decisions"])
async def decide(request: Request) -> Response:
    """Decide one payment: it is logged, measured, judged and decided, and durable when you read this.

    Sent again with the same content it gives the stored decision (`Idempotency-Replayed: true`); with other
    content under the same id, 409. At the deadline the answer is the policy's, marked `degraded: deadline`.
    """
    raise RuntimeError(
        f"{request.url.path} is answered in front of the router, by api/hot/path.py; here it is described"
    )


@router.post("/v1/decisions/batch", tags=["decisions"])
async def decide_batch(request: Request) -> Response:
    """Decide many payments: one result line for each, in order; one bad record harms no other."""
    return BatchResponse(services_of(request, EventServices), wants_decisions=True)


@router.post("/v1/events", tags=["events"])
async def take_event(request: Request) -> Response:
    """Log one event: a label, profile, list entry or flag, or a transaction that needs no answer."""
    services = services_of(request, EventServices)
    headers = request.scope["headers"]
    if content_type(headers) != JSON:
        raise Refusal(415, "unsupported_media_type", "send the event as application/json")
    body = await read_body(headers, request.receive, services.settings.body_bytes)
    if not body or body.isspace():
        raise Refusal(400, "empty_body", "the body is empty: send one event as a JSON object")
    prepared = None
    if is_large((body,)):
        prepared = await services.pools.payments.run(services.aside, (body,), services.clock.now_ms())
    trace, caller = request.scope.get("ringfence.trace"), owner_of(request.scope)
    (result,) = await services.decider.ask(
        (body,), "http", caller=caller, wants_decisions=False, prepared=prepared, trace=trace
    )
    if result.status < 400:
        return Response(result.body, result.status, media_type="application/json")
    return Response(traced(result.body, trace), result.status, media_type=TYPE.decode())


@router.post("/v1/events/batch", tags=["events"])
async def take_events(request: Request) -> Response:
    """Log many events: one result line for each, in order; one bad record harms no other."""
    return BatchResponse(services_of(request, EventServices), wants_decisions=False)
