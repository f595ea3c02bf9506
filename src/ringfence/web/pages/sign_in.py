"""Coming in and going out."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from ringfence.access.oidc import BEGUN_SECONDS, SignInError
from ringfence.access.roles import Permission, holders
from ringfence.api.audited import tell
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import AccessServices, Surroundings, services_of
from ringfence.web.parts.asking import dashboard_of, visit_of
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.rendering import render
from ringfence.web.shield import CALLBACK, address_of, cookie, local_path, no_cookie

router = APIRouter(route_class=LazyRoute)
_LONGEST_KEY: Final = 8192
_BEGUN: Final = "ringfence_begun"  # the cookie of a browser that is on its way to the provider


@router.get("/sign-in")
async def ask(request: Request, next: str = "/home") -> Response:  # noqa: A002 (the parameter's name in addresses)
    """The form; whoever is signed in goes on at once."""
    visit = visit_of(request)
    if visit.caller is not None:
        return RedirectResponse(local_path(next), 303)
    return _form(request, next)


@router.get("/sign-in/provider")
async def to_provider(request: Request, next: str = "/home") -> Response:  # noqa: A002
    """On to the OpenID provider, and back to `/sign-in/callback`."""
    provider = services_of(request, AccessServices).provider
    if provider is None:
        raise Stop(404, "No OpenID provider is set up here: sign in with a key.")
    browser = secrets.token_urlsafe(24)
    try:
        address = await services_of(request, Surroundings).pools.signing_in.run(
            provider.begin, browser, local_path(next)
        )
    except SignInError as error:
        return _form(request, next, str(error), 503)
    return RedirectResponse(address, 303, {"set-cookie": _begun(request, browser, BEGUN_SECONDS)})


@router.get(CALLBACK)
async def from_provider(
    request: Request,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4096)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Back from the provider: whoever may read gets a session of their own."""
    dashboard = dashboard_of(request)
    provider = dashboard.of(AccessServices).provider
    if provider is None:
        raise Stop(404, "No OpenID provider is set up here: sign in with a key.")
    tell(request.scope, actor="nobody", query="")
    if error or not code:
        return _form(request, "/home", "The provider did not sign you in. Try again, or use a key.", 401)
    browser = request.cookies.get(_BEGUN, "")
    try:
        found, wanted = await dashboard.of(Surroundings).pools.signing_in.run(
            provider.finish, state, code, browser
        )
    except SignInError as refused:
        return _form(request, "/home", str(refused), 401)
    tell(request.scope, actor=found.caller.name, way="provider")
    if not found.caller.may(Permission.READ):
        problem = (
            "Your groups at the provider give you no role here that may look at decisions "
            f"({holders(Permission.READ)}): ask an admin."
        )
        return _form(request, wanted, problem, 403)
    dashboard.sessions.end(visit_of(request).session)
    session = dashboard.sessions.begin(
        None,
        found.caller,
        person=found.person,
        address=address_of(request.scope),
        seconds=provider.settings.seconds,
    )
    # A redirect would still count as coming from the provider, and leave the new cookie behind.
    page = render(request, "signed_in.html", {"next": local_path(wanted)})
    page.headers.append("set-cookie", cookie(request.scope, session))
    page.headers.append("set-cookie", _begun(request, "", 0))
    return page


@router.post("/sign-in")
async def sign_in(
    request: Request,
    key: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/home",  # noqa: A002
) -> Response:
    """A key or token that may read gets a session of its own."""
    dashboard, visit = dashboard_of(request), visit_of(request)
    credential = key.strip().encode("utf-8", "replace")[:_LONGEST_KEY]
    caller = await dashboard.of(Surroundings).authoriser.find(credential) if credential else None
    tell(request.scope, actor=caller.name if caller else "nobody")
    if caller is None:
        return _form(
            request, next, "This key is not valid. An admin can create one: ringfence keys create", 401
        )
    if not caller.may(Permission.READ):
        problem = f"This key may not look at decisions: ask for one with the role {holders(Permission.READ)}."
        return _form(request, next, problem, 403)
    dashboard.sessions.end(visit.session)
    person, address = dashboard.of(Surroundings).authoriser.person(caller.name), address_of(request.scope)
    session = dashboard.sessions.begin(credential, caller, person=person, address=address)
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


def _form(request: Request, wanted: str, problem: str = "", status: int = 200) -> Response:
    provider = services_of(request, AccessServices).provider is not None
    values = {"next": local_path(wanted), "problem": problem, "provider": provider}
    return render(request, "sign_in.html", values, status)


def _begun(request: Request, browser: str, seconds: float) -> str:
    secure = "; Secure" if request.scope.get("scheme") == "https" else ""
    return f"{_BEGUN}={browser}; Path=/sign-in; HttpOnly; SameSite=Lax; Max-Age={seconds:.0f}{secure}"
