"""What asks for somebody now: one page, and its number in the menu."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import Response

from ringfence.access.approvals import ApprovalState
from ringfence.access.roles import Permission
from ringfence.api.handlers.requests import queues_of, who_asks
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import AccessServices, BusServices, CaseServices, HealthServices, RuleServices
from ringfence.cases.book import CaseQuery
from ringfence.cases.model import LIVE, CaseState
from ringfence.web.parts.asking import beside, dashboard_of, visit_of
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
_DAY_MS: Final = 86_400_000


class Notification(NamedTuple):
    """One thing to see to: how many of it, what it is, and where it is dealt with."""

    number: int
    text: str
    href: str
    is_urgent: bool = False


@router.get("/notifications")
async def notifications(request: Request) -> Response:
    """All that asks for the caller."""
    found = await beside(request, notifications_of, request)
    return render(request, "notifications.html", {"found": found})


@router.get("/notifications/count")
async def count(request: Request) -> Response:
    """How many things that are, for the menu."""
    found = await beside(request, notifications_of, request)
    values: dict[str, Any] = {"found": found, "is_urgent": any(one.is_urgent for one in found)}
    return render(request, "parts/notifications.html", values)


def notifications_of(request: Request) -> list[Notification]:
    """By the caller's role, the urgent ones first; nothing is in it that there is none of."""
    dashboard, who = dashboard_of(request), who_asks(request, "")
    found = [*_of_cases(dashboard, who.name, who.now_ms, queues_of(request))]
    visit = visit_of(request)
    if visit.may(Permission.APPROVE):
        found += _to_approve(dashboard, who.now_ms)
    if visit.may(Permission.OPERATE):
        found += _of_operation(dashboard)
    return sorted((one for one in found if one.number), key=lambda one: not one.is_urgent)


def _of_cases(dashboard: Dashboard, me: str, now_ms: int, own: tuple[str, ...]) -> Iterator[Notification]:
    """Of cases in the caller's own queues, of all where it has none."""
    book, outboxes = dashboard.of(CaseServices).case_book, dashboard.of(BusServices).outboxes
    overdue = sum(one.overdue for one in book.queues(now_ms) if not own or one.queue in own)
    yield Notification(overdue, _cases(overdue, "overdue"), "/cases?view=overdue", is_urgent=True)
    mine = CaseQuery(states=LIVE, queues=own, assignee=me)
    own_cases = book.count(mine, now_ms)
    yield Notification(own_cases, _cases(own_cases, "assigned to you"), "/cases?view=mine")
    proposed = CaseQuery(states=(CaseState.PROPOSED,), queues=own)
    waiting = book.count(proposed, now_ms)
    yield Notification(waiting, _cases(waiting, "to approve"), "/cases?view=to+approve")
    alerts = outboxes.alerts.counts()["open"] if outboxes.is_used else 0
    yield Notification(alerts, "alerts in no case, not acknowledged", "/alerts")


def _cases(number: int, what: str) -> str:
    return f"a case {what}" if number == 1 else f"cases {what}"


def _to_approve(dashboard: Dashboard, now_ms: int) -> Iterator[Notification]:
    waiting = sum(1 for change in dashboard.of(RuleServices).desk.book.changes() if change.approved is None)
    yield Notification(waiting, "versions of the rules to approve", "/rules/versions")
    asked = sum(
        one.state is ApprovalState.WAITING for one in dashboard.of(AccessServices).approvals.list(now_ms)
    )
    yield Notification(asked, "requests for a second person to approve", "/approvals")


def _of_operation(dashboard: Dashboard) -> Iterator[Notification]:
    for problem in dashboard.of(HealthServices).following.warnings():
        yield Notification(1, problem, "/system", is_urgent=True)
    outboxes = dashboard.of(BusServices).outboxes
    dead = sum(letters for _, _, letters, _ in outboxes.bus.figures()) if outboxes.is_used else 0
    yield Notification(dead, "messages that could not be delivered", "/bus", is_urgent=True)
    retriable = sum(left for _, left in dashboard.store.quarantine.counts().values())
    yield Notification(retriable, "quarantined records that nobody has tried again", "/quarantine")
