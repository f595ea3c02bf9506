"""Cases: what waits, what is handed out, and what analysts do with it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from ringfence.api.audited import tell
from ringfence.api.handlers.requests import (
    as_json,
    body_of,
    keep_to_queue,
    next_in,
    queues_of,
    raw_body,
    refusals,
    who_asks,
)
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import Refusal
from ringfence.api.services import CaseServices, services_of
from ringfence.cases import wire
from ringfence.cases.book import CaseQuery
from ringfence.cases.files import MOST_BYTES
from ringfence.cases.model import LIVE, CaseState, Subject
from ringfence.compose.folder.cases import report_pdf
from ringfence.features.spec import ENTITY_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ringfence.cases.model import Attached, Case

    T = TypeVar("T")

router = APIRouter(tags=["cases"], route_class=LazyRoute)
_BYTES: Final = 2 << 20
_DECIDING: Final = (wire.Close, wire.Approve)  # what the event log hears of
_WORD: Final = {"pattern": "^[a-z0-9_-]{1,40}$"}
CaseId = Annotated[str, Path(pattern="^[Cc]-[0-9]{1,15}$")]
Order = Literal["urgency", "opened", "due", "changed", "amount", "loss"]


@router.get("/v1/cases")
async def cases(
    request: Request,
    state: Annotated[
        list[CaseState] | None, Query(description="Open and proposed ones unless given.")
    ] = None,
    queue: Annotated[str | None, Query(**_WORD)] = None,
    assignee: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
    entity: Annotated[
        str | None,
        Query(
            pattern=f"^({'|'.join(ENTITY_KEYS)}):.+$", max_length=4096, description="Such as customer:c-17."
        ),
    ] = None,
    ready: Annotated[bool | None, Query(description="Neither snoozed nor held, or the opposite.")] = None,
    overdue: Annotated[bool | None, Query()] = None,
    q: Annotated[str | None, Query(min_length=1, max_length=4096, description="Beginning of an id.")] = None,
    order: Annotated[Order, Query()] = "urgency",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """Cases where every filter holds; by default those that wait, the most urgent first."""
    kind, _, entity_id = (entity or "").partition(":")
    query = CaseQuery(
        states=tuple(state) if state else LIVE,
        queue=queue,
        queues=queues_of(request),
        assignee=assignee,
        subject=Subject(kind, entity_id) if entity else None,
        ready=ready,
        overdue=overdue,
        text=q,
        order=order,
        limit=limit,
        skip=skip,
    )
    return as_json(await _read(request, lambda services: services.cases.page(query, services.clock.now_ms())))


@router.get("/v1/cases/queues")
async def queues(request: Request) -> Response:
    """What waits in each queue: ready, resting, held by analysts, overdue."""
    found = await _read(request, lambda services: services.cases.queues(services.clock.now_ms()))
    own = queues_of(request)
    return as_json([one for one in found if not own or one.queue in own])


@router.post("/v1/cases")
async def open_case(request: Request) -> Response:
    """Open a case on any payment, such as a fraud that nothing stopped; it joins its customer's open case."""
    asked, who = await body_of(request, wire.OpenCase, _BYTES), who_asks(request, "")
    done = await _act(request, lambda services: services.open_case(asked.transaction_id, who))
    if done is None:
        raise Refusal(404, "not_found", "there is no decision on a transaction with this id")
    return as_json(done)


@router.post("/v1/cases/next")
async def next_case(request: Request) -> Response:
    """Hand the most urgent case to the caller, and to nobody else until its lease ends."""
    asked, who = await body_of(request, wire.NextCase, _BYTES, strict=False), who_asks(request, "")
    found = await _act(request, lambda services: next_in(services, asked, who, queues_of(request)))
    return as_json(wire.Handed(case=found))


@router.post("/v1/cases/bulk")
async def bulk(request: Request) -> Response:
    """Do the same to many cases; what one is refused harms no other."""
    asked, who = await body_of(request, wire.Bulk, _BYTES, strict=False), who_asks(request, "")
    tell(
        request.scope,
        act=str(asked.act.__struct_config__.tag),
        object=" ".join(one.id for one in asked.cases),
    )
    found = await _act(request, lambda services: services.cases.bulk(asked, who))
    if isinstance(asked.act, _DECIDING):
        await _act(request, _deliver)
    return as_json(found)


@router.get("/v1/cases/{case_id}")
async def case(request: Request, case_id: CaseId) -> Response:
    """One case with its newest payments, and all that happened to it.

    Only the role `compliance` is told of suspicious-activity reports.
    """
    seen = request.scope["ringfence.caller"].may_report
    with refusals():
        return as_json(await _read(request, lambda services: services.cases.view(case_id, with_reports=seen)))


@router.post("/v1/cases/{case_id}")
async def act(request: Request, case_id: CaseId) -> Response:
    """Do something to a case: assign, note, snooze, merge, close, ... The answer is the case after it.

    A case that has changed since `version` answers 409 with what happened.
    """
    kind: Any = wire.Action  # a union, which mypy takes for no type
    asked, who = await body_of(request, kind, _BYTES, strict=False), who_asks(request, "")
    tell(request.scope, act=str(asked.__struct_config__.tag))
    if isinstance(asked, wire.Merge):
        await keep_to_queue(request, asked.other)
    done: Case = await _act(request, lambda services: services.cases.act(case_id, asked, who))
    if isinstance(asked, _DECIDING):
        await _act(request, _deliver)
    return as_json(done)


@router.post("/v1/cases/{case_id}/files")
async def attach(
    request: Request,
    case_id: CaseId,
    name: Annotated[str, Query(min_length=3, max_length=200, description="With an ending, such as a.pdf.")],
    version: Annotated[int, Query(ge=1, description="The version of the case that the caller saw.")],
) -> Response:
    """Attach a file: a picture, a PDF, a text or a CSV file of at most 3 MiB, known by its content."""
    body, who = await raw_body(request, b"application/octet-stream", MOST_BYTES), who_asks(request, "")
    return as_json(
        await _act(request, lambda services: services.cases.attach(case_id, version, name, body, who))
    )


@router.get("/v1/cases/{case_id}/files/{sha256}")
async def attached(
    request: Request, case_id: CaseId, sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
) -> Response:
    """The content of an attached file, by its hash."""
    with refusals():
        found, body = await _read(request, lambda services: services.cases.file(case_id, sha256))
    return file_answer(found, body)


def file_answer(found: Attached, body: bytes) -> Response:
    """A file to be kept, never to be shown in place or run."""
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
    }
    return Response(body, media_type=found.media_type, headers=headers)


@router.post("/v1/cases/{case_id}/report")
async def report(
    request: Request, case_id: CaseId, form: Annotated[Literal["xml", "pdf"], Query()] = "xml"
) -> Response:
    """A suspicious-activity report of a case closed as confirmed fraud; for the role `compliance` alone."""
    who = who_asks(request, "")
    laid_out = report_pdf if form == "pdf" else bytes
    found = await _act(
        request, lambda services: services.cases.report(case_id, who, laid_out, services.authoriser.person)
    )
    headers = {"content-disposition": f'attachment; filename="{case_id.upper()}.{form}"'}
    return Response(found, media_type=f"application/{form}", headers=headers)


def _deliver(services: CaseServices) -> None:
    services.deliver_cases()


async def _read(request: Request, ask: Callable[[CaseServices], T]) -> T:
    services = services_of(request, CaseServices)
    return await services.pools.reading.run(partial(ask, services))


async def _act(request: Request, change: Callable[[CaseServices], T]) -> T:
    services = services_of(request, CaseServices)
    with refusals():
        return await services.pools.cases.run(partial(change, services))
