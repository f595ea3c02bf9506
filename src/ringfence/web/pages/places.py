"""Where somebody paid last, for the map of a case and of a payment."""

# ruff: noqa: S608 - texts go through `quoted_text`, columns are among those known

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from ringfence.api.services import RecordServices
from ringfence.scoring.rulesets.duckdb_sql import quoted_text
from ringfence.web.parts.asking import dashboard_of, from_tables
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.rendering import render, when

if TYPE_CHECKING:
    from ringfence.web.dashboard import Dashboard

router = APIRouter()
_OF: Final = ("customer", "card", "account", "device")
_MOST: Final = 30


@router.get("/places/{entity_type}/{entity_id:id}")
async def places(
    request: Request,
    entity_type: str,
    entity_id: Annotated[str, Path(min_length=1, max_length=4096)],
    until: Annotated[int, Query(ge=0, le=4_102_444_800_000)] = 4_102_444_800_000,
) -> Response:
    """The last places up to a time, newest first, on a map where they have coordinates."""
    if entity_type not in _OF:
        raise Stop(404, f"Places are those of a {', '.join(_OF)}.")
    rows = await from_tables(request, last_places, dashboard_of(request), entity_type, entity_id, until)
    points = [
        {"lat": row["lat"], "lon": row["lon"], "label": f"{when(row['event_time_ms'])} {row['place']}"}
        for row in rows
        if row["lat"] is not None and row["lon"] is not None
    ]
    values = {"rows": rows, "points": msgspec.json.encode(points).decode() if points else ""}
    return render(request, "parts/places.html", values)


def last_places(dashboard: Dashboard, kind: str, identity: str, until_ms: int) -> list[dict[str, Any]]:
    """Time, coordinates, country and city of the newest payments."""
    lake = dashboard.of(RecordServices).lake
    found: list[dict[str, Any]] = lake.sql(
        "SELECT transaction_id, event_time_ms, lat, lon, coalesce(country, '') AS country, "
        "concat_ws(', ', city, country) AS place "
        f"FROM transactions WHERE {kind}_id = {quoted_text(identity)} AND event_time_ms <= {int(until_ms)} "
        f"ORDER BY event_time_ms DESC LIMIT {_MOST}"
    ).to_pylist()
    return found
