"""Where somebody paid last, for the map of a case and of a payment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import RecordServices
from ringfence.decisions.index import Term, Wanted
from ringfence.web.parts.asking import beside, dashboard_of
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.rendering import render, when

if TYPE_CHECKING:
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
_OF: Final = ("customer", "card", "account", "device")
_MOST: Final = 30
_COLUMNS: Final = ("transaction_id", "country", "city")


@router.get("/places/{entity_type}/{entity_id:id}")
async def places(
    request: Request,
    entity_type: str,
    entity_id: Annotated[str, Path(min_length=1, max_length=4096)],
    until: Annotated[int, Query(ge=0, le=4_102_444_800_000)] = 4_102_444_800_000,
) -> Response:
    """The last places up to a time, newest first, on a map where they have coordinates."""
    if entity_type not in _OF:
        raise Stop(404, f"Places are shown for a {', '.join(_OF)}.")
    rows = await beside(request, last_places, dashboard_of(request), entity_type, entity_id, until)
    points = [
        {"lat": row["lat"], "lon": row["lon"], "label": f"{when(row['event_time_ms'])} {row['place']}"}
        for row in rows
        if row["lat"] is not None and row["lon"] is not None
    ]
    values = {"rows": rows, "points": msgspec.json.encode(points).decode() if points else ""}
    return render(request, "parts/places.html", values)


def last_places(dashboard: Dashboard, kind: str, identity: str, until_ms: int) -> list[dict[str, Any]]:
    """Id, time, coordinates and place (city and country) of the newest payments."""
    wanted = Wanted(terms=(Term(kind, identity),), until_ms=until_ms + 1)
    return [
        {**row, **_position(dashboard, row["offset"]), "place": _place(row)}
        for row in dashboard.finder.find(wanted, _MOST, _COLUMNS).rows
    ]


def _position(dashboard: Dashboard, offset: int) -> dict[str, float | None]:
    """Degrees of the payment at an offset, as far as it says where it was made."""
    event = dashboard.of(RecordServices).stored.event_at(offset)
    if event is None:
        return {"lat": None, "lon": None}
    return {name: event.batch.column(name)[event.row].as_py() for name in ("lat", "lon")}


def _place(row: dict[str, Any]) -> str:
    return ", ".join(one for one in (row["city"], row["country"]) if one)
