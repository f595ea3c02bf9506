"""Rules on trial: those in shadow on live traffic, and a changed book on the past."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from ringfence.analysis.list_history import shadow_report
from ringfence.api.handlers.requests import BOOK_BYTES, refusals
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import RuleServices, TrialServices, services_of
from ringfence.ports import DECISIONS
from ringfence.web.parts.asking import beside, caller_of, dashboard_of, is_part
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.period import moment_ms
from ringfence.web.parts.rendering import render

router = APIRouter(route_class=LazyRoute)
Moment = Annotated[str, Form(max_length=40)]


@router.get("/rules/shadow")
async def shadow(request: Request) -> Response:
    """What would have changed if the shadow rules had been active."""
    dashboard = dashboard_of(request)
    end = dashboard.store.log.end_offset(DECISIONS)
    rules = dashboard.of(RuleServices)
    found = dashboard.cache.ask(
        "shadow", end, lambda: shadow_report(rules.lake, rules.desk.ruleset), caller_of(request)
    )
    if found is not None and found.problem:
        raise Stop(422, found.problem)
    values = {"report": found.value if found else None, "at_ms": 1000 * found.at if found else None}
    return render(request, "parts/shadow.html" if is_part(request) else "shadow.html", values)


@router.get("/rules/backtest")
async def backtest_form(
    request: Request, version: Annotated[str, Query(pattern="^[0-9a-z]{4,16}$")] = "head"
) -> Response:
    """Which version to try, on which time."""
    dashboard = dashboard_of(request)
    with refusals():
        desk = dashboard.of(RuleServices).desk
        state = await beside(request, desk.state)
        chosen = desk.resolve(version)
    values = {"state": state, "chosen": chosen, "span": dashboard.finder.span_ms(), "job": None}
    return render(request, "backtest.html", values)


@router.post("/rules/backtest")
async def backtest(
    request: Request,
    version: Annotated[str, Form(pattern="^([0-9a-z]{4,16})?$")] = "",
    text: Annotated[str, Form(max_length=BOOK_BYTES)] = "",
    since: Moment = "",
    until: Moment = "",
) -> Response:
    """Try a version, or a text that nobody has saved, in the background."""
    dashboard, services = dashboard_of(request), services_of(request, TrialServices)
    try:
        span = tuple(moment_ms(moment) if moment else None for moment in (since, until))
    except ValueError:
        raise Stop(422, "From and to are times, such as 2025-01-31T10:00.") from None
    with refusals():
        book = await services.pools.rules.run(services.rules.on_trial, version, "" if version else text)
    trials = services.trials
    job = dashboard.jobs.begin("Backtest", lambda job: trials.backtest(book, (span[0], span[1]), job))
    return render(request, "parts/backtest.html", {"job": job})


@router.get("/backtests/{job_id}")
async def backtested(request: Request, job_id: str) -> Response:
    """How far it is, and what came out."""
    return render(request, "parts/backtest.html", {"job": _job(request, job_id)})


@router.post("/backtests/{job_id}/stop")
async def stop(request: Request, job_id: str) -> Response:
    """It is not wanted any more."""
    job = _job(request, job_id)
    job.stop_asked = True
    return render(request, "parts/backtest.html", {"job": job})


def _job(request: Request, job_id: str) -> Any:
    job = dashboard_of(request).jobs.find(job_id)
    if job is None:
        raise Stop(404, "This is no longer kept: start it again.")
    return job
