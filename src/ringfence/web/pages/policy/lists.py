"""Allow, block and watch lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from ringfence.analysis import list_history as lists_of
from ringfence.api.audited import tell
from ringfence.api.handlers.requests import refusals, who_asks
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import ListServices, services_of
from ringfence.features.spec import ENTITY_KEYS
from ringfence.masking import mask_cards
from ringfence.rulebook.entries import Entry
from ringfence.rulebook.named_countries import named_on_a_list
from ringfence.scoring.rulesets.actions import ListKind
from ringfence.web.parts.asking import beside, dashboard_of
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.desks.lists import ListDesk
    from ringfence.rulebook.entries import ListResult
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
PATH: Final = "/lists"  # in the navigation
ListName = Annotated[str, Path(min_length=1, max_length=400)]
Field = Annotated[str, Form(max_length=4096)]


@router.get("/lists")
async def lists(request: Request) -> Response:
    """Every list, and the latest changes."""
    services = services_of(request, ListServices)
    found = await beside(request, lists_of.lists, services.annotations, services.clock.now_ms())
    audit = await beside(request, lists_of.audit, services.annotations, limit=30)
    values = {"lists": found, "audit": audit, "kinds": list(ListKind), "entities": list(ENTITY_KEYS)}
    return render(request, "lists.html", values)


@router.get("/lists/{name:id}")
async def one_list(
    request: Request, name: ListName, before: Annotated[int | None, Query(ge=0, le=2**53)] = None
) -> Response:
    """Who is on it, and who put them there."""
    values = await beside(request, _entries, dashboard_of(request), name, before)
    return render(request, "list.html", values | {"result": None})


def _entries(dashboard: Dashboard, name: str, before: int | None = None) -> dict[str, Any]:
    services = dashboard.of(ListServices)
    entries = lists_of.entries(
        services.annotations, name, services.clock.now_ms(), limit=100, before_offset=before
    )
    return {
        "name": name,
        "entries": entries,
        "warnings": named_on_a_list((one.entity_type, one.entity_id) for one in entries),
        "audit": lists_of.audit(services.annotations, name, limit=30),
        "kinds": list(ListKind),
        "kind": entries[0].kind if entries else "watch",
        "entities": list(ENTITY_KEYS),
    }


@router.post("/lists")
async def add(
    request: Request,
    name: Field,
    kind: Annotated[ListKind, Form()] = ListKind.WATCH,
    entity_type: Field = "",
    entity_id: Field = "",
    expires: Annotated[str, Form(max_length=40)] = "",
    note: Field = "",
) -> Response:
    """Put somebody on a list; rules see it from the next event on."""
    until = f"{expires}:00Z" if len(expires) == 16 else expires or None
    name, who = mask_cards(name), who_asks(request, "")
    tell(request.scope, object=name)
    entry = Entry(entity_id.strip(), entity_type or None, None, until, note.strip() or None, "dashboard")
    _all_taken(await _change(request, lambda desk: desk.add(name, kind, [entry], who)))
    return RedirectResponse(f"/lists/{quote(name, safe='')}", 303)


@router.post("/lists/remove")
async def remove(request: Request, name: Field, entity_id: Field, entity_type: Field = "") -> Response:
    """Take somebody off."""
    name, who = mask_cards(name), who_asks(request, "")
    tell(request.scope, object=name)
    entry = Entry(entity_id, entity_type or None)
    _all_taken(await _change(request, lambda desk: desk.remove(name, [entry], who)))
    return RedirectResponse(f"/lists/{quote(name, safe='')}", 303)


@router.post("/lists/import")
async def import_rows(
    request: Request,
    name: Field,
    kind: Annotated[ListKind, Form()] = ListKind.WATCH,
    rows: Annotated[str, Form(max_length=4 << 20)] = "",
) -> Response:
    """Put all rows of a CSV text on a list; bad ones are told with their line."""
    name, who = mask_cards(name), who_asks(request, "")
    tell(request.scope, object=name)
    result = await _change(request, lambda desk: desk.import_csv(name, kind, rows, who))
    values = await beside(request, _entries, dashboard_of(request), name)
    return render(request, "list.html", values | {"result": result})


async def _change(request: Request, change: Callable[[ListDesk], ListResult]) -> ListResult:
    """Off the event loop, where the desk waits for the step that takes the change."""
    with refusals():
        services = services_of(request, ListServices)
        return await services.pools.batches.run(change, services.lists)


def _all_taken(result: ListResult) -> None:
    if result.refused:
        raise Stop(422, result.refused[0].problem)
