"""Records that could not become events: looked at, and tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import Response

from ringfence.api.handlers import replaying
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import QuarantineServices
from ringfence.web.parts.asking import beside, dashboard_of, is_part
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
PATH: Final = "/quarantine"  # in the navigation
_SHOWN: Final = 100


@router.get("/quarantine")
async def quarantine(
    request: Request,
    reason: Annotated[str, Query(max_length=100)] = "",
    source: Annotated[str, Query(max_length=4096)] = "",
    waiting: Annotated[str, Query(max_length=5)] = "",
) -> Response:
    """Bad records, newest first."""
    values = await beside(request, _listed, dashboard_of(request), reason, source, bool(waiting))
    return render(request, "parts/quarantine.html" if is_part(request) else "quarantine.html", values)


def _listed(dashboard: Dashboard, reason: str, source: str, waiting: bool) -> dict[str, Any]:
    store = dashboard.store.quarantine
    return {
        "records": store.records(reason=reason or None, source=source or None, waiting=waiting, limit=_SHOWN),
        "counts": store.counts(),
        "asked": {"reason": reason, "source": source, "waiting": waiting},
        "outcomes": None,
    }


@router.get("/quarantine/{record_id}")
async def record(request: Request, record_id: Annotated[str, Path(max_length=64)]) -> Response:
    """One bad record with its original bytes; card numbers are tokens in them."""
    found = await beside(request, dashboard_of(request).store.quarantine.get, record_id)
    return render(request, "record.html", {"record": found, "outcome": None})


@router.post("/quarantine/replay")
async def replay(
    request: Request,
    record_id: Annotated[str, Form(max_length=64)] = "",
    reason: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Try one record again, or all of a reason that have not become events."""
    dashboard = dashboard_of(request)
    store = dashboard.store.quarantine
    if record_id:
        records = [await beside(request, store.get, record_id)]
    else:
        records = await beside(
            request, lambda: store.unsettled(reason=reason or None, limit=replaying.MOST_AT_ONCE)
        )
    services = dashboard.of(QuarantineServices)
    outcomes = await services.pools.batches.run(replaying.give, services, records)
    if record_id:
        again = await beside(request, store.get, record_id)
        return render(request, "parts/record.html", {"record": again, "outcome": next(iter(outcomes))})
    values = await beside(request, _listed, dashboard, reason, "", waiting=False)
    return render(request, "parts/quarantine.html", values | {"outcomes": outcomes.most_common()})
