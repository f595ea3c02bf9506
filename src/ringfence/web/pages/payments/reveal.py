"""The original behind a token, for who may see it and says why; its record is durable before it is shown."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import Refusal
from ringfence.api.routes.privacy import reveal_original, tell_reason
from ringfence.events.privacy.personal import TOKEN
from ringfence.masking import mask_cards
from ringfence.web.parts.rendering import render

router = APIRouter(route_class=LazyRoute)
PATH: Final = "/reveal"  # in the navigation, where tokens stand for anything
Token = Annotated[str, Form(max_length=100)]


@router.get("/reveal")
async def ask(request: Request, token: Annotated[str, Query(max_length=100)] = "") -> Response:
    """Which original, and why."""
    return _page(request, token)


@router.post("/reveal")
async def reveal(
    request: Request, token: Token = "", reason: Annotated[str, Form(max_length=1000)] = ""
) -> Response:
    """Show it once. What was typed stays on the page where it is refused."""
    token, by = token.strip(), request.scope["ringfence.caller"].name
    tell_reason(request, token, reason)
    try:
        found = await reveal_original(request, token, by, reason)
    except Refusal as refusal:
        waits = refusal.problem.code == "needs_approval"
        return _page(request, token, refusal.status, reason=reason, problem=str(refusal), waits=waits)
    return _page(request, token, found=found)


def _page(request: Request, token: str, status: int = 200, reason: str = "", **values: Any) -> Response:
    """A card number that was typed in place of a token does not come back."""
    defaults: dict[str, Any] = {
        "token": token if TOKEN.fullmatch(token) else mask_cards(token),
        "reason": mask_cards(reason),
        "problem": "",
        "waits": False,
        "found": None,
    }
    return render(request, "reveal.html", defaults | values, status)
