"""Whether the server lives, whether it is of use, and its figures."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from ringfence.api.following import FollowerState  # noqa: TC001 (msgspec reads annotations at run time)
from ringfence.api.handlers.requests import as_json
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import unavailable
from ringfence.api.monitoring.metrics import CONTENT_TYPE
from ringfence.api.services import HealthServices, services_of
from ringfence.api.sourcing import SourceState  # noqa: TC001 (likewise)

router = APIRouter(tags=["operation"], route_class=LazyRoute)


class Health(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str = "alive"


class Readiness(msgspec.Struct, frozen=True):
    """Payments are decided: by what, and how far the log has come.

    `warnings` are what somebody should see to although payments are decided: a snapshot that cannot be saved,
    a vault that cannot be written, a follower that fails. `followers` make tables, index and more of the log,
    in a process of their own.
    `sources` are streams that are read.
    """

    status: str
    offset: int
    waiting: int
    versions: dict[str, str]
    warnings: list[str] = []
    followers: list[FollowerState] = []
    sources: list[SourceState] = []


@router.get("/healthz")
async def healthz() -> Response:
    """The process is alive."""
    return as_json(Health())


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Payments are being decided: send traffic here."""
    services = services_of(request, HealthServices)
    failure = services.decider.failure
    if not services.is_ready() or failure is not None:
        raise unavailable("it has failed and will stop" if failure else "it is starting or stopping")
    runner = services.runner
    warnings = [] if runner.saving.problem is None else [str(runner.saving.problem)]
    originals = services.originals
    warnings += [] if originals is None else originals.warnings()
    warnings += services.following.warnings()
    warnings += services.backups.warnings()
    warnings += services.upkeep.warnings()
    warnings += services.sources.warnings()
    warnings += services.objectives.warnings()
    return as_json(
        Readiness(
            "ready",
            runner.pipeline.offset,
            services.decider.waiting,
            services.versions(),
            warnings,
            services.following.states(),
            services.sources.states(),
        )
    )


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Figures in Prometheus' text form."""
    return Response(
        services_of(request, HealthServices).metrics.render(), headers={"content-type": CONTENT_TYPE}
    )
