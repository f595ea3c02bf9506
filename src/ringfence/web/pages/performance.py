"""What a manager asks: fraud stopped and missed, customers bothered, when and where."""

from __future__ import annotations

import csv
import io
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import RecordServices, Surroundings
from ringfence.web.measure.measures import DAY_MS, MATURITY_DAYS, MEASURES, Panel, changes, currencies
from ringfence.web.parts.asking import beside, caller_of, dashboard_of, ends_of, from_tables
from ringfence.web.parts.catching_up import TABLES, late
from ringfence.web.parts.cells import csv_cell
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.period import current, moment_ms, zone_name
from ringfence.web.parts.rendering import render, when

if TYPE_CHECKING:
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
PATH: Final = "/performance"  # in the navigation
_DAYS: Final = 30
_MOST_DAYS: Final = 3660
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
Moment = Annotated[str, Query(max_length=40)]
Currency = Annotated[str | None, Query(pattern="^[A-Z]{0,3}$")]
Name = Annotated[str, Path(pattern="^[a-z]{1,20}$")]


@router.get("/performance")
async def performance(
    request: Request, since: Moment = "", until: Moment = "", currency: Currency = None
) -> Response:
    """The figures of a time, each with its SQL; the last 30 days of the log unless given.

    The figures are those of one currency: the most frequent unless given. While currencies are counted the
    page says so, and asks again.
    """
    begin, end = await beside(request, span_of, dashboard_of(request), since, until)
    counted = await counted_currencies(request, begin, end)
    known = counted or []
    values = {
        "is_counted": counted is not None,
        "address": f"{request.url.path}?{request.url.query}",
        "reading": await beside(request, late, dashboard_of(request), TABLES),
        "currencies": known,
        "currency": currency if currency is not None else (known[0] if known else None),
        "since": typed(begin),
        "until": typed(end),
        "before": (typed(2 * begin - end), typed(begin)),
        "after": (typed(end), typed(2 * end - begin)),
        "days": round((end - begin) / DAY_MS, 1),
        "measures": list(MEASURES.values()),
    }
    return render(request, "performance.html", values)


async def counted_currencies(request: Request, begin: int, end: int) -> list[str] | None:
    """Currencies of a time, the most frequent first; None while they are being counted."""
    dashboard = dashboard_of(request)
    count = partial(currencies, dashboard.of(RecordServices).lake, begin, end)
    asked = ("currencies", begin, end), ends_of(dashboard), count, caller_of(request)
    counted = dashboard.cache.ask(*asked) or await dashboard.cache.soon(*asked)
    if counted is None:
        return None
    if counted.problem:
        raise Stop(422, counted.problem)
    found: list[str] = counted.value
    return found


@router.get("/performance/{name}")
async def panel(
    request: Request, name: Name, since: Moment, until: Moment, currency: Currency = None
) -> Response:
    """One panel."""
    dashboard, measure = dashboard_of(request), _measure(name)
    begin, end = await beside(request, span_of, dashboard, since, until)
    work = partial(copy_context().run, _panel, dashboard, measure, begin, end, currency)
    question = ("measure", name, begin, end, currency, zone_name())
    found = await dashboard.cache.soon(question, ends_of(dashboard), work, caller_of(request))
    if found is None:
        reading = await beside(request, late, dashboard, TABLES)
        values = {"address": f"{request.url.path}?{request.url.query}", "reading": reading}
        return render(request, "parts/counting.html", values)
    if found.problem:
        raise Stop(422, found.problem)
    values = {"since": typed(begin), "until": typed(end), "currency": currency}
    return render(request, "parts/measure.html", found.value | values)


@router.get("/performance/{name}/csv")
async def as_csv(
    request: Request, name: Name, since: Moment, until: Moment, currency: Currency = None
) -> Response:
    """Its rows, for a spreadsheet."""
    dashboard, measure = dashboard_of(request), _measure(name)
    begin, end = await beside(request, span_of, dashboard, since, until)
    lake, zone = dashboard.of(RecordServices).lake, zone_name()
    rows = await from_tables(request, measure.rows, lake, begin, end, currency, zone)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(rows[0] if rows else [])
    for row in rows:
        writer.writerow([csv_cell(value) for value in row.values()])
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return Response(out.getvalue(), media_type="text/csv", headers=headers)


def _panel(
    dashboard: Dashboard, measure: Panel, begin: int, end: int, currency: str | None
) -> dict[str, Any]:
    lake, zone = dashboard.of(RecordServices).lake, zone_name()
    rows = measure.rows(lake, begin, end, currency, zone)
    values: dict[str, Any] = {
        "measure": measure,
        "rows": rows,
        "sql": measure.statement(begin, end, currency, zone),
        "zone": zone,
        "points": "",
        "earlier": None,
        "grid": [],
        "changed": [],
        "weekdays": _WEEKDAYS,
        "maturity": MATURITY_DAYS,
    }
    if measure.kind == "kpis":
        values["earlier"] = measure.rows(lake, 2 * begin - end, begin, currency, zone)[0]
    elif measure.kind == "hours":
        values["grid"] = _grid(rows)
    elif rows:
        values["changed"] = changes(lake, begin, end, zone) if measure.kind == "trend" else []
        values["points"] = msgspec.json.encode(
            {
                "columns": {name: [row[name] for row in rows] for name in rows[0]},
                "changes": values["changed"],
                "mature_until": typed(dashboard.of(Surroundings).clock.now_ms() - MATURITY_DAYS * DAY_MS)[
                    :10
                ],
            },
            enc_hook=str,
        ).decode()
    return values


def _grid(rows: list[dict[str, Any]]) -> list[list[tuple[int, int, int]]]:
    """Of each weekday and hour: payments, frauds, and a shade from 0 to 5."""
    known = {(row["weekday"], row["hour"]): (row["payments"], row["frauds"]) for row in rows}
    most = max((row["frauds"] for row in rows), default=0)
    return [
        [
            (*cell, -(-5 * cell[1] // most) if most else 0)
            for hour in range(24)
            for cell in (known.get((day, hour), (0, 0)),)
        ]
        for day in range(1, 8)
    ]


def _measure(name: str) -> Panel:
    if name not in MEASURES:
        raise Stop(404, f"There is no measure {name!r}.")
    return MEASURES[name]


def span_of(dashboard: Dashboard, since: str, until: str) -> tuple[int, int]:
    """Begin and end of what is asked for: as typed, else the range of the page, else the last 30 days."""
    try:
        begin, end = (moment_ms(one) if one else None for one in (since, until))
    except (ValueError, OverflowError):
        raise Stop(422, "Give times such as 2026-11-01T00:00.") from None
    if end is None:
        known = dashboard.finder.span_ms()
        last = known[1] if known else dashboard.of(Surroundings).clock.now_ms()
        end = last - last % DAY_MS + DAY_MS
        named = current().span_ms(end - 1)
        if begin is None and named is not None:
            begin = max(named[0], known[0] - known[0] % DAY_MS if known else 0)
    if begin is None:
        begin = end - _DAYS * DAY_MS
    if not 0 < end - begin <= _MOST_DAYS * DAY_MS or begin < 0:
        raise Stop(422, "The time must begin before it ends, and span ten years at most.")
    return begin, end


def typed(time: int) -> str:
    """A moment as the field of a form has it."""
    return when(time, seconds=False).replace(" ", "T")
