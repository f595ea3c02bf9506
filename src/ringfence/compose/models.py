"""The models of one store: where they are kept, which are in force, and what they say in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.adapters.artifacts import ModelRegistry, StoredModels, load_scorer
from ringfence.analysis.impact import impact
from ringfence.features.catalog import CATALOG
from ringfence.scoring.deployment import Deployment
from ringfence.scoring.models import Models

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ringfence.adapters.sqlite import Store
    from ringfence.analysis.impact import Impact
    from ringfence.decisions.decision import Decision
    from ringfence.features.spec import FeatureSpec
    from ringfence.pipeline import View
    from ringfence.scoring.artifact import Artifact
    from ringfence.scoring.manifest import ReasonText

IN_FORCE: Final = "models_in_force"
"""Under this name a store remembers the deployment in force, for those who only read."""


def model_registry(folder: Path) -> ModelRegistry:
    """The models that a data folder holds."""
    return ModelRegistry(folder / "models")


def stored_models(store: Store, spec: FeatureSpec) -> StoredModels:
    """The deployments of a store over a specification."""
    return StoredModels(store.registry, model_registry(store.folder), spec)


def in_force(store: Store) -> Deployment:
    """The deployment that decides now."""
    found = store.registry.find("models", store.remembered(IN_FORCE) or "")
    return Deployment.from_json(found.body) if found else Deployment()


def models_for(store: Store, spec: FeatureSpec, artifact: Artifact | None) -> Models:
    """This model alone, or without one the deployment in force."""
    if artifact is None:
        return stored_models(store, spec).ready(in_force(store))
    scorer = load_scorer(artifact, spec)
    return Models(Deployment(champion=scorer.digest), {scorer.digest: scorer})


def model_texts(store: Store, decision: Decision) -> Mapping[str, ReasonText]:
    """Words for the inputs of the model that spoke on a payment; none without one."""
    return {} if decision.model is None else stored_models(store, CATALOG).texts(decision.model)


def impact_of(store: Store, stored: StoredModels, view: View, digest: str) -> Impact:
    """What recent payments' outcomes would be if a kept model were the champion; it changes nothing."""
    champion = view.models.deployment.champion
    scorer, now = (
        stored.ready(Deployment(champion=one)).scorers[0] if one else None for one in (digest, champion)
    )
    assert scorer is not None
    return impact(store.log, view.rules, view.lookups, scorer, now)
