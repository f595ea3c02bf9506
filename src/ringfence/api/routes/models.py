"""The models that decide: which there are, and putting another one in force without losing a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response  # noqa: TC002 (FastAPI reads the annotations)

from ringfence.api.handlers.requests import UnconfirmedRefusal, as_json, body_of, who_asks
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import Refusal
from ringfence.api.services import ModelServices, services_of
from ringfence.desks.confirming import UnconfirmedError
from ringfence.desks.model_desk import Signed, UnsoundError
from ringfence.desks.models import SHARELESS, put_in_force, share_gained
from ringfence.desks.models import retire as retire_model
from ringfence.errors import InputError, ScorerError
from ringfence.rulebook.changes import ApprovalError
from ringfence.rulebook.wire import Confirm  # noqa: TC001 (msgspec reads the annotations)
from ringfence.scoring.artifacts.promotion import roles

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.decisions.impact import Impact
    from ringfence.desks.model_desk import ModelDesk
    from ringfence.scoring.artifacts.deployment import Deployment

router = APIRouter(tags=["models"], route_class=LazyRoute)


class ModelState(msgspec.Struct, frozen=True):
    """A model that the store keeps, and what it is to the decisions that are made now.

    With `problems` it is put in force only by force: its training found it no better than chance, say.
    """

    version: str
    name: str
    algorithm: str
    created_at: str
    role: str | None
    retired: bool
    problems: list[str] = []


class ModelStates(msgspec.Struct, frozen=True):
    """All models, and the version of what is in force: empty where no model is."""

    deployment: str
    models: list[ModelState]


class Promotion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model is to be. A rollout needs a share, of entities `by`.

    `force` puts a model in force even where its training advises against it. `confirm` is that of the impact
    sheet of this very change.
    """

    role: Literal["champion", "challenger", "rollout"] = "champion"
    share: float | None = None
    by: str | None = None
    note: str = ""
    force: bool = False
    confirm: Confirm = ""


class Retirement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why. `confirm` as of a promotion, where the model decides for payments."""

    note: str = ""
    confirm: Confirm = ""


@router.get("/v1/models")
async def list_models(request: Request) -> Response:
    """The models that the store keeps. `ringfence models import` brings more, also while this runs."""
    services = services_of(request, ModelServices)
    return as_json(await services.pools.reading.run(_states, services.models))


@router.get("/v1/models/{version}/impact")
async def impact(request: Request, version: str) -> Response:
    """Recent payments by outcome, as what is in force gives them and as this model would; changes nothing.

    Its `confirm` promotes the model to champion. That of a rollout or a retirement is in their answer 409.
    """
    services = services_of(request, ModelServices)
    if version not in await services.pools.reading.run(services.models.stored.registry.digests):
        raise Refusal(404, "not_found", "no such model is kept: import it into the server's data folder")
    async with services.changing:  # one at a time
        try:
            found = await services.pools.models.run(_sheet_of_promotion, services, version)
        except (InputError, ScorerError) as error:
            raise Refusal(422, "invalid_model", str(error)) from error
    return as_json(found)


def _sheet_of_promotion(services: ModelServices, version: str) -> Impact:
    active = services.models.active()
    return services.confirming(version, "").shown(active, share_gained(active, version, "champion"))


@router.post("/v1/models/{version}/promotion")
async def promote(request: Request, version: str) -> Response:
    """Put a model in force, in the shadow, or for a share of entities, from the next event on."""
    wanted = await body_of(request, Promotion)
    if (wanted.role == "rollout") != (wanted.share is not None):  # as the desk says, with the request's code
        raise Refusal(422, "invalid_parameter", SHARELESS)

    confirming = services_of(request, ModelServices).confirming(version, wanted.confirm)

    def change(desk: ModelDesk, signed: Signed) -> Deployment:
        more: Any = {"share": wanted.share, "by": wanted.by, "force": wanted.force}
        return put_in_force(desk, version, wanted.role, signed, confirming=confirming, **more)

    return await _changed(request, version, wanted.note, change)


@router.post("/v1/models/{version}/retirement")
async def retire(request: Request, version: str) -> Response:
    """Take a model out of what is in force, for good."""
    wanted = await body_of(request, Retirement)
    confirming = services_of(request, ModelServices).confirming(version, wanted.confirm)

    def change(desk: ModelDesk, signed: Signed) -> Deployment:
        return retire_model(desk, version, signed, confirming=confirming)

    return await _changed(request, version, wanted.note, change)


async def _changed(
    request: Request, version: str, note: str, change: Callable[[ModelDesk, Signed], Deployment]
) -> Response:
    services = services_of(request, ModelServices)
    desk = services.models
    if version not in await services.pools.reading.run(desk.stored.registry.digests):
        raise Refusal(404, "not_found", "no such model is kept: import it into the server's data folder")
    who = who_asks(request, note)
    signed = Signed(who.name, who.now_ms, who.note)
    async with services.changing:
        try:
            await services.pools.models.run(change, desk, signed)
        except UnsoundError as error:
            raise Refusal(409, "unsound_model", f"{error}; here, send force") from error
        except UnconfirmedError as error:
            raise UnconfirmedRefusal(error) from error
        except ApprovalError as error:
            raise Refusal(403, "needs_approval", str(error)) from error
        except InputError as error:
            raise Refusal(409, "conflict", str(error)) from error
        except ScorerError as error:
            raise Refusal(422, "invalid_model", str(error)) from error
        return as_json(await services.pools.reading.run(_states, desk))


def _states(desk: ModelDesk) -> ModelStates:
    registry, deployment = desk.stored.registry, desk.active()
    retired, parts = registry.retired(), roles(deployment)
    manifests = {digest: registry.read(digest).manifest for digest in registry.digests()}
    return ModelStates(
        deployment.digest,
        [
            ModelState(
                digest,
                one.name,
                one.algorithm,
                one.created_at,
                parts.get(digest),
                digest in retired,
                list(one.appraisal.problems),
            )
            for digest, one in manifests.items()
        ],
    )
