"""Decisions as they happen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from ringfence.api.handlers.reading import id_in_norm
from ringfence.api.http.callers import owner_of
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import HealthServices, Surroundings
from ringfence.decisions.index import Wanted
from ringfence.features.spec import ENTITY_KEYS
from ringfence.masking import names_card
from ringfence.scoring.rulesets.outcomes import OUTCOMES, Outcome
from ringfence.web.activity import SECONDS, SampleSieve
from ringfence.web.parts.asking import beside, dashboard_of
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ringfence.api.streaming.stream_places import Place
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
PATH: Final = "/"  # in the navigation
FRAME_SECONDS: Final = 0.5
ROWS_A_FRAME: Final = 12
_FIGURES_EVERY: Final = 2  # frames
_LATEST: Final = 30  # decisions that are there to begin with
_ENCODER: Final = msgspec.json.Encoder()


@router.get("/")
async def live(request: Request) -> Response:
    """The first screen."""
    dashboard = dashboard_of(request)
    figures = dashboard.activity.figures()
    latest = await beside(request, dashboard.finder.find, Wanted(), _LATEST)
    values = {
        "figures": figures,
        "figures_json": _ENCODER.encode(figures).decode(),
        "decided_ms": max((row["decided_at_ms"] for row in latest.rows), default=None),
        "latest_json": _ENCODER.encode(latest.rows[::-1]).decode(),
        "seconds": SECONDS,
        "entities": list(ENTITY_KEYS),
        "rows_a_second": round(ROWS_A_FRAME / FRAME_SECONDS),
        "versions": dashboard.of(HealthServices).versions(),
    }
    return render(request, "live.html", values)


@router.get("/live/stream")
async def stream(
    request: Request,
    outcome: Outcome = Outcome.APPROVE,
    min_score: Annotated[str, Query(pattern=r"^(\d{1,3}(\.\d*)?)?$")] = "",
    entity: str = "",
    entity_id: Annotated[str, Query(max_length=4096)] = "",
) -> Response:
    """Frames for the live page, twice a second: figures, and decisions that pass the filter."""
    dashboard = dashboard_of(request)
    if entity_id and (entity not in ENTITY_KEYS or names_card(entity_id)):
        raise Stop(422, "Give the entity's kind and id; for a card, its token.")
    place = dashboard.of(HealthServices).places.take(
        owner_of(request.scope), lambda: None
    )  # it looks for itself
    named = (entity, id_in_norm(entity, entity_id)) if entity_id else (None, None)
    sieve = SampleSieve(OUTCOMES.index(outcome), float(min_score or 0), *named)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(
        _frames(dashboard, sieve, place), media_type="text/event-stream", headers=headers
    )


async def _frames(dashboard: Dashboard, sieve: SampleSieve, place: Place) -> AsyncIterator[bytes]:
    listener = dashboard.activity.listen(sieve)
    dashboard.watchers += 1
    number, clock = 0, asyncio.get_running_loop().time
    seconds = dashboard.of(Surroundings).settings.stream_seconds
    end = clock() + seconds if seconds else float("inf")
    try:
        while not (dashboard.stopping.is_set() or place.over or clock() > end):
            seen, rows = dashboard.activity.sample(listener, ROWS_A_FRAME)
            frame: dict[str, Any] = {"seen": seen, "rows": rows}
            if number % _FIGURES_EVERY == 0:
                frame["figures"] = dashboard.activity.figures()
            number += 1
            yield b"event: frame\ndata: %b\n\n" % _ENCODER.encode(frame)
            await asyncio.sleep(FRAME_SECONDS)
    finally:
        dashboard.watchers -= 1
        dashboard.of(HealthServices).places.leave(place)
        dashboard.activity.leave(listener)
