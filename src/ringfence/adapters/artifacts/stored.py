"""The deployments of a store, with their models loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ringfence.adapters.artifacts.loading import load_scorer
from ringfence.errors import RingfenceError, StoreError
from ringfence.events.activation import Part
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.scoring.artifacts.models import NO_MODELS, Models
from ringfence.scoring.artifacts.reasons import texts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringfence.features.spec import FeatureSpec
    from ringfence.ports.models import ModelStore
    from ringfence.scoring.artifacts.artifact import Artifact
    from ringfence.scoring.artifacts.manifest import ReasonText
    from ringfence.scoring.artifacts.models import Scorer


class RegisteredText(Protocol):
    """A registered version."""

    @property
    def body(self) -> str: ...


class RegisteredTexts(Protocol):
    """Where a store keeps the versions that its log names."""

    def register(self, kind: str, digest: str, body: str, now_ms: int) -> None: ...

    def find(self, kind: str, digest: str) -> RegisteredText | None: ...


class StoredModels:
    """Deployments that a store has registered, with their models loaded: the half of a library."""

    def __init__(self, texts: RegisteredTexts, registry: ModelStore, spec: FeatureSpec) -> None:
        self._registered = texts
        self.registry = registry
        self.spec = spec
        self._scorers: dict[str, Scorer] = {}
        self._models: dict[str, Models] = {"": NO_MODELS}
        self._texts: dict[str, Mapping[str, ReasonText]] = {}

    def models(self, digest: str) -> Models:
        """See `Library.models`."""
        if digest not in self._models:
            found = self._registered.find(Part.MODELS, digest)
            if found is None:
                raise StoreError(
                    f"models {digest} are named in the log and not kept: restore the data folder"
                )
            self._models[digest] = self.ready(Deployment.from_json(found.body))
        return self._models[digest]

    def ready(self, deployment: Deployment) -> Models:
        """A deployment with its models, each loaded once; `InputError` or `ScorerError` without one."""
        for digest in deployment.models:
            if digest not in self._scorers:
                self._scorers[digest] = load_scorer(self.registry.read(digest), self.spec)
        return Models(deployment, {digest: self._scorers[digest] for digest in deployment.models})

    def check(self, artifact: Artifact) -> None:
        """See `Deployments.check`."""
        load_scorer(artifact, self.spec)

    def texts(self, digest: str) -> Mapping[str, ReasonText]:
        """Code and texts of a model's inputs; none where it is not to be had any more."""
        if digest in self._scorers:
            return self._scorers[digest].reasons
        if digest not in self._texts:
            try:
                self._texts[digest] = texts_of(self.registry.read(digest).manifest)
            except RingfenceError:
                return {}
        return self._texts[digest]

    def keep(self, deployment: Deployment, now_ms: int) -> None:
        """Register a deployment once its models have been loaded."""
        self._models[deployment.digest] = self.ready(deployment)
        if deployment.digest:
            self._registered.register(Part.MODELS, deployment.digest, deployment.to_json(), now_ms)
