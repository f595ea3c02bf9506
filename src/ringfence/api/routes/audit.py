"""The audit trail: what is on record, and its head for whoever keeps that elsewhere."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response  # noqa: TC002 (FastAPI reads the annotations)

from ringfence.api.handlers.requests import as_json
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import AuditServices, services_of
from ringfence.audit import REPORTED, Act, Record

if TYPE_CHECKING:
    from ringfence.audit import Head
    from ringfence.audit.trail import Trail

router = APIRouter(tags=["audit"], route_class=LazyRoute)
_MOST = 1000
_WITHHELD: Final = Act(actor="", channel="", action="withheld", outcome="")
Word = Annotated[str, Query(max_length=500)]


class AuditPage(msgspec.Struct, frozen=True):
    """Records, the oldest first. `after` gives the next page; it is null at the end."""

    records: list[Record]
    after: int | None


@router.get("/v1/audit")
async def records(
    request: Request,
    actor: Word = "",
    action: Word = "",
    since_ms: Annotated[int, Query(ge=0, le=1 << 53)] = 0,
    after: Annotated[int, Query(ge=0, le=1 << 53)] = 0,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 100,
) -> Response:
    """Who changed or saw what: of one actor, of one action or all of a kind (`list`), since a time.

    Of suspicious-activity reports only the role `compliance` is told. For others such a record has its place
    in the chain (number, time and hashes), and its act is `withheld`.
    """
    services = services_of(request, AuditServices)
    seen = request.scope["ringfence.caller"].may_report
    ask = partial(_page, services.trail, actor, action, since_ms, after, limit, with_reports=seen)
    return as_json(await services.pools.reading.run(ask))


@router.get("/v1/audit/head")
async def head(request: Request) -> Response:
    """Number and hash of the newest record. Kept elsewhere, it shows a chain that was cut or made again."""
    services = services_of(request, AuditServices)
    found: Head = await services.pools.reading.run(services.trail.head)
    return as_json(found)


def _page(
    trail: Trail, actor: str, action: str, since_ms: int, after: int, limit: int, *, with_reports: bool
) -> AuditPage:
    found = trail.records(actor=actor, action=action, since_ms=since_ms, after=after)
    if not with_reports:
        # Of one actor or action a stub would tell who it was, or what.
        is_part = bool(actor or action)
        found = (_withheld(one) for one in found if not (is_part and one.act.action == REPORTED))
    page = list(islice(found, limit + 1))
    return AuditPage(page[:limit], page[limit - 1].number if len(page) > limit else None)


def _withheld(record: Record) -> Record:
    return msgspec.structs.replace(record, act=_WITHHELD) if record.act.action == REPORTED else record
