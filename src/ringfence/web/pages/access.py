"""What waits for a second person, and who is signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Form, Path, Request
from starlette.responses import RedirectResponse, Response

from ringfence.access.approvals import ApprovalState
from ringfence.access.roles import Permission, holders
from ringfence.api.audited import tell
from ringfence.api.handlers.requests import who_asks
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import AccessServices, ModelServices, RuleServices, services_of
from ringfence.errors import InputError
from ringfence.events.privacy.personal import TOKEN
from ringfence.rulebook.changes import ApprovalError, NothingToDoError
from ringfence.web.pages.payments.decisions import place_of
from ringfence.web.parts.asking import beside, dashboard_of
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from ringfence.access.approvals import ApprovalRequest
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
PATH: Final = "/approvals"  # in the navigation
RequestId = Annotated[str, Path(pattern="^[Aa]-[0-9]{1,15}$")]
Note = Annotated[str, Form(max_length=500)]


@router.get("/approvals")
async def approvals(request: Request) -> Response:
    """What waits, and what was decided lately."""
    services = services_of(request, AccessServices)
    found = await beside(request, services.approvals.list, services.clock.now_ms())
    values: dict[str, Any] = {
        "waiting": [one for one in found if one.state is ApprovalState.WAITING],
        "others": [one for one in found if one.state is not ApprovalState.WAITING],
        "demanded": sorted(services.approvals.demanded),
        "rules": services_of(request, RuleServices).desk.require_approval,
        "me": who_asks(request, "").name,
        "deciders": holders(Permission.APPROVE),
        "places": await beside(request, _places, dashboard_of(request), found),
    }
    return render(request, "approvals.html", values)


@router.post("/approvals/{request_id}/approve")
async def approve(request: Request, request_id: RequestId, note: Note = "") -> Response:
    """Say that it may be done."""
    return await _decide(request, request_id, note, approve=True)


@router.post("/approvals/{request_id}/decline")
async def decline(request: Request, request_id: RequestId, note: Note = "") -> Response:
    """Say that it may not be done, or take one's own request back."""
    return await _decide(request, request_id, note, approve=False)


@router.get("/sessions")
async def sessions(request: Request) -> Response:
    """Who is signed in."""
    return render(
        request, "sessions.html", {"sessions": services_of(request, AccessServices).sessions.shown()}
    )


@router.post("/sessions/{session_id}/end")
async def end(request: Request, session_id: Annotated[str, Path(max_length=100)]) -> Response:
    """Sign somebody out."""
    ended = services_of(request, AccessServices).sessions.end_shown(session_id)
    if ended is None:
        raise Stop(404, f"There is no session {session_id!r}, or it has ended: the page Sessions lists them.")
    tell(request.scope, whose=ended)
    return RedirectResponse("/sessions", 303)


def _places(dashboard: Dashboard, found: list[ApprovalRequest]) -> dict[str, str]:
    """Addresses of what requests name: models, and whom tokens stand for."""
    words = {word for one in found for word in one.subject.split(" ")}
    models = words.intersection(dashboard.of(ModelServices).models.stored.registry.digests())
    persons = {word: place_of(dashboard, word) for word in words if TOKEN.fullmatch(word)}
    return {one: f"/models/{one}" for one in models} | {one: at for one, at in persons.items() if at}


async def _decide(request: Request, request_id: str, note: str, *, approve: bool) -> Response:
    who = who_asks(request, note)
    try:
        await beside(
            request, services_of(request, AccessServices).approvals.decide, request_id, who, approve=approve
        )
    except ApprovalError as error:
        raise Stop(403, f"{error}.") from None
    except NothingToDoError as error:
        raise Stop(409, f"{error}.") from None
    except InputError as error:
        raise Stop(404, str(error)) from None
    return RedirectResponse("/approvals", 303)
