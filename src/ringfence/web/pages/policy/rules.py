"""The rule book: what it catches, edited with checking as one types, put in force."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from ringfence.api.handlers.checking import checked as check
from ringfence.api.handlers.requests import BOOK_BYTES, UnconfirmedRefusal, refusals, who_asks
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import RuleServices, Surroundings, services_of
from ringfence.decisions.index import Term, Wanted
from ringfence.desks.seals import said
from ringfence.rulebook.changes import StaleError
from ringfence.scoring.rulesets.outcomes import Mode
from ringfence.web.pages.policy.impact import SealField, change_of_mode, sheet
from ringfence.web.parts.asking import beside, dashboard_of
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from ringfence.rulebook.changes import Change
    from ringfence.scoring.rulesets.ruleset import Rule
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
PATH: Final = "/rules"  # in the navigation
DAY_MS: Final = 86_400_000
DAYS: Final = 28
_RECENT_DAYS: Final = 7
Text = Annotated[str, Form(max_length=BOOK_BYTES)]
Note = Annotated[str, Form(max_length=1000)]
Confirm = Annotated[str, Form(max_length=64)]


@router.get("/rules")
async def rules(request: Request) -> Response:
    """The book in force, and how often each rule fires."""
    values = await beside(request, _book, dashboard_of(request))
    return render(request, "rules.html", values)


def _book(dashboard: Dashboard) -> dict[str, Any]:
    state = dashboard.of(RuleServices).desk.state()
    span = dashboard.finder.span_ms()
    last = span[1] if span else 0
    edges = [last + 1 - DAY_MS * (DAYS - day) for day in range(DAYS + 1)]
    recent = edges[-1 - _RECENT_DAYS]
    book = state.rules.every_rule
    by_day = dashboard.finder.histograms([_term(rule) for rule in book], edges).tolist()
    return {
        "state": state,
        "rows": [(rule, sum(days[-_RECENT_DAYS:]), days) for rule, days in zip(book, by_day, strict=True)],
        "payments": dashboard.finder.count(Wanted(since_ms=recent)) if span else 0,
        "modes": list(Mode),
        "days": _RECENT_DAYS,
        "waiting": waiting(dashboard),
    }


def _term(rule: Rule) -> Term:
    return Term("shadow" if rule.mode is Mode.SHADOW else "rule", rule.id)


def waiting(dashboard: Dashboard) -> list[Change]:
    """Changes that a second person has still to look at."""
    return [change for change in dashboard.of(RuleServices).desk.book.changes() if change.approved is None]


@router.get("/rules/edit")
async def edit(
    request: Request,
    version: Annotated[str, Query(pattern="^[0-9a-z]{4,16}$")] = "head",
    rule: Annotated[str, Query(max_length=80)] = "",
) -> Response:
    """The book as text."""
    dashboard = dashboard_of(request)

    def read() -> tuple[Any, str]:
        desk = dashboard.of(RuleServices).desk
        return desk.version(version), desk.resolve("head")

    with refusals():
        found, newest = await beside(request, read)
    values = {"version": found, "based_on": newest, "rule": rule, "desk": dashboard.of(RuleServices).desk}
    return render(request, "rules_edit.html", values)


@router.post("/rules/check")
async def check_text(request: Request, text: Text = "") -> Response:
    """What is wrong with the text as it is."""
    look = partial(services_of(request, RuleServices).check, text.replace("\r\n", "\n"), measured=False)
    with refusals():
        checked = await check(services_of(request, RuleServices), look)
    return render(request, "parts/checked.html", {"checked": checked})


@router.post("/rules/rates")
async def measure(request: Request, text: Text = "") -> Response:
    """How often its rules would have fired on the newest payments."""
    with refusals():  # what is wrong with it, the check that asked for this has told
        services = services_of(request, RuleServices)
        checked = await check(services, services.check, text.replace("\r\n", "\n"))
    return render(request, "parts/rates.html", {"rates": checked.rates, "warnings": checked.warnings})


@router.post("/rules/save")
async def save(
    request: Request,
    text: Text = "",
    based_on: Annotated[str, Form(pattern="^[0-9a-z]{4,16}$")] = "head",
    note: Note = "",
    activate: Annotated[str, Form(max_length=5)] = "",
) -> Response:
    """Keep a new version, then show its impact if it is to be activated; the difference where it is stale."""
    services = services_of(request, RuleServices)
    keep = partial(services.rules.save, text, based_on, who_asks(request, note), activate=False)
    try:
        with refusals():
            change = (await services_of(request, Surroundings).pools.rules.run(_or_stale, keep)).change
    except _Stale as stale:
        values = {"message": str(stale.error), "difference": stale.error.difference}
        return render(request, "parts/stale.html", values, 409)
    shows_impact = activate and not services.desk.require_approval
    after = f"/rules/impact?version={change.digest}" if shows_impact else f"/rules/versions/{change.digest}"
    return Response(status_code=204, headers={"hx-redirect": after})


class _Stale(Exception):  # noqa: N818 (an answer, not a failure)
    def __init__(self, error: StaleError) -> None:
        super().__init__()
        self.error = error


def _or_stale(act: Any) -> Any:
    try:
        return act()
    except StaleError as error:
        raise _Stale(error) from error


@router.post("/rules/mode")
async def set_mode(
    request: Request,
    rule: Annotated[str, Form(max_length=80)],
    mode: Annotated[Mode, Form()],
    based_on: Annotated[str, Form(pattern="^[0-9a-z]{4,16}$")],
    note: Note = "",
    seal: SealField = "",
    confirm: Confirm = "",
) -> Response:
    """A new version in which one rule has another mode, in force at once where no approval is needed."""
    who = who_asks(request, note or f"{rule}: {mode}")
    change = partial(
        services_of(request, RuleServices).rules.set_mode,
        rule,
        mode,
        based_on,
        who,
        activate=True,
        confirm=said(seal, confirm),
    )
    try:
        with refusals():
            await services_of(request, Surroundings).pools.rules.run(change)
    except UnconfirmedRefusal as refused:
        return sheet(request, refused.sheet, change_of_mode(rule, mode, based_on), status=409, note=note)
    return RedirectResponse("/rules", 303)
