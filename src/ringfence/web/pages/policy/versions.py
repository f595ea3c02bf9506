"""The rule book's history: who changed what, approval, activation, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from ringfence.api.handlers.requests import UnconfirmedRefusal, refusals, who_asks
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import RuleServices, services_of
from ringfence.desks.seals import said
from ringfence.web.pages.policy.impact import SealField, change_of_version, sheet
from ringfence.web.parts.asking import beside
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.rulebook.desk import Desk

router = APIRouter(route_class=LazyRoute)
_DIGEST = "^[0-9a-z]{4,16}$"
Digest = Annotated[str, Path(pattern=_DIGEST)]
Note = Annotated[str, Form(max_length=1000)]
Confirm = Annotated[str, Form(max_length=64)]


@router.get("/rules/versions")
async def versions(request: Request) -> Response:
    """Every change, and every version that has been in force."""
    state = await beside(request, services_of(request, RuleServices).desk.state)
    return render(request, "versions.html", {"state": state})


@router.get("/rules/versions/{digest}")
async def version(
    request: Request, digest: Digest, against: Annotated[str | None, Query(pattern=_DIGEST)] = None
) -> Response:
    """One version, and how it differs from another."""
    desk = services_of(request, RuleServices).desk
    with refusals():
        found = await beside(request, desk.version, digest, against)
        state = await beside(request, desk.state)
    return render(request, "version.html", {"found": found, "state": state, "against": against})


@router.post("/rules/versions/{digest}/approve")
async def approve(request: Request, digest: Digest, note: Note = "") -> Response:
    """A second person says yes."""
    who = who_asks(request, note)
    return await _then_show(request, digest, lambda desk: desk.review(digest, who, approve=True))


@router.post("/rules/versions/{digest}/reject")
async def reject(request: Request, digest: Digest, note: Note = "") -> Response:
    """Somebody says no."""
    who = who_asks(request, note)
    return await _then_show(request, digest, lambda desk: desk.review(digest, who, approve=False))


@router.post("/rules/versions/{digest}/activate")
async def activate(
    request: Request, digest: Digest, note: Note = "", seal: SealField = "", confirm: Confirm = ""
) -> Response:
    """In force from the end of the log on."""
    who, rules, sure = who_asks(request, note), services_of(request, RuleServices).rules, said(seal, confirm)
    try:
        return await _then_show(request, digest, lambda _desk: rules.activate(digest, who, sure))
    except UnconfirmedRefusal as refused:
        offered = change_of_version(digest, rollback=False)
        return sheet(request, refused.sheet, offered, status=409, note=note)


@router.post("/rules/versions/{digest}/rollback")
async def roll_back(
    request: Request, digest: Digest, note: Note = "", seal: SealField = "", confirm: Confirm = ""
) -> Response:
    """In force again."""
    who, rules, sure = who_asks(request, note), services_of(request, RuleServices).rules, said(seal, confirm)
    try:
        return await _then_show(request, digest, lambda _desk: rules.roll_back(who, digest, sure))
    except UnconfirmedRefusal as refused:
        offered = change_of_version(digest, rollback=True)
        return sheet(request, refused.sheet, offered, status=409, note=note)


async def _then_show(request: Request, digest: str, act: Callable[[Desk], object]) -> Response:
    with refusals():
        services = services_of(request, RuleServices)
        await services.pools.rules.run(act, services.desk)
    return RedirectResponse(f"/rules/versions/{digest}", 303)
