"""The models: which there are, how good they are, what they see change, and which of them decide."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from ringfence.api.handlers.requests import who_asks
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import ModelServices, services_of
from ringfence.compose.upkeep.watching import watch_book
from ringfence.desks.confirming import UnconfirmedError
from ringfence.desks.model_desk import Signed
from ringfence.desks.models import Part, put_in_force, share_gained
from ringfence.desks.models import retire as retire_model
from ringfence.desks.seals import said
from ringfence.errors import ConflictError, InputError, ScorerError
from ringfence.learning.measures.curves import Curves
from ringfence.ports import DECISIONS
from ringfence.rulebook.changes import ApprovalError
from ringfence.scoring.artifacts.manifest import CURVES, REPORT
from ringfence.scoring.artifacts.promotion import roles
from ringfence.web.measure import watching
from ringfence.web.measure.importance import importance_of
from ringfence.web.measure.model_in_words import sentence, spans
from ringfence.web.pages.policy.impact import OfferedChange, SealField, sheet
from ringfence.web.parts.asking import beside, caller_of, dashboard_of
from ringfence.web.parts.charts import COLOURS, Chart, Named, charts_of, drift_chart
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.scoring.artifacts.artifact import Artifact
    from ringfence.web.answer_cache import CachedAnswer
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
PATH: Final = "/models"  # in the navigation
Version = Annotated[str, Path(max_length=100)]
Note = Annotated[str, Form(max_length=1000)]
_TITLES: Final[Mapping[Part, str]] = {
    "champion": "Promote",
    "challenger": "Run in shadow",
    "rollout": "Roll out",
}
_LISTENED: Final = 20  # inputs shown by importance
_DRAWN: Final = 4  # inputs whose drift is drawn, beside the score's
_STYLE: Final = re.compile(rb"<style[^>]*>(.*?)</style>", re.DOTALL)


@router.get("/models")
async def models(request: Request) -> Response:
    """Every model that is kept."""
    values = await beside(request, _all, dashboard_of(request))
    return render(request, "models.html", values)


def _all(dashboard: Dashboard) -> dict[str, Any]:
    desk = dashboard.of(ModelServices).models
    registry, deployment = desk.stored.registry, desk.active()
    retired, parts = registry.retired(), roles(deployment)
    known = [dashboard.artifact(digest) for digest in registry.digests()]
    known.sort(key=lambda one: (one.manifest.created_at, one.digest), reverse=True)
    rows = [(one, parts.get(one.digest) or ("retired" if one.digest in retired else "")) for one in known]
    names = list(dict.fromkeys(name for one in known for name in one.manifest.metrics))
    return {"rows": rows, "deployment": deployment, "names": names}


@router.get("/models/live")
async def live(request: Request) -> Response:
    """Those in force side by side, on stored payments."""
    dashboard = dashboard_of(request)
    question = ("models", dashboard.of(ModelServices).models.active().digest)
    found = _asked(request, question, lambda: watching.compare(dashboard))
    values = {"found": found, "charts": _compared(found.value) if found and found.value else []}
    return render(request, "parts/models_live.html", values)


def _compared(voices: list[watching.Voice]) -> list[Chart]:
    named = [
        Named(f"{voice.role} {voice.digest[:8]}", COLOURS[at % len(COLOURS)], voice.curves)
        for at, voice in enumerate(voices)
        if voice.curves is not None
    ]
    return charts_of(named) if named else []


def _asked(request: Request, question: tuple[str, str], work: Callable[[], Any]) -> CachedAnswer | None:
    dashboard = dashboard_of(request)
    end = dashboard.store.log.end_offset(DECISIONS)
    return dashboard.cache.ask(question, end, work, caller_of(request))


@router.get("/models/{version}")
async def model(request: Request, version: Version) -> Response:
    """One model: what it was trained on, its figures, curves, thresholds by money, what it listens to."""
    values = await beside(request, _one, dashboard_of(request), version)
    return render(request, "model.html", values)


def _one(dashboard: Dashboard, version: str) -> dict[str, Any]:
    artifact = _artifact(dashboard, version)
    manifest, deployment = artifact.manifest, dashboard.of(ModelServices).models.active()
    book = watch_book(dashboard.store.folder)
    standing, charts = book.standing(), []
    if CURVES in artifact.files:
        named = Named("test part", "accent", Curves.from_json(artifact.files[CURVES]))
        charts = charts_of([named], manifest.bands)
    return {
        "one": artifact,
        "m": manifest,
        "sentence": sentence(manifest),
        "spans": spans(manifest),
        "role": roles(deployment).get(version, ""),
        "retired": dashboard.of(ModelServices).models.stored.registry.retired().get(version),
        "champion": deployment.champion,
        "by": deployment.by,
        "report": REPORT in artifact.files,
        "charts": charts,
        "importance": importance_of(artifact)[:_LISTENED],
        "standing": standing if standing is not None and standing.model == version else None,
        "proposal": next((one for one in book.proposals() if one.model == version), None),
    }


@router.get("/models/{version}/watched")
async def watched(request: Request, version: Version) -> Response:
    """The same of this store's payments, and how far they are from those of the training."""
    dashboard = dashboard_of(request)
    artifact = await beside(request, _artifact, dashboard, version)
    found = _asked(request, ("model", version), lambda: watching.watch(dashboard, artifact))
    charts, drift = [], None
    if found is not None and found.value is not None:
        told: watching.Watched = found.value
        if told.curves is not None:
            charts = charts_of([Named("stored payments", "accent", told.curves)], artifact.manifest.bands)
        if told.days:
            drift = drift_chart(told.days, [name for name, _, _ in told.inputs[:_DRAWN]])
    values = {"found": found, "charts": charts, "drift": drift, "version": version, "m": artifact.manifest}
    return render(request, "parts/model_watched.html", values)


@router.get("/models/{version}/impact")
async def impact(request: Request, version: Version) -> Response:
    """What would change for recent payments if it were put in force."""
    dashboard = dashboard_of(request)
    await beside(request, _artifact, dashboard, version)
    found = _asked(
        request,
        ("impact", f"{version} {dashboard.of(ModelServices).models.active().digest}"),
        lambda: dashboard.of(ModelServices).impact(version),
    )
    return render(request, "parts/model_impact.html", {"found": found, "version": version})


@router.get("/models/{version}/report")
async def report(request: Request, version: Version) -> Response:
    """The report of its training: a page of its own, with a style of its own and no script."""
    artifact = await beside(request, _artifact, dashboard_of(request), version)
    if REPORT not in artifact.files:
        raise Stop(404, "This model came without a report.")
    page = artifact.files[REPORT]
    hashes = [b64encode(hashlib.sha256(style).digest()).decode() for style in _STYLE.findall(page)]
    styles = " ".join(f"'sha256-{one}'" for one in hashes) or "'none'"
    policy = f"default-src 'none'; style-src {styles}; base-uri 'none'; frame-ancestors 'none'; sandbox"
    return Response(page, media_type="text/html", headers={"content-security-policy": policy})


def _artifact(dashboard: Dashboard, version: str) -> Artifact:
    registry = dashboard.of(ModelServices).models.stored.registry
    if version not in registry.digests():
        raise Stop(
            404,
            f"There is no model {version!r} here: `ringfence models list` lists them.",
        )
    return dashboard.artifact(version)


@router.get("/models/{version}/promotion")
async def promotion(
    request: Request,
    version: Version,
    role: Annotated[Part, Query()] = "champion",
    share: Annotated[float, Query(ge=0, le=100)] = 0.0,
    force: Annotated[bool, Query()] = False,
) -> Response:
    """The impact sheet of a model that is to decide for all payments or a share, or only to be heard."""
    artifact = await beside(request, _artifact, dashboard_of(request), version)
    offered = _promotion(version, role, share, force=force, name=artifact.manifest.name)
    return await _shown(request, version, offered, role, share / 100 if role == "rollout" else None)


@router.get("/models/{version}/retirement")
async def retirement(request: Request, version: Version) -> Response:
    """The impact sheet of a model that is to go."""
    await beside(request, _artifact, dashboard_of(request), version)
    return await _shown(request, version, _retirement(version))


async def _shown(
    request: Request,
    version: str,
    offered: OfferedChange,
    role: Part | None = None,
    share: float | None = None,
) -> Response:
    services = services_of(request, ModelServices)
    async with services.changing:
        deployment, told = services.models.active(), None
        gained, confirming = share_gained(deployment, version, role, share), services.confirming(version, "")
        if gained:
            told = await services.pools.models.run(confirming.shown, deployment, gained)
    return sheet(request, told, offered, abs(gained))


def _promotion(version: str, role: Part, share: float, *, force: bool, name: str = "") -> OfferedChange:
    fields = {"role": role, "share": f"{share:g}"} | ({"force": "true"} if force else {})
    word, here = _TITLES[role], f"/models/{version}"
    title = f"{word} {name or version[:8]}" + (f" to {share:g} %" if role == "rollout" else "")
    return OfferedChange(title, f"{here}/promote", fields, word, here)


def _retirement(version: str) -> OfferedChange:
    here = f"/models/{version}"
    return OfferedChange("Retire this model", f"{here}/retire", {}, "Retire", here)


@router.post("/models/{version}/promote")
async def promote(
    request: Request,
    version: Version,
    role: Annotated[Part, Form()] = "champion",
    share: Annotated[float, Form(ge=0, le=100)] = 0.0,
    note: Note = "",
    force: Annotated[bool, Form()] = False,
    seal: SealField = "",
    confirm: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Put it in force, in the shadow, or in force for a share of entities, from the next event on."""
    confirming = services_of(request, ModelServices).confirming(version, said(seal, confirm))

    def change(desk: Any, signed: Signed) -> Any:
        part = share / 100 if role == "rollout" else None
        return put_in_force(desk, version, role, signed, confirming=confirming, share=part, force=force)

    offered = _promotion(version, role, share, force=force)
    return await _changed(request, note, change, offered, f"/models/{version}")


@router.post("/models/{version}/retire")
async def retire(
    request: Request,
    version: Version,
    note: Note = "",
    seal: SealField = "",
    confirm: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Take it out of what is in force, for good."""
    confirming = services_of(request, ModelServices).confirming(version, said(seal, confirm))

    def change(desk: Any, signed: Signed) -> Any:
        return retire_model(desk, version, signed, confirming=confirming)

    return await _changed(request, note, change, _retirement(version), "/models")


async def _changed(
    request: Request, note: str, change: Callable[[Any, Signed], Any], offered: OfferedChange, after: str
) -> Response:
    """Make the change; beyond the limits, offer it again with the sheet and a field for the confirmation."""
    who = who_asks(request, note)
    services = services_of(request, ModelServices)
    async with services.changing:
        try:
            await services.pools.models.run(change, services.models, Signed(who.name, who.now_ms, who.note))
        except UnconfirmedError as error:
            return sheet(request, error.sheet, offered, error.portion, status=409, note=note)
        except ApprovalError as error:
            raise Stop(403, f"{error}.") from error
        except (ConflictError, InputError, ScorerError) as error:
            raise Stop(409, str(error)) from error
    return RedirectResponse(after, 303)
