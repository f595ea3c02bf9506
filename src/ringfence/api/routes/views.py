"""Saved views of lists, one's own and those that others share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response  # noqa: TC002 (FastAPI reads the annotations)

from ringfence.access.views import LONGEST_PATH, PATH, NewView
from ringfence.api.audited import tell
from ringfence.api.handlers.requests import as_json, body_of, refusals
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import Refusal
from ringfence.api.services import ViewServices, services_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.access.views import ViewDesk

T = TypeVar("T")
router = APIRouter(tags=["access"], route_class=LazyRoute)
ViewId = Annotated[str, Path(pattern="^[Vv]-[0-9]{1,15}$")]
PagePath = Annotated[str | None, Query(max_length=LONGEST_PATH, pattern=PATH)]
_BYTES = 64 << 10


@router.get("/v1/views")
async def views(request: Request, path: PagePath = None) -> Response:
    """Views of a page such as `/decisions`, else of all pages: one's own, and those that others share."""
    who = request.scope["ringfence.caller"]
    return as_json(await _done(request, lambda desk: desk.of(who, path)))


@router.post("/v1/views")
async def save_view(request: Request) -> Response:
    """Keep a view under a name, in place of one's own of that name on the page; shared, where one may."""
    asked, who = await body_of(request, NewView, _BYTES), request.scope["ringfence.caller"]
    now_ms = services_of(request, ViewServices).clock.now_ms()
    kept = await _done(request, lambda desk: desk.save(asked, who, now_ms))
    tell(request.scope, object=kept.id, path=kept.path, shared=str(kept.shared).lower())
    return as_json(kept)


@router.post("/v1/views/{view_id}/remove")
async def remove_view(request: Request, view_id: ViewId) -> Response:
    """Remove one's own view; a supervisor removes any that is shared."""
    who = request.scope["ringfence.caller"]
    removed = await _done(request, lambda desk: desk.remove(view_id, who))
    if removed is None:
        raise Refusal(
            404, "not_found", f"you have no view {view_id!r}: GET /v1/views?path=/decisions shows yours"
        )
    return as_json(removed)


async def _done(request: Request, act: Callable[[ViewDesk], T]) -> T:
    services = services_of(request, ViewServices)
    with refusals():
        return await services.pools.reading.run(act, services.views)
