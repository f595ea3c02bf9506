"""The models of one store: where they are kept, which are in force, and what they say in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.adapters.artifacts import ModelRegistry, StoredModels, load_local, load_scorer, read_folder
from ringfence.analysis.impact import Deciding, impact
from ringfence.compose.clock import late_after
from ringfence.features.catalog import CATALOG
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.scoring.artifacts.models import Models

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ringfence.decisions.decision import Decision
    from ringfence.decisions.impact import Impact
    from ringfence.features.spec import FeatureSpec
    from ringfence.pipeline import View
    from ringfence.ports import EventLog
    from ringfence.ports.models import Deployments, ModelStore
    from ringfence.scoring.artifacts.artifact import Artifact
    from ringfence.scoring.artifacts.manifest import ReasonText
    from ringfence.scoring.artifacts.models import Scorer
    from ringfence.scoring.reference import Lookups
    from ringfence.scoring.rulesets.rules import CompiledRules
    from ringfence.store import DataFolder

IMPACT_SECONDS: Final = 5.0
"""After which an impact is of the payments judged by then: somebody waits for it, on a busy machine, too."""

IN_FORCE: Final = "models_in_force"
"""Under this name a store remembers the deployment in force, for those who only read."""


def model_registry(folder: Path) -> ModelStore:
    """The models that a data folder holds."""
    return ModelRegistry(folder / "models")


def model_store(where: str | Path) -> ModelStore:
    """The models in a folder, or at a URI such as s3://bucket/models; `InputError` where that is no place."""
    return ModelRegistry(where)


def read_model(folder: Path) -> Artifact:
    """The artifact in a folder, checked; `InputError` where there is none, `ScorerError` for a bad one."""
    return read_folder(folder)


def load_model(artifact: Artifact, spec: FeatureSpec | None = None) -> Scorer:
    """The model of an artifact, over a specification if one is given; a remote one is not asked yet.

    `ScorerError` for a model that does not fit, does not load, or disagrees with itself.
    """
    return load_scorer(artifact, spec)


def load_local_model(artifact: Artifact) -> Scorer:
    """Likewise, of a model that scores in this process; `ScorerError` for a remote one."""
    return load_local(artifact)


def stored_models(store: DataFolder, spec: FeatureSpec) -> Deployments:
    """The deployments of a store over a specification."""
    return StoredModels(store.registry, model_registry(store.folder), spec)


def in_force(store: DataFolder) -> Deployment:
    """The deployment that decides now."""
    found = store.registry.find("models", store.remembered(IN_FORCE) or "")
    return Deployment.from_json(found.body) if found else Deployment()


def models_for(store: DataFolder, spec: FeatureSpec, artifact: Artifact | None) -> Models:
    """This model alone, or without one the deployment in force."""
    if artifact is None:
        return stored_models(store, spec).ready(in_force(store))
    scorer = load_scorer(artifact, spec)
    return Models(Deployment(champion=scorer.digest), {scorer.digest: scorer})


def model_texts(store: DataFolder, decision: Decision) -> Mapping[str, ReasonText]:
    """Words for the inputs of the model that spoke on a payment; none without one."""
    return {} if decision.model is None else stored_models(store, CATALOG).texts(decision.model)


def impact_of(
    store: DataFolder, stored: Deployments, view: View, digest: str, *, leaving: bool = False
) -> Impact:
    """What recent payments' outcomes would be if a kept model were the champion; it changes nothing.

    `leaving`, they are those of the champion in the model's place, of no model in the champion's.
    """
    champion = _champion(stored, view)
    scorer: Scorer | None = stored.ready(Deployment(champion=digest)).scorers[0]
    now, then = champion, scorer
    if leaving:
        now, then = scorer, None if digest == view.models.deployment.champion else champion
    decide = Deciding(view.rules, now), Deciding(view.rules, then)
    return impact(store.log, view.lookups, *decide, digest, is_late=late_after(IMPACT_SECONDS))


def impact_of_rules(
    log: EventLog,
    stored: Deployments,
    champion: str | None,
    lookups: Lookups,
    before: CompiledRules,
    after: CompiledRules,
) -> Impact:
    """The same if rules `after` were in force instead of those `before`, with the model that is."""
    model = _ready(stored, champion)
    decide = Deciding(before, model), Deciding(after, model)
    return impact(log, lookups, *decide, after.ruleset.digest, is_late=late_after(IMPACT_SECONDS))


def _champion(stored: Deployments, view: View) -> Scorer | None:
    return _ready(stored, view.models.deployment.champion)


def _ready(stored: Deployments, champion: str | None) -> Scorer | None:
    return stored.ready(Deployment(champion=champion)).scorers[0] if champion else None
