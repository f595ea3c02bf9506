"""What may be asked: decisions, entities, and the stream."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response, StreamingResponse

import ringfence.api.http.path_ids  # noqa: F401 (paths below use it)
from ringfence.api.handlers import reading
from ringfence.api.handlers.requests import as_json
from ringfence.api.http.callers import owner_of
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import Refusal
from ringfence.api.services import RecordServices, services_of
from ringfence.api.streaming.stream import Filter
from ringfence.decisions.index import DecisionQuery
from ringfence.features.spec import ENTITY_KEYS
from ringfence.masking import names_card
from ringfence.scoring.rulesets.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.access.restriction import Restriction

T = TypeVar("T")
router = APIRouter(route_class=LazyRoute)

_ID: Final = {"min_length": 1, "max_length": 4096}
_ENTITY: Final = f"^({'|'.join(ENTITY_KEYS)})$"
_TIME: Final = {"ge": 0, "le": 4_102_444_800_000}
EntityType = Annotated[str | None, Query(pattern=_ENTITY, description="Goes with entity_id.")]
EntityId = Annotated[str | None, Query(**_ID, description="A card by its token.")]
OutcomeIs = Annotated[Outcome | None, Query()]


@router.get("/v1/decisions", tags=["decisions"])
async def decisions(
    request: Request,
    entity: EntityType = None,
    entity_id: EntityId = None,
    since_ms: Annotated[int | None, Query(**_TIME, description="Event time, from.")] = None,
    until_ms: Annotated[int | None, Query(**_TIME, description="Event time, to, not included.")] = None,
    outcome: OutcomeIs = None,
    rule: Annotated[str | None, Query(**_ID, description="Id of an active rule that fired.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(pattern=reading.CURSOR, description="Of the page before.")] = None,
) -> Response:
    """Decisions, newest event time first, where every filter holds; page by page."""
    _whole(entity, entity_id)
    if entity is not None:
        _may_ask(request, ENTITY_KEYS[entity])
    before = reading.parse_cursor(cursor, services_of(request, RecordServices).store.log) if cursor else None
    kept = _in_norm(entity, entity_id)
    query = DecisionQuery(entity, kept, since_ms, until_ms, outcome, rule, limit, before, entity_id)
    page = await _read(request, reading.page, query, _restriction(request))
    return Response(page, media_type="application/json")


@router.get("/v1/decisions/{transaction_id:id}", tags=["decisions"])
async def decision(
    request: Request,
    transaction_id: Annotated[str, Path(**_ID)],
    account_id: Annotated[str | None, Query(**_ID, description="Of whom the payment must be.")] = None,
) -> Response:
    """One decision with all that it knew: features, reasons, versions, and the payment itself."""
    if account_id is not None:
        _may_ask(request, "account_id")
    found = await _read(request, reading.details, transaction_id, account_id, _restriction(request))
    if found is None:
        whose = "" if account_id is None else " of this account"
        raise Refusal(404, "not_found", f"there is no decision on a transaction{whose} with this id")
    return Response(found, media_type="application/json")


@router.get("/v1/entities/{entity_type}/{entity_id:id}", tags=["entities"])
async def entity(
    request: Request,
    entity_type: Annotated[str, Path(pattern=_ENTITY)],
    entity_id: Annotated[str, Path(**_ID)],
) -> Response:
    """What is known of one entity: lists, flag, features as of now, recent decisions."""
    _no_card(entity_id)
    return as_json(await reading.entity(services_of(request, RecordServices), entity_type, entity_id))


@router.get("/v1/stream", tags=["decisions"])
async def stream(
    request: Request,
    outcome: OutcomeIs = None,
    min_score: Annotated[float | None, Query(ge=0, le=100)] = None,
    entity: EntityType = None,
    entity_id: EntityId = None,
) -> Response:
    """Decisions as they are made, as server-sent events (`event: decision`), where every filter holds."""
    _whole(entity, entity_id)
    events = services_of(request, RecordServices).hub.subscribe(
        Filter(outcome, min_score, entity, _in_norm(entity, entity_id)), owner_of(request.scope)
    )
    return StreamingResponse(events, media_type="text/event-stream", headers={"cache-control": "no-store"})


def _restriction(request: Request) -> Restriction:
    found: Restriction = request.scope["ringfence.caller"].restriction
    return found


def _may_ask(request: Request, field: str) -> None:
    """`Refusal` (403) of a field that the caller is not shown: the answers would tell it, guess by guess."""
    restriction = _restriction(request)
    if field in restriction.concealed:
        why = replace(restriction, queues=frozenset()).text()
        raise Refusal(403, "restricted", f"you are restricted ({why}), so you may not ask by {field}")


async def _read(request: Request, act: Callable[..., T], *given: object) -> T:
    services = services_of(request, RecordServices)
    return await services.pools.reading.run(act, services, *given)


def _in_norm(entity_type: str | None, entity_id: str | None) -> str | None:
    """The id that somebody asks for, as payments have it."""
    return reading.id_in_norm(entity_type, entity_id) if entity_type and entity_id else None


def _whole(entity_type: str | None, entity_id: str | None) -> None:
    if (entity_type is None) != (entity_id is None):
        raise Refusal(422, "invalid_parameter", "entity goes with entity_id: give both or neither")
    if entity_id is not None:
        _no_card(entity_id)


def _no_card(entity_id: str) -> None:
    if names_card(entity_id):
        raise Refusal(422, "card_number", "a card is asked for by its token (card_id), never by its number")
