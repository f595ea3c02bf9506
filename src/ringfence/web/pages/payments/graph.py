"""Rings: those that were found, and the one around an entity, drawn."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import Surroundings
from ringfence.compose.folder.links import links_in
from ringfence.errors import InputError
from ringfence.features.spec import ENTITY_KEYS
from ringfence.graph.shapes import ring_and_shapes
from ringfence.graph.wire import NodeView, neighbours_of, ring_of, rings_of
from ringfence.masking import names_card
from ringfence.web.investigate.dossier import id_of
from ringfence.web.parts.asking import dashboard_of
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.web.dashboard import Dashboard

T = TypeVar("T")

router = APIRouter(route_class=LazyRoute)
PATH: Final = "/graph"  # in the navigation
_RINGS: Final = 100
_MOST: Final = 2000
_ROWS: Final = 200  # of the table below the drawing
_EXPANDED: Final = 50  # links of each type that a click brings
EntityType = Annotated[str, Path(pattern=f"^({'|'.join(ENTITY_KEYS)})$")]
EntityId = Annotated[str, Path(min_length=1, max_length=4096)]


@router.get("/graph")
async def rings(request: Request) -> Response:
    """The rings that the macro analysis has found."""
    values = await _read(request, _rings)
    return render(request, "rings.html", values)


def _rings(dashboard: Dashboard) -> dict[str, Any]:
    try:
        with links_in(dashboard.store.folder) as book:
            return {"rings": rings_of(book.rings(_RINGS)).rings, "missing": None}
    except InputError as error:
        return {"rings": [], "missing": str(error)}


@router.get("/graph/{entity_type}/{entity_id:id}")
async def ring(
    request: Request,
    entity_type: EntityType,
    entity_id: EntityId,
    most: Annotated[int, Query(ge=2, le=_MOST)] = 500,
) -> Response:
    """The ring around an entity."""
    values = await _read(request, _ring, entity_type, entity_id, most)
    return render(request, "ring.html", values | {"entity_type": entity_type, "most": most})


def _ring(dashboard: Dashboard, entity_type: str, entity_id: str, most: int) -> dict[str, Any]:
    try:
        with links_in(dashboard.store.folder) as book:
            node = book.find(entity_type, _kept(dashboard, entity_type, entity_id))
            if node is None:
                raise Stop(404, f"This {entity_type} has no live link.")
            found = ring_and_shapes(book, node, most)
            view = ring_of(found, book.graph, book.stopped(found.nodes))
    except InputError as error:
        raise Stop(404, str(error)) from error
    ids = {NodeView(one.kind, one.id) for one in view.members if not one.is_entity}
    holders = Counter(target for _, target in {(link.source, link.target) for link in view.links})
    drawn = {"members": view.members, "links": view.links, "payments": view.payments, "start": view.start}
    return {
        "entity_id": node.id,
        "ring": view,
        "rows": view.members[:_ROWS],
        "shared": sum(holders[one] > 1 for one in ids),
        "drawn": msgspec.json.encode(drawn).decode(),
    }


@router.get("/graph-neighbours/{entity_type}/{entity_id:id}")
async def expand(request: Request, entity_type: EntityType, entity_id: EntityId) -> Response:
    """What a click on a node brings, as JSON."""
    body = await _read(request, _expand, entity_type, entity_id)
    return Response(body, media_type="application/json")


def _expand(dashboard: Dashboard, entity_type: str, entity_id: str) -> bytes:
    try:
        with links_in(dashboard.store.folder) as book:
            node = book.find(entity_type, _kept(dashboard, entity_type, entity_id))
            if node is None:
                raise Stop(404, f"This {entity_type} has no live link.")
            return msgspec.json.encode(neighbours_of(node, book, _EXPANDED))
    except InputError as error:
        raise Stop(404, str(error)) from error


def _kept(dashboard: Dashboard, entity_type: str, entity_id: str) -> str:
    if names_card(entity_id):
        raise Stop(422, "Give the card's token. The search box accepts a number and does not keep it.")
    return id_of(dashboard, entity_type, entity_id)


async def _read(request: Request, ask: Callable[..., T], *given: Any) -> T:
    dashboard = dashboard_of(request)
    return await dashboard.of(Surroundings).pools.links.run(ask, dashboard, *given)
