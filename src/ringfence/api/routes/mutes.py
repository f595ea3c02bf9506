"""What raises no alerts for a while: for whom, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response  # noqa: TC002 (FastAPI reads the annotations)

from ringfence.access.roles import Permission
from ringfence.alerts.book import Mute
from ringfence.api.audited import tell
from ringfence.api.handlers.requests import as_json, body_of, refusals, who_asks
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import check_permission
from ringfence.api.services import BusServices, services_of
from ringfence.desks.alerts import MOST_MUTES, MuteChange, MuteList, is_wide

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
router = APIRouter(tags=["bus"], route_class=LazyRoute)
_BYTES = 64 << 10
Typology = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
EntityId = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class ToMute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to mute: a typology, a rule or a reason, for one entity; "*" stands for any."""

    typology: Typology
    entity_id: EntityId
    until_ms: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
    note: Annotated[str, msgspec.Meta(max_length=1000)] = ""


class ToUnmute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to raise alerts of again, as `GET /v1/alerts/mutes` has it."""

    typology: Typology
    entity_id: EntityId


class Unmuted(msgspec.Struct, frozen=True):
    """Whether it was muted before."""

    was_muted: bool


@router.get("/v1/alerts/mutes")
async def mutes(request: Request, limit: Annotated[int, Query(ge=1, le=MOST_MUTES)] = 1000) -> Response:
    """What is muted now, what ends first first."""
    return as_json(await _done(request, lambda services: _list(services, limit)))


@router.post("/v1/alerts/mutes")
async def mute(request: Request) -> Response:
    """Raise no alerts of a typology for an entity until a time; decisions stay as they are.

    For "*", or for more than 31 days, a supervisor asks. What a supervisor muted, an analyst does not
    change. Asked again, it changes nothing; another time or note takes the place of the one before. A name
    that no rule, typology or reason ever had is refused, with the nearest one.
    """
    asked, who = await body_of(request, ToMute, _BYTES), who_asks(request, "")
    named = services_of(request, BusServices).mutes.named(asked.entity_id)
    tell(request.scope, object=f"{asked.typology} {named}", until=str(asked.until_ms))
    if is_wide(asked.typology, asked.entity_id, asked.until_ms, who.now_ms):
        check_permission(request.scope["ringfence.caller"], Permission.APPROVE)
    wanted = Mute(by=who.name, approved=who.may_approve, **msgspec.structs.asdict(asked))
    made, change = await _done(request, lambda services: services.mutes.mute(wanted, who.now_ms))
    tell(request.scope, object=change.object, **change.details())
    return as_json(made)


@router.post("/v1/alerts/mutes/removals")
async def unmute(request: Request) -> Response:
    """Raise alerts again; what was not muted stays as it is. What a supervisor muted, only one raises."""
    asked, who = await body_of(request, ToUnmute, _BYTES), who_asks(request, "")
    named = services_of(request, BusServices).mutes.named(asked.entity_id)
    tell(request.scope, object=f"{asked.typology} {named}")

    def act(services: BusServices) -> MuteChange:
        return services.mutes.unmute(asked.typology, asked.entity_id, who.now_ms, may_approve=who.may_approve)

    change = await _done(request, act)
    tell(request.scope, object=change.object, **change.details())
    return as_json(Unmuted(bool(change.before)))


async def _done(request: Request, act: Callable[[BusServices], T]) -> T:
    services = services_of(request, BusServices)
    with refusals():
        return await services.pools.reading.run(act, services)


def _list(services: BusServices, limit: int) -> MuteList:
    if not services.outboxes.is_used:
        return MuteList([], 0)
    return services.mutes.mutes(services.clock.now_ms(), limit)
