"""Where an analyst works: the queue with a preview beside it, and one case with all that decides it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import quote, urlencode

import msgspec
from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from ringfence.access.roles import Permission, holders
from ringfence.api.audited import tell
from ringfence.api.handlers.requests import keep_to_queue, next_in, queues_of, who_asks
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import Refusal
from ringfence.api.routes.cases import file_answer
from ringfence.api.services import CaseServices, Surroundings, services_of
from ringfence.cases import wire
from ringfence.cases.book import CaseQuery
from ringfence.cases.errors import StaleCaseError, UnknownCaseError
from ringfence.cases.files import MOST_BYTES
from ringfence.cases.model import LIVE, CaseState
from ringfence.cases.words import FOUND, told
from ringfence.compose.folder.cases import report_pdf
from ringfence.errors import ConflictError, InputError
from ringfence.web.investigate.case_list import just_closed, listed
from ringfence.web.investigate.case_workup import linked, preview, work_up
from ringfence.web.parts.asking import beside, dashboard_of, is_part
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.cases.model import Case
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
PATH: Final = "/cases"  # in the navigation
PAGE_ROWS: Final = 50
SHOWN_MOMENTS: Final = 20  # of the timeline; earlier ones unfold
CaseId = Annotated[str, Path(pattern="^[Cc]-[0-9]{1,15}$")]
Done = Annotated[str, Query(pattern="^([Cc]-[0-9]{1,15})?$")]
Text = Annotated[str, Form(max_length=10_000)]
Word = Annotated[str, Form(max_length=200)]
Words = Annotated[list[str] | None, Form(max_length=10_000)]
_VIEWS: Final[dict[str, dict[str, Any]]] = {
    "ready": {"states": LIVE, "ready": True},
    "mine": {"states": LIVE},
    "snoozed": {"states": LIVE, "ready": False},
    "overdue": {"states": LIVE, "overdue": True},
    "to approve": {"states": (CaseState.PROPOSED,)},
    "closed": {"states": (CaseState.CLOSED,), "order": "changed"},
}


@router.get("/cases")
async def cases(
    request: Request,
    view: Annotated[str, Query(max_length=20)] = "ready",
    queue: Annotated[str | None, Query(pattern="^[a-z0-9_-]{1,40}$")] = None,
    q: Annotated[str, Query(max_length=400)] = "",
    skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    order: Annotated[Literal["urgency", "opened", "due", "loss", "changed"] | None, Query()] = None,
    in_vain: Annotated[str, Query(max_length=3)] = "",
    done: Done = "",
    proposed: Done = "",
) -> Response:
    """The queue, the most urgent case first; `in_vain` says that a next one was asked for and none came."""
    if view not in _VIEWS:
        raise Stop(404, f"There is no view {view[:20]!r}: choose one of {', '.join(_VIEWS)}.")
    dashboard, who = dashboard_of(request), who_asks(request, "")
    fields = dict(_VIEWS[view])
    if view == "mine":
        fields["assignee"] = who.name
    if view != "closed":  # which has one order, that in which they were closed
        fields["order"] = order or "urgency"
    fields["queues"] = queues_of(request)
    query = CaseQuery(queue=queue, text=q.strip() or None, limit=PAGE_ROWS, skip=skip, **fields)
    values = await beside(request, listed, dashboard, query, who.now_ms, who.name)
    values |= {"view": view, "views": list(_VIEWS), "queue": queue, "q": q, "skip": skip, "rows": PAGE_ROWS}
    values |= {"in_vain": in_vain, "done_case": done, "proposed": proposed, "order": query.order}
    values["closed"] = await beside(request, just_closed, dashboard, done, who.name)
    return render(request, "parts/cases.html" if is_part(request) else "cases.html", values)


@router.post("/cases/open")
async def open_case(request: Request, transaction_id: Annotated[str, Form(max_length=4096)]) -> Response:
    """Open a case on a payment."""
    who = who_asks(request, "")
    try:
        case = await _run(
            request, lambda dashboard: dashboard.of(CaseServices).open_case(transaction_id, who)
        )
    except ConflictError as error:
        raise Stop(409, str(error)) from None
    if case is None:
        raise Stop(404, "There is no decision on a transaction with this id, or it is no longer kept.")
    return RedirectResponse(f"/cases/{case.id}", 303)


@router.post("/cases/next")
async def next_case(
    request: Request, queue: Word = "", passing: Word = "", version: Annotated[int, Form(ge=0)] = 0
) -> Response:
    """Take the most urgent case; one that is passed goes back to its queue first."""
    seen = wire.Seen(id=passing, version=version) if passing and version else None
    asked, who = wire.NextCase(queue=queue or None, passing=seen), who_asks(request, "")
    own = queues_of(request)
    try:
        case = await _run(request, lambda dashboard: next_in(dashboard.of(CaseServices), asked, who, own))
    except StaleCaseError:
        case = await _run(
            request,
            lambda dashboard: next_in(
                dashboard.of(CaseServices), wire.NextCase(queue=queue or None), who, own
            ),
        )
    return RedirectResponse(
        f"/cases/{case.id}" if case else "/cases?" + urlencode({"view": "ready", "in_vain": "yes"}), 303
    )


@router.post("/cases/bulk")
async def bulk(
    request: Request,
    action: Word,
    chosen: Words = None,
    disposition: Word = "",
    minutes: Word = "60",
    reason: Word = "",
) -> Response:
    """Do the same to the chosen cases."""
    if not chosen:
        raise Stop(422, "No case is selected: tick some rows first.")
    seen = [{"id": one.partition("@")[0], "version": one.partition("@")[2]} for one in chosen]
    act = _fields(action, 1, disposition=disposition, minutes=minutes, reason=reason)
    asked = _converted({"cases": seen, "act": act}, wire.Bulk)
    who = who_asks(request, "")
    results = await _run(request, lambda dashboard: dashboard.of(CaseServices).cases.bulk(asked, who))
    if action in ("close", "approve"):
        await _run(request, _deliver)
    return render(request, "parts/case_bulk.html", {"results": results})


@router.get("/cases/{case_id}")
async def one_case(request: Request, case_id: CaseId, done: Done = "", proposed: Done = "") -> Response:
    """One case."""
    return await _page(request, case_id, done=done, proposed=proposed)


@router.get("/cases/{case_id}/preview")
async def previewed(request: Request, case_id: CaseId) -> Response:
    """What stands beside the queue."""
    dashboard = dashboard_of(request)
    try:
        values = await beside(request, preview, dashboard, case_id)
    except UnknownCaseError as error:
        raise Stop(404, str(error)) from None
    return render(
        request, "parts/case_preview.html", values | {"now_ms": dashboard.of(CaseServices).clock.now_ms()}
    )


@router.get("/cases/{case_id}/linked")
async def linked_to(request: Request, case_id: CaseId) -> Response:
    """What else its payments name, with payments and frauds of each."""
    try:
        found = await beside(request, linked, dashboard_of(request), case_id)
    except UnknownCaseError as error:
        raise Stop(404, str(error)) from None
    return render(request, "parts/case_linked.html", {"linked": found})


@router.get("/cases/{case_id}/payments")
async def payments_in(request: Request, case_id: CaseId) -> Response:
    """Its payments, to look through, label or split off."""
    try:
        view = await beside(request, dashboard_of(request).of(CaseServices).cases.view, case_id)
    except UnknownCaseError as error:
        raise Stop(404, str(error)) from None
    return render(request, "parts/case_payments.html", {"case": view.case, "payments": view.payments})


@router.post("/cases/{case_id}/files")
async def attach(
    request: Request,
    case_id: CaseId,
    name: Annotated[str, Query(max_length=400)],
    version: Annotated[int, Query(ge=1)],
) -> Response:
    """Attach a file, whose bytes are the body."""
    body, who = await request.body(), who_asks(request, "")
    try:
        await _run(
            request, lambda board: board.of(CaseServices).cases.attach(case_id, version, name, body, who)
        )
    except StaleCaseError as error:
        raise Stop(409, f"{error} Load the page again.") from None
    except UnknownCaseError as error:
        raise Stop(404, str(error)) from None
    return Response(status_code=204)


@router.get("/cases/{case_id}/files/{sha256}")
async def attached(
    request: Request, case_id: CaseId, sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
) -> Response:
    """A file, to be kept."""
    desk = services_of(request, CaseServices).cases
    try:
        found, body = await beside(request, desk.file, case_id, sha256)
    except UnknownCaseError as error:
        raise Stop(404, str(error)) from None
    return file_answer(found, body)


@router.post("/cases/{case_id}/report")
async def report(
    request: Request, case_id: CaseId, form: Annotated[Literal["xml", "pdf"], Form()] = "pdf"
) -> Response:
    """A suspicious-activity report, for the role `compliance` alone."""
    who = who_asks(request, "")
    try:
        laid_out = report_pdf if form == "pdf" else bytes
        named = services_of(request, CaseServices).authoriser.person
        found = await _run(
            request, lambda board: board.of(CaseServices).cases.report(case_id, who, laid_out, named)
        )
    except UnknownCaseError as error:
        raise Stop(404, str(error)) from None
    except ConflictError as error:
        raise Stop(409, str(error)) from None
    headers = {"content-disposition": f'attachment; filename="{case_id.upper()}.{form}"'}
    return Response(found, media_type=f"application/{form}", headers=headers)


@router.post("/cases/{case_id}")
async def act(
    request: Request,
    case_id: CaseId,
    action: Word,
    version: Annotated[int, Form(ge=1)],
    text: Text = "",
    disposition: Word = "",
    typology: Word = "",
    block: Words = None,
    payments: Words = None,
    minutes: Word = "",
    reason: Word = "",
    queue: Word = "",
    other: Word = "",
    to: Word = "",
    of_selected: Word = "",
    then: Word = "",
) -> Response:
    """Do something to a case; what was typed stays on the page where somebody else was faster."""
    dashboard, who = dashboard_of(request), who_asks(request, "")
    tell(request.scope, act=action)
    fields = _fields(
        action,
        version,
        text=text,
        note=text if action == "close" else "",
        disposition=disposition,
        typology=typology,
        block=block,
        payments=payments,
        minutes=minutes,
        reason=reason,
        queue=queue,
        other=other,
        to=to.strip(),
    )
    try:
        _demand_selected(payments, of_selected)
        if action == "merge":
            await keep_to_queue(request, other)
            found = await beside(request, dashboard.of(CaseServices).case_book.case, other.strip().upper())
            fields["other_version"] = found.version
        kind: Any = wire.Action
        asked = _converted(fields, kind)
        case: Case = await _run(request, lambda board: board.of(CaseServices).cases.act(case_id, asked, who))
    except StaleCaseError as error:
        missed = [(one, told(one.change)) for one in error.missed]
        return await _page(request, case_id, 409, missed=missed, draft=text)
    except UnknownCaseError as error:
        raise Stop(404, str(error)) from None
    except (ConflictError, InputError) as error:
        status = 409 if isinstance(error, ConflictError) else 422
        return await _page(request, case_id, status, problem=str(error), draft=text)
    if action in ("close", "approve"):
        await _run(request, _deliver)
    if then == "next" and case.state is not CaseState.OPEN:
        return await _on_to_next(request, case)
    return RedirectResponse(f"/cases/{case.id}", 303)


async def _on_to_next(request: Request, case: Case) -> Response:
    """To the next case, or the queue where none is ready; either page tells what became of this one."""
    who, own = who_asks(request, ""), queues_of(request)
    following = await _run(request, lambda board: next_in(board.of(CaseServices), wire.NextCase(), who, own))
    where = f"/cases/{following.id}" if following else "/cases"
    told_of = "proposed" if case.is_live else "done"
    return RedirectResponse(f"{where}?{told_of}={quote(case.id)}", 303)


async def _page(
    request: Request,
    case_id: str,
    status: int = 200,
    *,
    done: str = "",
    proposed: str = "",
    missed: list[Any] | None = None,
    problem: str = "",
    draft: str = "",
) -> Response:
    dashboard, me = dashboard_of(request), who_asks(request, "").name
    try:
        seen = request.scope["ringfence.caller"].may_report
        found = await beside(request, work_up, dashboard, case_id, with_reports=seen)
    except UnknownCaseError as error:
        raise Stop(404, str(error)) from None
    values = {
        "w": found,
        "shown": SHOWN_MOMENTS,
        "case": found.case,
        "policy": dashboard.of(CaseServices).cases.policy,
        "me": me,
        "may_report": seen,
        "reporters": holders(Permission.REPORT),
        "now_ms": dashboard.of(CaseServices).clock.now_ms(),
        "found_as": FOUND,
        "most_bytes": MOST_BYTES,
        "done": done,
        "closed": await beside(request, just_closed, dashboard, done, me),
        "proposed": proposed,
        "missed": missed or [],
        "problem": problem,
        "draft": draft,
    }
    return render(request, "case.html", values, status)


def _fields(action: str, version: int, **given: Any) -> dict[str, Any]:
    """The fields that an action takes, of those that a form sent."""
    kinds = {one.__struct_config__.tag: one for one in wire.Action.__args__}
    kind = kinds.get(action)
    if kind is None:
        raise Stop(422, "This page cannot do that to a case: load it again.")
    named = {name: value for name, value in given.items() if name in kind.__struct_fields__ and value}
    return {"action": action, "version": version} | named


def _demand_selected(payments: list[str] | None, asked: str) -> None:
    if asked and not payments:
        raise InputError("No payment is selected: tick some rows first.")


def _converted(fields: dict[str, Any], kind: Any) -> Any:
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"this form is not complete: {error}") from None


def _deliver(dashboard: Dashboard) -> None:
    dashboard.of(CaseServices).deliver_cases()


async def _run(request: Request, change: Callable[[Dashboard], Any]) -> Any:
    """Off the event loop."""
    dashboard = dashboard_of(request)
    try:
        return await dashboard.of(Surroundings).pools.cases.run(partial(change, dashboard))
    except Refusal as refusal:
        raise Stop(refusal.status, refusal.problem.detail) from None
