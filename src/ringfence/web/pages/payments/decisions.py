"""Decisions: found, and one looked at from every side."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Form, Path, Request
from starlette.responses import RedirectResponse, Response

from ringfence.api.handlers.requests import queues_of
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import CaseServices, RecordServices, Surroundings, services_of
from ringfence.decisions.filters import DecisionFilter
from ringfence.errors import StoreError
from ringfence.features.spec import ENTITY_KEYS
from ringfence.masking import names_card
from ringfence.web.investigate import dossier
from ringfence.web.parts.asking import beside, dashboard_of, is_part
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.period import current
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from ringfence.api.background.jobs import Job
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
PATH: Final = "/decisions"  # in the navigation
PAGE_ROWS: Final = 50
TransactionId = Annotated[str, Path(min_length=1, max_length=4096)]


@router.get("/decisions")
async def decisions(request: Request) -> Response:
    """The newest decisions where every filter holds."""
    dashboard = dashboard_of(request)
    asked = DecisionFilter.of(request.query_params, request.query_params.getlist("outcome"), current())
    span = await beside(request, dashboard.finder.span_ms)
    ids = partial(dossier.id_of, dashboard)
    wanted = await beside(request, asked.wanted, ids, span[1] if span else 0)
    found = await beside(request, dashboard.finder.find, wanted, PAGE_ROWS)
    values = {
        "asked": asked,
        "found": found,
        "next": asked.address(found.after) if found.after else None,
        "entities": list(ENTITY_KEYS),
        "rules": [rule.id for rule in dashboard.of(RecordServices).pipeline.rules.ruleset.rules],
    }
    if is_part(request):
        return render(request, "parts/decisions.html", values, hx_push_url=asked.address(asked.before))
    return render(request, "decisions.html", values)


@router.get("/decisions/{transaction_id:id}")
async def decision(request: Request, transaction_id: TransactionId) -> Response:
    """One decision with all that it knew."""
    found = await beside(request, dossier.compile, dashboard_of(request), transaction_id)
    if found is None:
        raise Stop(404, "There is no decision on a transaction with this id, or it is no longer kept.")
    own = queues_of(request)
    try:
        case = await beside(
            request, services_of(request, CaseServices).case_book.case_of, found.decision.transaction_id
        )
        no_cases = False
    except StoreError:  # without its cases a decision is shown all the same
        case, no_cases = None, True
    shown = case if case is None or not own or case.queue in own else None
    may_open = case is None and not own and not no_cases
    values = {"d": found, "case": shown, "may_open": may_open, "no_cases": no_cases}
    return render(request, "decision.html", values)


@router.get("/explained/{transaction_id:id}")
async def explained(request: Request, transaction_id: TransactionId) -> Response:
    """Why, rule by rule and part by part, and what would have made it another."""
    found = await beside(request, dossier.take_apart, dashboard_of(request), transaction_id)
    if found is None:
        raise Stop(404, "There is no decision on a transaction with this id, or it is no longer kept.")
    values = {
        "told": found.told,
        "full": False,
        "as_of_payment": found.as_of_payment,
        "transaction_id": transaction_id,
    }
    return render(request, "parts/explained.html", values)


@router.post("/explained/{transaction_id:id}")
async def explain_fully(request: Request, transaction_id: TransactionId) -> Response:
    """The same as of the payment's place in the log, with the times when rules clear, in the background."""
    dashboard = dashboard_of(request)
    job = dashboard.jobs.begin("Taken apart", lambda _job: dossier.explain_fully(dashboard, transaction_id))
    return _explanation(request, job)


@router.get("/explanations/{job_id}")
async def explanation(request: Request, job_id: str) -> Response:
    """Whether that is done, and what came out."""
    job = dashboard_of(request).jobs.find(job_id)
    if job is None:
        raise Stop(404, "This is no longer kept: start it again.")
    return _explanation(request, job)


def _explanation(request: Request, job: Job) -> Response:
    """How far it is, or what came out, which may be at once."""
    if job.state != "done":
        return render(request, "parts/explaining.html", {"job": job})
    return render(request, "parts/explained.html", {"told": job.result, "full": True})


@router.get("/labels/{transaction_id:id}")
async def labels(request: Request, transaction_id: TransactionId) -> Response:
    """What has become known of a payment since."""
    annotations = services_of(request, RecordServices).annotations
    found = await beside(request, annotations.labels_of, transaction_id)
    return render(request, "parts/labels.html", {"labels": found})


@router.post("/replay/{transaction_id:id}")
async def replay(request: Request, transaction_id: TransactionId) -> Response:
    """Decide it again from the log, in the background."""
    dashboard = dashboard_of(request)

    def work(job: Job) -> Any:
        return dossier.replay(dashboard, transaction_id, job.tell)

    job = dashboard.jobs.begin("Decided again from the log", work)
    return render(request, "parts/replay.html", {"job": job})


@router.get("/replays/{job_id}")
async def replayed(request: Request, job_id: str) -> Response:
    """How far that is, and what came out."""
    job = dashboard_of(request).jobs.find(job_id)
    if job is None:
        raise Stop(404, "This is no longer kept: start it again.")
    return render(request, "parts/replay.html", {"job": job})


@router.post("/search")
async def search(request: Request, q: Annotated[str, Form(max_length=4096)] = "") -> Response:
    """Whatever has this id: a payment, else an entity. Posted, so that a card number is in no address."""
    dashboard, text = dashboard_of(request), q.strip()
    if not text:
        return RedirectResponse("/decisions", 303)
    if names_card(text):
        token = dashboard.of(Surroundings).tokenizer.as_kept("card_id", text)
        return RedirectResponse(f"/entities/card/{quote(token, safe='')}", 303)
    place = await beside(request, place_of, dashboard, text)
    if place is None:
        raise Stop(404, "Neither a payment nor a card, customer, merchant, device or address has this id.")
    return RedirectResponse(place, 303)


def place_of(dashboard: Dashboard, text: str) -> str | None:
    """Address of the payment, or else the entity, that has this id; None where there is none."""
    if dashboard.of(RecordServices).stored.decision_of(text) is not None:
        return f"/decisions/{quote(text, safe='')}"
    ids = {kind: dossier.id_of(dashboard, kind, text) for kind in ENTITY_KEYS}
    counts = {kind: dossier.payments_of(dashboard, kind, name) for kind, name in ids.items()}
    best = max(counts, key=lambda kind: counts[kind])
    return f"/entities/{best}/{quote(ids[best], safe='')}" if counts[best] else None
