"""Alerts, who looks at them, and messages on their way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request
from msgspec.structs import replace
from starlette.responses import RedirectResponse, Response

from ringfence.access.principal import Role
from ringfence.api.asked import who_asks
from ringfence.api.audited import tell
from ringfence.bus.subscription import shown
from ringfence.web.asking import dashboard_of, demand
from ringfence.web.rendering import render

if TYPE_CHECKING:
    from ringfence.web.dashboard import Dashboard

router = APIRouter()
PATH: Final = "/alerts"  # in the navigation
_SHOWN: Final = 100
_LETTERS: Final = 50


@router.get("/alerts")
async def alerts(
    request: Request, state: Annotated[str, Query(pattern="^(open|acknowledged|all)$")] = "open"
) -> Response:
    """Alerts, newest first, and how destinations are."""
    demand(request, Role.ANALYST)
    values = await asyncio.to_thread(_overview, dashboard_of(request), state)
    return render(request, "alerts.html", values)


@router.post("/alerts/acknowledge")
async def acknowledge(request: Request, alert_id: Annotated[str, Form(max_length=64)]) -> Response:
    """Somebody looks at it."""
    demand(request, Role.ANALYST)
    by = who_asks(request, "").name
    tell(request.scope, object=alert_id)
    dashboard = dashboard_of(request)
    book = dashboard.server.outboxes.alerts
    await asyncio.to_thread(book.acknowledge, alert_id, by, dashboard.server.clock.now_ms())
    return RedirectResponse("/alerts", 303)


@router.post("/outbox/retry")
async def retry(request: Request, message_id: Annotated[str, Form(max_length=4096)]) -> Response:
    """Try a message again now."""
    demand(request, Role.ADMIN)
    tell(request.scope, object=message_id)
    dashboard = dashboard_of(request)
    bus, now_ms = dashboard.server.outboxes.bus, dashboard.server.clock.now_ms()
    await asyncio.to_thread(lambda: bus.retry([message_id], now_ms=now_ms))
    return RedirectResponse("/alerts", 303)


def _overview(dashboard: Dashboard, state: str) -> dict[str, Any]:
    empty: dict[str, Any] = {"alerts": [], "counts": {"open": 0, "acknowledged": 0}, "state": state}
    empty |= {"destinations": [], "letters": [], "subscriptions": []}
    if not dashboard.server.outboxes.is_used:
        return empty
    bus, book = dashboard.server.outboxes.bus, dashboard.server.outboxes.alerts
    return empty | {
        "alerts": book.alerts(state=None if state == "all" else state, limit=_SHOWN),
        "counts": book.counts(),
        "destinations": [replace(one, address=shown(one.address)) for one in bus.destinations()],
        "subscriptions": [replace(one, to=shown(one.to)) for one in bus.subscriptions()],
        "letters": [
            replace(one, destination=shown(one.destination))
            for state in ("dead", "waiting")
            for one in bus.letters(state=state, limit=_LETTERS)
        ],
    }
