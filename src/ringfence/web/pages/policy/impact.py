"""What a change would do, shown before it is made: the sheet, and the button that makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, NamedTuple
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from ringfence.api.handlers.checking import warnings_on
from ringfence.api.handlers.requests import refusals
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import RuleServices, services_of
from ringfence.rulebook.wire import ImpactOf
from ringfence.scoring.rulesets.outcomes import Mode  # noqa: TC001 (FastAPI reads the annotations)
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from ringfence.decisions.impact import Impact

router = APIRouter(route_class=LazyRoute)
_UNCONFIRMED: Final = 409
_DIGEST: Final = "^[0-9a-z]{4,16}$"
SealField = Annotated[str, Form(max_length=64)]
"""The seal of the sheet from which a form is posted."""


class OfferedChange(NamedTuple):
    """A change that the sheet offers to make: a form that is posted to `path` with these fields."""

    title: str
    path: str
    fields: dict[str, str]
    button: str
    back: str
    needs_approval: bool = False  # where the project asks for a second person


def change_of_mode(rule: str, mode: Mode, based_on: str) -> OfferedChange:
    """Another mode of one rule."""
    fields = {"rule": rule, "mode": mode.value, "based_on": based_on}
    return OfferedChange(
        f"Set {rule} to {mode}", "/rules/mode", fields, f"Set to {mode}", "/rules", needs_approval=True
    )


def change_of_stage(rule: str, stage: str, text: str, based_on: str) -> OfferedChange:
    """One rule as it is written in the lab, at a stage."""
    told = {"draft": "Save as draft", "shadow": "Run in shadow", "tenth": "Activate for 10 %"}
    word, fields = told.get(stage, "Activate"), {"text": text, "stage": stage, "based_on": based_on}
    here = f"/rules/lab?rule={quote(rule)}"
    return OfferedChange(f"{word}: {rule}", "/rules/lab/save", fields, word, here, needs_approval=True)


def change_of_version(version: str, *, rollback: bool) -> OfferedChange:
    """A version of the rules, in force or in force again."""
    word = "Roll back" if rollback else "Activate"
    here = f"/rules/versions/{version}"
    path = f"{here}/{'rollback' if rollback else 'activate'}"
    return OfferedChange(f"{word}: version {version}", path, {}, word, here, needs_approval=not rollback)


@router.get("/rules/impact")
async def rules_impact(
    request: Request,
    version: Annotated[str | None, Query(pattern=_DIGEST)] = None,
    rule: Annotated[str | None, Query(pattern=r"^[\w.-]{1,80}$")] = None,
    mode: Mode | None = None,
    based_on: Annotated[str, Query(pattern=_DIGEST)] = "head",
    *,
    rollback: bool = False,
) -> Response:
    """A version, a rollback, or another mode of one rule."""
    if rule is not None and mode is not None:
        asked = ImpactOf(version=based_on, rule=rule, mode=mode)
        change = change_of_mode(rule, mode, based_on)
    elif version is not None:
        asked = ImpactOf(version=version, rollback=rollback)
        change = change_of_version(version, rollback=rollback)
    else:
        raise Stop(422, "Name a version, or a rule and its new mode.")
    with refusals():
        services = services_of(request, RuleServices)
        told = await services.pools.rules.run(services.rules.impact, asked)
    return sheet(request, told, change, is_kept=services.desk.book.body(told.version) is not None)


@router.get("/rules/impact/warnings")
async def warnings(request: Request, version: Annotated[str, Query(pattern=_DIGEST)]) -> Response:
    """What should be read before a kept version takes effect: it is measured while the sheet is read."""
    services = services_of(request, RuleServices)
    with refusals():
        kept = await services.pools.rules.run(services.desk.ruleset, version)
    return render(request, "parts/impact_warnings.html", {"warnings": await warnings_on(services, kept)})


def sheet(
    request: Request,
    told: Impact | None,
    change: OfferedChange,
    portion: float = 1.0,
    *,
    is_kept: bool = False,
    status: int = 200,
    note: str = "",
) -> Response:
    """The page. `portion` is the share of payments for which the change is made, `note` what was typed.

    Nothing is told of a change that leaves every payment to what decides for it now.

    `is_kept`, what should be read of this version of the rules follows.
    """
    limits = services_of(request, RuleServices).change_limits()
    values = {
        "told": told,
        "change": change,
        "is_kept": is_kept,
        "portion": portion,
        "beyond": None if told is None else limits.exceeded(told, portion),
        "note": note,
        "unseen": status == _UNCONFIRMED,
        "approval": change.needs_approval and services_of(request, RuleServices).desk.require_approval,
    }
    return render(request, "impact.html", values, status)
