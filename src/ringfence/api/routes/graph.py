"""The entity graph: neighbours, the ring around an entity, and the rings that were found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response  # noqa: TC002 (FastAPI reads the annotations)

from ringfence.api.handlers import reading
from ringfence.api.handlers.requests import as_json
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import Refusal
from ringfence.api.services import Surroundings, services_of
from ringfence.compose.folder.links import links_in
from ringfence.errors import InputError
from ringfence.features.spec import ENTITY_KEYS
from ringfence.graph.shapes import ring_and_shapes
from ringfence.graph.wire import neighbours_of, ring_of, rings_of
from ringfence.masking import names_card

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ringfence.graph.rings import LinkBook, Node
    from ringfence.graph.wire import NeighboursView, RingView

    T = TypeVar("T")

router = APIRouter(tags=["graph"], route_class=LazyRoute)
EntityType = Annotated[str, Path(pattern=f"^({'|'.join(ENTITY_KEYS)})$")]
EntityId = Annotated[str, Path(min_length=1, max_length=4096, description="A card by its token.")]
MOST: Final = 2000


@router.get("/v1/graph/rings")
async def rings(request: Request, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Response:
    """Rings around payments that were reviewed or declined, the highest score first."""
    return as_json(await _asked(request, lambda book: rings_of(book.rings(limit))))


@router.get("/v1/graph/ring/{entity_type}/{entity_id:id}")
async def ring(
    request: Request,
    entity_type: EntityType,
    entity_id: EntityId,
    most: Annotated[int, Query(ge=2, le=MOST, description="Stop at so many members.")] = 500,
) -> Response:
    """The ring around an entity, with reasons, and what joined nobody."""

    def asked(book: LinkBook) -> RingView:
        found = ring_and_shapes(book, _node(book, entity_type, entity_id), most)
        return ring_of(found, book.graph, book.stopped(found.nodes))

    return as_json(await _asked(request, asked))


@router.get("/v1/graph/neighbours/{entity_type}/{entity_id:id}")
async def neighbours(
    request: Request,
    entity_type: EntityType,
    entity_id: EntityId,
    limit: Annotated[int, Query(ge=1, le=200, description="For each kind of link.")] = 50,
) -> Response:
    """What an entity is linked to, newest first."""

    def asked(book: LinkBook) -> NeighboursView:
        return neighbours_of(_node(book, entity_type, entity_id), book, limit)

    return as_json(await _asked(request, asked))


async def _asked(request: Request, question: Callable[[LinkBook], T]) -> T:
    """The answer of the links as the follower has them."""

    def ask(services: Surroundings) -> T:
        try:
            with links_in(services.store.folder) as book:
                return question(book)
        except InputError as error:
            raise Refusal(404, "not_found", str(error)) from error

    services = services_of(request, Surroundings)
    return await services.pools.links.run(ask, services)


def _node(book: LinkBook, entity_type: str, entity_id: str) -> Node:
    if names_card(entity_id):
        raise Refusal(422, "card_number", "a card is asked for by its token (card_id), never by its number")
    found = book.find(entity_type, reading.id_in_norm(entity_type, entity_id))
    if found is None:
        raise Refusal(404, "not_found", f"this {entity_type} has no live link")
    return found
