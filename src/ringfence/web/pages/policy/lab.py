"""The rule lab: one rule as form or YAML, tried on the past while it is written, and through its life."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from ringfence.analysis.rule_lab import try_rule
from ringfence.api.handlers.checking import checked
from ringfence.api.handlers.requests import UnconfirmedRefusal, refusals, who_asks
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import RuleServices, Surroundings, TrialServices, services_of
from ringfence.compose.deciding.questions import laboratory
from ringfence.desks.seals import said
from ringfence.errors import InputError, RuleError
from ringfence.rulebook.single_rule import STAGES, at_stage, dump_rule, load_rule, stage_of, with_rule
from ringfence.scoring.rulesets.books import dump_book
from ringfence.scoring.rulesets.outcomes import OUTCOMES, Mode
from ringfence.scoring.rulesets.ruleset import Rule, RuleSet
from ringfence.web.measure.lab_names import TEMPLATES, names_of
from ringfence.web.pages.policy.impact import SealField, change_of_stage, sheet
from ringfence.web.parts.asking import beside, dashboard_of, is_part
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from ringfence.analysis.rule_lab import LabReport
    from ringfence.api.background.jobs import Job
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
_BYTES: Final = 64 << 10
_DAYS: Final = 90.0
_SHOWN: Final = ("id", "title", "when", "outcome", "points", "reason", "analyst", "customer")
Text = Annotated[str, Form(max_length=_BYTES)]
Word = Annotated[str, Form(max_length=2000)]
Stage = Annotated[str, Form(max_length=10)]


class Looked(msgspec.Struct, frozen=True):
    """A rule as text and as fields, and what is wrong with it. `line` is of the text."""

    text: str
    fields: dict[str, str]
    problem: str = ""
    line: int | None = None
    column: int | None = None  # of the condition, from 1
    fires: str = ""


@router.get("/rules/lab")
async def lab(
    request: Request,
    rule: Annotated[str, Query(max_length=80)] = "",
    template: Annotated[str, Query(max_length=40)] = "velocity",
) -> Response:
    """A rule of the newest version, or a template."""
    dashboard = dashboard_of(request)
    newest, book = await beside(request, _head, dashboard)
    state = await beside(request, dashboard.of(RuleServices).desk.state)
    found = next((one for one in book.rules if one.id == rule), None)
    if rule and found is None:
        raise Stop(404, f"There is no rule {rule[:80]!r} in the newest version that can be edited by itself.")
    shown = found or TEMPLATES.get(template, TEMPLATES["velocity"])
    values = {
        "rule": shown,
        "is_new": found is None,
        "text": dump_rule(shown),
        "based_on": newest,
        "stage": stage_of(shown) if found else "",
        "stages": STAGES,
        "decides": any(one.id == rule and one.mode is Mode.ACTIVE for one in state.rules.rules),
        "is_active": newest == state.active,
        "templates": TEMPLATES,
        "outcomes": OUTCOMES,
        "template": template,
        "approval": dashboard.of(RuleServices).desk.require_approval,
    }
    return render(request, "lab.html", values)


def _head(dashboard: Dashboard) -> tuple[str, RuleSet]:
    desk = dashboard.of(RuleServices).desk
    newest = desk.resolve("head")
    return newest, desk.ruleset(newest)


@router.get("/rules/lab/names")
async def names(request: Request) -> Response:
    """What a condition may name."""
    found = await beside(request, names_of, dashboard_of(request))
    return Response(msgspec.json.encode(found), media_type="application/json")


@router.post("/rules/lab/check")
async def check_rule(request: Request) -> Response:
    """The rule in its other form, and what is wrong with it, for the editor."""
    form = {name: str(value)[:_BYTES] for name, value in (await request.form()).items()}
    with refusals():
        found = await checked(services_of(request, RuleServices), _looked_at, dashboard_of(request), form)
    return Response(msgspec.json.encode(found), media_type="application/json")


def _looked_at(dashboard: Dashboard, form: dict[str, str]) -> Looked:
    text = form.get("text", "")
    fields = {name: form.get(name, "") for name in _SHOWN}
    try:
        rule = load_rule(text)
        if form.get("source") == "form":
            rule = _with_fields(rule, fields)
        text, fields = dump_rule(rule), _fields(rule)
        book = with_rule(_head(dashboard)[1], rule)
        alone = dump_book(msgspec.structs.replace(book, rules=(rule,)))
    except (InputError, RuleError) as error:
        return Looked(text, fields, str(error))
    checked = dashboard.of(RuleServices).check(alone)
    fault = next((one for one in checked.faults if one.rule in (rule.id, None)), None)
    if fault is not None:
        return Looked(text, fields, fault.problem, _line_of(text, "when"), fault.column)
    rate = next((one for one in checked.rates if one.rule == rule.id), None)
    fires = (
        f"fires on {rate.fired:,} of the newest {rate.judged:,} payments" if rate else "it was not measured"
    )
    return Looked(text, fields, fires=fires)


def _with_fields(rule: Rule, fields: dict[str, str]) -> Rule:
    told: dict[str, Any] = msgspec.to_builtins(rule) | {name: one for name, one in fields.items() if one}
    for name in ("outcome", "customer", "points"):
        if not fields[name]:
            told.pop(name, None)
    try:
        return msgspec.convert(told, Rule, strict=False)
    except msgspec.ValidationError as error:
        raise RuleError(f"the form: {error}") from None


def _fields(rule: Rule) -> dict[str, str]:
    told = msgspec.to_builtins(rule)
    return {name: str(told.get(name, "") or "") for name in _SHOWN}


def _line_of(text: str, field: str) -> int:
    lines = text.splitlines()
    return next((number for number, line in enumerate(lines, 1) if line.startswith(f"{field}:")), 1)


@router.post("/rules/lab/try")
async def try_it(
    request: Request, text: Text = "", editor: Annotated[str, Form(pattern=r"^[\w-]{0,40}$")] = ""
) -> Response:
    """The rule on the last 90 days, in the background; what the same editor asked before is given up."""
    dashboard = dashboard_of(request)
    with refusals():
        rule = load_rule(text)
        book = await beside(request, lambda: dashboard.of(RuleServices).desk.state().rules)
    whose = f"{who_asks(request, '').name}/{editor}"
    tries = dashboard.of(TrialServices).tries  # a store of their own: typing puts out no colleague's backtest
    job = tries.begin("Rule lab", lambda job: _tried(dashboard, book, rule, job), instead_of=whose)
    return _outcome(request, job)


def _tried(dashboard: Dashboard, book: RuleSet, rule: Rule, job: Job) -> LabReport:
    past, what = laboratory(dashboard.store, book, rule, _DAYS)
    return try_rule(past, what, progress=job.tell, bands_of=dashboard.bands)


@router.get("/rules/lab/tries/{job_id}")
async def tried(request: Request, job_id: str) -> Response:
    """How far it is, and what came out."""
    job = services_of(request, TrialServices).tries.find(job_id)
    if job is None:
        raise Stop(404, "This is no longer kept: start it again.")
    if job.stop_asked:  # a later try is on its way, and must not be overwritten
        return Response(status_code=204)
    return _outcome(request, job)


def _outcome(request: Request, job: Job) -> Response:
    job = replace(job)  # as it is now: its thread may end it while the page is written
    report: LabReport | None = job.result
    values: dict[str, Any] = {"job": job, "report": report, "by_day": "", "settings": ""}
    if report is not None:
        columns = {name: [getattr(one, name) for one in report.by_day] for name in _COLUMNS}
        values["by_day"] = msgspec.json.encode({"columns": columns}).decode()
        values["settings"] = msgspec.json.encode(report.settings).decode()
    return render(request, "parts/lab.html", values)


_COLUMNS: Final = ("day", "fraud", "genuine", "unlabelled")


@router.post("/rules/lab/impact")
async def impact(
    request: Request,
    text: Text = "",
    based_on: Annotated[str, Form(pattern="^[0-9a-z]{4,16}$")] = "head",
    stage: Stage = "draft",
    note: Word = "",
) -> Response:
    """What this rule at a stage would do to recent payments, and the button that puts it in force."""
    services = services_of(request, RuleServices)
    with refusals():
        rule, book = await _written(request, text, stage, based_on)
        told = await services.pools.rules.run(services.rules.proposed, book, based_on)
    return sheet(request, told, change_of_stage(rule.id, stage, text, based_on), note=note)


async def _written(request: Request, text: str, stage: str, based_on: str) -> tuple[Rule, str]:
    """The rule at that stage, and the book with it."""
    services = services_of(request, RuleServices)
    rule = at_stage(load_rule(services.tokenizer.guard_text(text)), stage)
    book = await beside(request, lambda: services.desk.ruleset(services.desk.resolve(based_on)))
    return rule, dump_book(with_rule(book, rule))


@router.post("/rules/lab/save")
async def save(
    request: Request,
    text: Text = "",
    based_on: Annotated[str, Form(pattern="^[0-9a-z]{4,16}$")] = "head",
    stage: Stage = "draft",
    note: Word = "",
    seal: SealField = "",
    confirm: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Keep a version with this rule at a stage, in force where no approval is needed."""
    services = services_of(request, RuleServices)
    with refusals():
        rule, book = await _written(request, text, stage, based_on)
        who = who_asks(request, note or f"{rule.id}: {stage}")
        sure = said(seal, confirm)
        keep = partial(services.rules.save, book, based_on, who, activate=True, confirm=sure)
    try:
        with refusals():
            await services_of(request, Surroundings).pools.rules.run(keep)
    except UnconfirmedRefusal as refused:
        change = change_of_stage(rule.id, stage, text, based_on)
        return sheet(request, refused.sheet, change, status=409, note=note)
    after = f"/rule/{rule.id}"
    if is_part(request):
        return Response(status_code=204, headers={"hx-redirect": after})
    return RedirectResponse(after, 303)
