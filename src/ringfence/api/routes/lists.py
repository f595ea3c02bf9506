"""Allow, block and watch lists: who is on them, who put them there, and changes that take effect at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response  # noqa: TC002 (FastAPI reads the annotations)

from ringfence.analysis import list_history as lake_lists
from ringfence.api.audited import tell
from ringfence.api.handlers.requests import as_json, body_of, raw_body, refusals, who_asks
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import Refusal
from ringfence.api.services import ListServices, services_of
from ringfence.rulebook.entries import NAME_LIMIT
from ringfence.rulebook.wire import AddEntries, RemoveEntries
from ringfence.scoring.rulesets.actions import ListKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.desks.lists import ListDesk
    from ringfence.rulebook.entries import ListResult

router = APIRouter(tags=["lists"], route_class=LazyRoute)

_NAME: Final = {"pattern": rf"^[^\x00-\x1f\x7f]{{1,{NAME_LIMIT}}}$"}
_CSV: Final = b"text/csv"
_JSON_BYTES: Final = 2 << 20  # of entries as JSON: 20,000 and more
_CSV_BYTES: Final = 16 << 20
Limit = Annotated[int, Query(ge=1, le=lake_lists.MOST_CHANGES)]
Before = Annotated[
    int | None, Query(ge=0, le=2**53, description="Offset of the last one of the page before.")
]


@router.get("/v1/lists")
async def lists(request: Request) -> Response:
    """Every list: its kind, how many are on it, and when it last changed."""
    services = services_of(request, ListServices)
    return as_json(
        await services.pools.reading.run(lake_lists.lists, services.annotations, services.clock.now_ms())
    )


@router.get("/v1/lists/entries")
async def entries(
    request: Request,
    name: Annotated[str, Query(alias="list", **_NAME)],
    limit: Limit = 100,
    before: Before = None,
) -> Response:
    """Who is on a list now, newest first, with the change that put them there."""
    services = services_of(request, ListServices)
    ask = partial(lake_lists.entries, limit=limit, before_offset=before)
    found = await services.pools.reading.run(ask, services.annotations, name, services.clock.now_ms())
    return as_json(found)


@router.get("/v1/lists/audit")
async def audit(
    request: Request,
    name: Annotated[str | None, Query(alias="list", **_NAME)] = None,
    limit: Limit = 100,
    before: Before = None,
) -> Response:
    """Every change of a list, or of all, newest first: who made it, when and why."""
    services, ask = (
        services_of(request, ListServices),
        partial(lake_lists.audit, limit=limit, before_offset=before),
    )
    return as_json(await services.pools.reading.run(ask, services.annotations, name))


@router.post("/v1/lists/entries")
async def add(request: Request) -> Response:
    """Put somebody or something on a list; rules see it from the next event on."""
    asked, who = await body_of(request, AddEntries, _JSON_BYTES), who_asks(request, "")
    tell(request.scope, object=asked.list, entries=str(len(asked.entries)))
    return await _change(request, lambda desk: desk.add(asked.list, asked.kind, asked.entries, who))


@router.post("/v1/lists/removals")
async def remove(request: Request) -> Response:
    """Take somebody or something off a list; rules see it from the next event on."""
    asked, who = await body_of(request, RemoveEntries, _JSON_BYTES), who_asks(request, "")
    tell(request.scope, object=asked.list, entries=str(len(asked.entries)))
    return await _change(request, lambda desk: desk.remove(asked.list, asked.entries, who))


@router.post("/v1/lists/import")
async def import_csv(
    request: Request,
    name: Annotated[str, Query(alias="list", **_NAME)],
    kind: Annotated[ListKind, Query()] = ListKind.WATCH,
) -> Response:
    """Put all rows of a CSV file on a list, at once; a bad row is refused with its line, and harms no other.

    Its columns: entity_id, and any of entity_type, list_kind, expires_at, note, source.
    """
    body, who = await raw_body(request, _CSV, _CSV_BYTES), who_asks(request, "")
    tell(request.scope, object=name)
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refusal(400, "malformed", "the file is not UTF-8 text: save it as UTF-8") from None
    return await _change(request, lambda desk: desk.import_csv(name, kind, text, who))


async def _change(request: Request, change: Callable[[ListDesk], ListResult]) -> Response:
    """Off the event loop, where the desk waits for the step that takes the change."""
    services = services_of(request, ListServices)
    with refusals():
        return as_json(await services.pools.batches.run(change, services.lists))
