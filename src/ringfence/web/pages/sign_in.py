"""Coming in and going out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from ringfence.access.principal import Role
from ringfence.api.audited import tell
from ringfence.web.asking import dashboard_of, visit_of
from ringfence.web.rendering import render
from ringfence.web.shield import cookie, local_path, no_cookie

router = APIRouter()
_LONGEST_KEY = 8192


@router.get("/sign-in")
async def ask(request: Request, next: str = "/home") -> Response:  # noqa: A002 (the parameter's name in addresses)
    """The form; whoever is signed in goes on at once."""
    visit = visit_of(request)
    if visit.caller is not None:
        return RedirectResponse(local_path(next), 303)
    return render(request, "sign_in.html", {"next": local_path(next), "problem": ""})


@router.post("/sign-in")
async def sign_in(
    request: Request,
    key: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/home",  # noqa: A002
) -> Response:
    """A key or token that may read gets a session of its own."""
    dashboard, visit = dashboard_of(request), visit_of(request)
    credential = key.strip().encode("utf-8", "replace")[:_LONGEST_KEY]
    caller = await dashboard.server.authoriser.find(credential) if credential else None
    tell(request.scope, actor=caller.name if caller else "nobody")
    if caller is None:
        problem = "This key is not valid. An admin can create one: ringfence keys create"
        return render(request, "sign_in.html", {"next": local_path(next), "problem": problem}, 401)
    if not caller.may(Role.ANALYST):
        problem = "This key may not look at decisions: ask for one with the role analyst."
        return render(request, "sign_in.html", {"next": local_path(next), "problem": problem}, 403)
    dashboard.sessions.end(visit.session)
    session = dashboard.sessions.begin(credential)
    headers = {"set-cookie": cookie(request.scope, session)}
    return RedirectResponse(local_path(next), 303, headers)


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """The session ends here, whoever else knows its id."""
    dashboard_of(request).sessions.end(visit_of(request).session)
    return RedirectResponse("/sign-in", 303, {"set-cookie": no_cookie(request.scope)})


@router.get("/session")
async def session(request: Request) -> Response:
    """Whether there is one, and what its forms have to carry: for a page that outlived its session."""
    visit = visit_of(request)
    return JSONResponse({"signed_in": visit.caller is not None, "csrf": visit.session.csrf})
