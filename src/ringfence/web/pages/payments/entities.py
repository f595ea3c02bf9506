"""A card, customer, merchant, device ...: what is known of it, what it did, whom it is connected with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import RecordServices
from ringfence.decisions.index import Term, Wanted
from ringfence.features.spec import ENTITY_KEYS
from ringfence.masking import names_card
from ringfence.scoring.rulesets.outcomes import OUTCOMES
from ringfence.web.investigate.dossier import id_of
from ringfence.web.investigate.neighbours import neighbours_of
from ringfence.web.investigate.portrait import portrait_of
from ringfence.web.parts.asking import beside, dashboard_of
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from ringfence.web.dashboard import Dashboard
    from ringfence.web.investigate.portrait import Portrait

router = APIRouter(route_class=LazyRoute)
_POINTS: Final = 1000
_RECENT: Final = 25
EntityType = Annotated[str, Path(pattern=f"^({'|'.join(ENTITY_KEYS)})$")]
EntityId = Annotated[str, Path(min_length=1, max_length=4096)]


@router.get("/entities/{entity_type}/{entity_id:id}")
async def entity(request: Request, entity_type: EntityType, entity_id: EntityId) -> Response:
    """One entity."""
    _no_card(entity_id)
    dashboard = dashboard_of(request)
    entity_id = await beside(request, id_of, dashboard, entity_type, entity_id)
    portrait = await portrait_of(dashboard.of(RecordServices), entity_type, entity_id)
    values = await beside(request, _entity, dashboard, entity_type, entity_id, portrait)
    return render(request, "entity.html", values)


def _entity(dashboard: Dashboard, entity_type: str, entity_id: str, portrait: Portrait) -> dict[str, Any]:
    wanted = Wanted(terms=(Term(entity_type, entity_id),))
    found = dashboard.finder.find(wanted, _RECENT)
    if not found.total and portrait.is_blank:
        raise Stop(404, f"No payment names a {entity_type} with this id, and nothing else is known of it.")
    points = dashboard.finder.points(wanted, _POINTS)
    return {
        "entity_type": entity_type,
        "entity_id": entity_id,
        "found": found,
        "portrait": portrait,
        "points": msgspec.json.encode(points).decode(),
        "plotted": len(points["time_ms"]),
        "counts": [(name, points["outcome"].count(rank)) for rank, name in enumerate(OUTCOMES)],
    }


@router.get("/neighbours/{entity_type}/{entity_id:id}")
async def neighbours(request: Request, entity_type: EntityType, entity_id: EntityId) -> Response:
    """Others that were seen with the same device, address, terminal ..."""
    _no_card(entity_id)
    dashboard = dashboard_of(request)
    entity_id = await beside(request, id_of, dashboard, entity_type, entity_id)
    found = await beside(request, neighbours_of, dashboard.finder, entity_type, entity_id)
    return render(request, "parts/neighbours.html", {"entity_type": entity_type, "found": found})


def _no_card(entity_id: str) -> None:
    if names_card(entity_id):
        raise Stop(422, "Give the card's token. The search box accepts a number and does not keep it.")
