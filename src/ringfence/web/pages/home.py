"""Where each role begins: the analyst's queue, the manager's figures, the engineer's flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ringfence.access.roles import Permission
from ringfence.api.handlers.requests import queues_of, who_asks
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import CaseServices, HealthServices
from ringfence.cases.book import CaseQuery
from ringfence.cases.model import LIVE
from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.index import Term, Wanted
from ringfence.ports import DECISIONS, EVENTS
from ringfence.web.investigate.case_list import listed
from ringfence.web.measure.measures import MEASURES
from ringfence.web.pages.operation.system import CAUSES, answers
from ringfence.web.pages.performance import counted_currencies, span_of, typed
from ringfence.web.parts.asking import beside, dashboard_of, visit_of
from ringfence.web.parts.catching_up import TABLES, late
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from ringfence.ports import EventLog
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
PATH: Final = "/home"  # in the navigation
VIEWS: Final = ("analyst", "manager", "engineer")
_COOKIE: Final = "ringfence_home"
_ROWS: Final = 12
_DAY_MS: Final = 86_400_000


@router.get("/home")
async def home(request: Request, view: Annotated[str, Query(alias="as", max_length=20)] = "") -> Response:
    """The view of the caller's role, or the one that was looked at last."""
    chosen = view or request.cookies.get(_COOKIE, "")
    if chosen not in VIEWS:
        visit = visit_of(request)
        chosen = "engineer" if visit.may(Permission.OPERATE) and not visit.open_server else "analyst"
    dashboard, who = dashboard_of(request), who_asks(request, "")
    queues = queues_of(request)
    if queues:  # the other views count cases of all queues
        chosen = "analyst"
    if chosen == "analyst":
        values = await beside(request, _analyst, dashboard, who.name, who.now_ms, queues)
    elif chosen == "manager":
        begin, end = await beside(request, span_of, dashboard, "", "")
        known = await counted_currencies(request, begin, end)
        values = await beside(request, _manager, dashboard, (begin, end), known or [], who.now_ms)
        values |= {"is_counted": known is not None, "address": f"{request.url.path}?{request.url.query}"}
        values["reading"] = await beside(request, late, dashboard, TABLES)
    else:
        values = await beside(request, _engineer, dashboard, who.now_ms)
    page = render(request, f"home_{chosen}.html", values | {"view": chosen, "views": VIEWS})
    if view in VIEWS:
        page.set_cookie(_COOKIE, view, max_age=365 * 86_400, samesite="strict", httponly=True)
    return page


def _analyst(dashboard: Dashboard, me: str, now_ms: int, queues: tuple[str, ...]) -> dict[str, Any]:
    """The caller's own cases, or the most urgent ones where there are none."""
    mine = CaseQuery(states=LIVE, queues=queues, assignee=me, limit=_ROWS)
    values = listed(dashboard, mine, now_ms, me)
    own = bool(values["page"].cases)
    if not own:
        urgent = CaseQuery(states=LIVE, queues=queues, ready=True, limit=_ROWS)
        values = listed(dashboard, urgent, now_ms, me)
    rest = {
        "own": own,
        "queue": None,
        "q": "",
        "skip": 0,
        "order": "urgency",
        "rows": max(_ROWS, values["page"].total),
    }
    return values | rest


def _manager(dashboard: Dashboard, span: tuple[int, int], known: list[str], now_ms: int) -> dict[str, Any]:
    """Figures of a period against the one before, in the first of its currencies; queues by age."""
    begin, end = span
    queues = dashboard.of(CaseServices).cases.queues(now_ms)
    oldest = min((one.oldest_ms for one in queues if one.oldest_ms is not None), default=None)
    return {
        "currency": known[0] if known else None,
        "since": typed(begin),
        "until": typed(end),
        "days": round((end - begin) / _DAY_MS, 1),
        "panels": [MEASURES[name] for name in ("kpis", "trend")],
        "waiting": sum(one.ready for one in queues),
        "overdue": sum(one.overdue for one in queues),
        "oldest_seconds": (now_ms - oldest) / 1000 if oldest is not None else None,
    }


def _decided_since(log: EventLog, since_ms: int) -> int:
    """The offset of the first payment that was decided then or later: decisions stand in their order."""
    low, high = log.start_offset(DECISIONS), log.end_offset(DECISIONS)
    found = log.end_offset(EVENTS)
    while low < high:
        middle = (low + high) // 2
        batch = next(log.read(DECISIONS, middle, middle + 1))
        table = DecisionBatch.decode(batch.payload).table
        decided = table.column("decided_at_ms").to_numpy()
        if decided[-1] < since_ms:
            low = batch.next_offset
            continue
        found = table.column("offset")[int((decided >= since_ms).argmax())].as_py()
        high = batch.base_offset
    return found


def _engineer(dashboard: Dashboard, now_ms: int) -> dict[str, Any]:
    """Source, log, engine, followers; what is degraded, and what is quarantined."""
    log, finder = dashboard.store.log, dashboard.finder
    series = dashboard.vitals.series()["rate"][-10:]
    counts = dashboard.store.quarantine.counts()
    recent = _decided_since(log, now_ms - _DAY_MS)
    degraded = [
        (cause, finder.count(Wanted(terms=(Term("degraded", cause),), since_offset=recent)))
        for cause in CAUSES
    ]
    runner = dashboard.of(HealthServices).runner
    return {
        "sources": dashboard.of(HealthServices).sources.states(),
        "events": log.end_offset(EVENTS),
        "decisions": log.end_offset(DECISIONS),
        "rate": sum(series) / max(1, len(series)),
        "latency": dashboard.activity.figures()["latency_ms"],
        "waiting": dashboard.of(HealthServices).decider.waiting,
        "followers": dashboard.of(HealthServices).following.states(),
        "problems": [
            *dashboard.of(HealthServices).following.warnings(),
            *([str(runner.saving.problem)] if runner.saving.problem else []),
        ],
        "degraded": degraded,
        "decided": finder.count(Wanted(since_offset=recent)),
        **answers(dashboard),
        "quarantined": sum(total for total, _ in counts.values()),
        "retriable": sum(left for _, left in counts.values()),
        "versions": dashboard.of(HealthServices).versions(),
    }
