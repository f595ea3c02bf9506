"""Alerts, and who looks at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from ringfence.alerts.book import DIGEST_NAME
from ringfence.api.audited import SHOWN, tell
from ringfence.api.handlers.requests import refusals, who_asks
from ringfence.api.services import BusServices, Surroundings
from ringfence.desks.alerts import ANALYST_DAYS, Muter
from ringfence.web.audited import ACTIONS
from ringfence.web.parts.asking import beside, dashboard_of
from ringfence.web.parts.catching_up import late
from ringfence.web.parts.forms import at_head, kept_forms
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from ringfence.web.dashboard import Dashboard


async def _again(request: Request, status: int, wrong: dict[str, str]) -> Response:
    """The page after a form that was refused: open alerts, and what was wrong."""
    request.scope[SHOWN] = ACTIONS["GET", "/alerts"]
    values = await beside(request, _overview, dashboard_of(request), "open", "all", "", None)
    return render(request, "alerts.html", values | {"problem": at_head(wrong)}, status)


router = APIRouter(route_class=kept_forms(_again))
PATH: Final = "/alerts"  # in the navigation
_SHOWN: Final = 100
_HOUR_MS: Final = 3_600_000


@router.get("/alerts")
async def alerts(
    request: Request,
    state: Annotated[str, Query(pattern="^(open|in_case|acknowledged|all)$")] = "open",
    severity: Annotated[str, Query(pattern="^(medium|high|critical|all)$")] = "all",
    digest: Annotated[str, Query(pattern=f"{DIGEST_NAME}|^$")] = "",
    before: Annotated[int | None, Query(ge=0, le=1 << 53)] = None,
) -> Response:
    """Alerts, newest first: all, or those that a digest counts."""
    values = await beside(request, _overview, dashboard_of(request), state, severity, digest, before)
    return render(request, "alerts.html", values)


@router.post("/alerts/acknowledge")
async def acknowledge(request: Request, alert_id: Annotated[str, Form(max_length=64)]) -> Response:
    """Somebody looks at it."""
    by = who_asks(request, "").name
    tell(request.scope, object=alert_id)
    dashboard = dashboard_of(request)
    book = dashboard.of(BusServices).outboxes.alerts
    await beside(request, book.acknowledge, alert_id, by, dashboard.of(Surroundings).clock.now_ms())
    return RedirectResponse("/alerts", 303)


@router.post("/alerts/mute")
async def mute(
    request: Request,
    alert_id: Annotated[str, Form(max_length=64)],
    hours: Annotated[int, Form(ge=1, le=24 * ANALYST_DAYS)] = 24,
) -> Response:
    """Raise no more alerts like this one, on the same entity, for some hours."""
    who = who_asks(request, "")
    tell(request.scope, object=alert_id, alert=alert_id, hours=str(hours))
    desk = dashboard_of(request).of(BusServices).mutes
    until_ms, muter = who.now_ms + hours * _HOUR_MS, Muter(who.name, who.may_approve)
    with refusals():
        change = await beside(request, desk.mute_like, alert_id, until_ms, muter, who.now_ms)
    tell(request.scope, object=change.object, **change.details())
    return RedirectResponse("/alerts", 303)


@router.post("/alerts/unmute")
async def unmute(
    request: Request,
    typology: Annotated[str, Form(max_length=256)],
    entity_id: Annotated[str, Form(max_length=8192)],
) -> Response:
    """Raise them again."""
    who, desk = who_asks(request, ""), dashboard_of(request).of(BusServices).mutes
    tell(request.scope, object=f"{typology} {desk.named(entity_id)}")
    with refusals():
        change = await beside(
            request, desk.unmute, typology, entity_id, who.now_ms, may_approve=who.may_approve
        )
    tell(request.scope, object=change.object, **change.details())
    return RedirectResponse("/alerts", 303)


def _overview(
    dashboard: Dashboard, state: str, severity: str, digest: str, before: int | None
) -> dict[str, Any]:
    empty: dict[str, Any] = {
        "alerts": [],
        "counts": {"open": 0, "in_case": 0, "acknowledged": 0},
        "mutes": [],
        "state": state,
        "severity": severity,
        "digest": digest,
        "before": before,
        "most": _SHOWN,
        "problem": "",
        "reading": late(dashboard, "outbox"),
    }
    if not dashboard.of(BusServices).outboxes.is_used:
        return empty
    book, now_ms = dashboard.of(BusServices).outboxes.alerts, dashboard.of(Surroundings).clock.now_ms()
    return empty | {
        "alerts": book.alerts(
            state=None if state == "all" else state,
            severity=None if severity == "all" else severity,
            digest=digest or None,
            limit=_SHOWN,
            before=before,
        ),
        "counts": book.counts(digest or None),
        "mutes": dashboard.of(BusServices).mutes.mutes(now_ms, _SHOWN).mutes,
    }
