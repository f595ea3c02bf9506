"""Alerts of drift: who measures it brings them, and whoever watches reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response  # noqa: TC002 (FastAPI reads the annotations)

from ringfence.api.handlers.requests import as_json, body_of
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import ModelServices, services_of
from ringfence.learning.watching.drift_alerts import DriftAlert, record, recorded
from ringfence.ports import DRIFT

if TYPE_CHECKING:
    from ringfence.ports import EventLog

router = APIRouter(tags=["models"], route_class=LazyRoute)


class DriftAlerts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was found unlike training."""

    alerts: list[DriftAlert]


class DriftPage(msgspec.Struct, frozen=True):
    """Alerts in the order in which they were found; `next_offset` goes on from there."""

    alerts: list[DriftAlert]
    next_offset: int


@router.get("/v1/drift")
async def list_drift(request: Request, offset: Annotated[int, Query(ge=0, le=1 << 53)] = 0) -> Response:
    """Alerts that payments no longer look as a model's training did, from an offset of their topic on."""
    services = services_of(request, ModelServices)
    return as_json(await services.pools.reading.run(_page, services.store.log, offset))


@router.post("/v1/drift")
async def record_drift(request: Request) -> Response:
    """Keep alerts that `ringfence drift` found; one that is known already changes nothing."""
    found = await body_of(request, DriftAlerts)
    services = services_of(request, ModelServices)
    async with services.changing:
        given = (services.store.log, found.alerts, services.clock.now_ms())
        fresh = await services.pools.batches.run(record, *given)
    return as_json(DriftPage(fresh, services.store.log.end_offset(DRIFT)))


def _page(log: EventLog, offset: int) -> DriftPage:
    return DriftPage(recorded(log, offset), log.end_offset(DRIFT))
