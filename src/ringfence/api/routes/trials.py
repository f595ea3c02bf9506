"""What would have been, and why it was: backtests of rule sets, and decisions taken apart."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response  # noqa: TC002 (FastAPI reads the annotations)

from ringfence.analysis.report import Report  # noqa: TC001 (msgspec reads the annotations)
from ringfence.api.background.jobs import JobState
from ringfence.api.handlers.requests import BOOK_BYTES, as_json, body_of, refusals
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import Refusal
from ringfence.api.routes import read
from ringfence.api.services import TrialServices, services_of
from ringfence.rulebook.wire import Digest, RequestBody

if TYPE_CHECKING:
    from ringfence.api.background.jobs import Job

router = APIRouter(route_class=LazyRoute)
Moment = Annotated[int, msgspec.Meta(ge=0, le=4_102_444_800_000)]
JobId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="As the start of the backtest told.")]
_ID: Final = {"min_length": 1, "max_length": 4096}


class StartBacktest(RequestBody, frozen=True, kw_only=True):
    """Which rules to try against those in force: a version, or the text of a book that nobody has saved.

    On the decided payments with event times from `since_ms` to `until_ms`, not included; all unless given.
    """

    version: Digest | None = None
    text: str | None = None
    since_ms: Moment | None = None
    until_ms: Moment | None = None


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """How far a backtest is, in payments; its report once it is done, the problem once it has failed."""

    id: str
    state: JobState
    done: int
    total: int
    problem: str | None
    report: Report | None


@router.post("/v1/rules/backtest", tags=["rules"])
async def start(request: Request) -> Response:
    """Try a rule set on the past, in the background: ask for the backtest by its id until it is over."""
    asked, services = await body_of(request, StartBacktest, BOOK_BYTES), services_of(request, TrialServices)
    with refusals():
        book = await services.pools.rules.run(services.rules.on_trial, asked.version, asked.text)
    span = (asked.since_ms, asked.until_ms)
    job = services.jobs.begin("Backtest", lambda job: services.trials.backtest(book, span, job))
    return as_json(_told(job), status=202)


@router.get("/v1/rules/backtest/{job_id}", tags=["rules"])
async def progress(request: Request, job_id: JobId) -> Response:
    """How far a backtest is, and what came out."""
    return as_json(_told(_job(request, job_id)))


@router.post("/v1/rules/backtest/{job_id}/stop", tags=["rules"])
async def stop(request: Request, job_id: JobId) -> Response:
    """Give a backtest up; one that is over stays as it is."""
    job = _job(request, job_id)
    job.stop_asked = True
    return as_json(_told(job))


@router.get("/v1/decisions/{transaction_id:id}/explanation", tags=["decisions"])
async def explanation(
    request: Request,
    transaction_id: Annotated[str, Path(**_ID)],
    every: Annotated[bool, Query(alias="all", description="Rules that did not fire, too.")] = False,
    full: Annotated[bool, Query(description="Read the log up to the payment: exact, and slow.")] = False,
) -> Response:
    """A decision taken apart: each rule's parts with their values, and what would have made it another."""
    services = services_of(request, TrialServices)
    found = await services.pools.reading.run(services.stored.decision_of, transaction_id)
    if found is None:  # or an id that ends so
        return await read.decision(request, f"{transaction_id}/explanation")
    with refusals():
        told = await services.pools.reading.run(
            partial(services.trials.explanation, found, every=every, full=full)
        )
    return as_json(told)


def _job(request: Request, job_id: str) -> Job:
    job = services_of(request, TrialServices).jobs.find(job_id)
    if job is None or job.title != "Backtest":
        raise Refusal(404, "not_found", "no backtest with this id is kept: start it again")
    return job


def _told(job: Job) -> Backtest:
    state = job.state
    return Backtest(
        id=job.id,
        state=state,
        done=job.done,
        total=job.total,
        problem=job.problem or None,
        report=job.result if state is JobState.DONE else None,
    )
