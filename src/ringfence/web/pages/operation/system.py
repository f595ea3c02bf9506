"""How the server itself is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import HealthServices, Surroundings
from ringfence.compose.folder.store import open_snapshots
from ringfence.decisions.index import Term, Wanted
from ringfence.decisions.policy import FUTURE, LATE
from ringfence.pipeline import MODEL
from ringfence.web.parts.asking import beside, dashboard_of, is_part
from ringfence.web.parts.rendering import render
from ringfence.web.vitals import memory_bytes

if TYPE_CHECKING:
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
PATH: Final = "/system"  # in the navigation
CAUSES: Final = (LATE, FUTURE, MODEL)
"""Why a stored decision can be degraded; an answer at the deadline is none, and is counted by itself."""


@router.get("/system")
async def system(request: Request) -> Response:
    """Throughput, stages, queue, snapshots, what was decided without a part."""
    dashboard = dashboard_of(request)
    values = await beside(request, _slow, dashboard)
    values |= _quick(dashboard)
    return render(request, "parts/system.html" if is_part(request) else "system.html", values)


def _quick(dashboard: Dashboard) -> dict[str, Any]:
    vitals = dashboard.vitals
    runner = dashboard.of(HealthServices).runner
    series = vitals.series()
    return {
        "up_seconds": vitals.up_seconds,
        "series": msgspec.json.encode(series).decode(),
        "rate": sum(series["rate"][-10:]) / max(1, len(series["rate"][-10:])),
        "stages": vitals.stages(),
        "figures": dashboard.activity.figures(),
        "waiting": dashboard.of(HealthServices).decider.waiting,
        "most_waiting": dashboard.of(Surroundings).settings.most_waiting,
        "offset": runner.pipeline.offset,
        "snapshot_events": runner.pipeline.offset - runner.saving.offset,
        "snapshot_seconds": (dashboard.of(Surroundings).clock.now_ms() - runner.saving.at_ms) / 1000,
        "snapshot_problem": str(runner.saving.problem) if runner.saving.problem else None,
        "memory": memory_bytes(),
        "versions": dashboard.of(HealthServices).versions(),
        "streams": len(dashboard.of(HealthServices).places),
        "sessions": len(dashboard.sessions),
        "behind": dashboard.finder.behind,
        "followers": dashboard.of(HealthServices).following.states(),
        "follower_problems": [
            *dashboard.of(HealthServices).following.warnings(),
            *dashboard.of(HealthServices).backups.warnings(),
            *dashboard.of(HealthServices).upkeep.warnings(in_full=True),
        ],
        **answers(dashboard),
        "objectives": dashboard.of(HealthServices).objectives.standings(),
    }


def answers(dashboard: Dashboard) -> dict[str, int]:
    """Single payments that were answered since the start, and how many of them the policy at the deadline."""
    counts = dashboard.of(HealthServices).metrics.deciding
    return {"answered": counts.answered, "expired": counts.expired}


def _slow(dashboard: Dashboard) -> dict[str, Any]:
    finder, folder = dashboard.finder, dashboard.store.folder
    degraded = [(cause, finder.count(Wanted(terms=(Term("degraded", cause),)))) for cause in CAUSES]
    files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return {
        "degraded": degraded,
        "decisions": finder.count(Wanted()),
        "span": finder.span_ms(),
        "snapshots": open_snapshots(dashboard.store).offsets(),
        "disk": sum(files),
    }
