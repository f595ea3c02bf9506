"""What people do with models: put one in force, in the shadow or for a share of entities, take it away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ringfence.adapters.artifacts.loading import load_scorer
from ringfence.errors import InputError, RingfenceError, StoreError
from ringfence.events.activation import Part, activation
from ringfence.scoring.deployment import Deployment
from ringfence.scoring.models import NO_MODELS, Models
from ringfence.scoring.promotion import challenged, promoted, rolled_out, without
from ringfence.scoring.reasons import texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.adapters.artifacts.reading import Artifact
    from ringfence.adapters.artifacts.registry import ModelRegistry
    from ringfence.events.batch import EventBatch
    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.manifest import ReasonText
    from ringfence.scoring.models import Scorer


class Text(Protocol):
    """A registered version."""

    @property
    def body(self) -> str: ...


class Texts(Protocol):
    """Where a store keeps the versions that its log names."""

    def register(self, kind: str, digest: str, body: str, now_ms: int) -> None: ...

    def find(self, kind: str, digest: str) -> Text | None: ...


class StoredModels:
    """Deployments that a store has registered, with their models loaded: the half of a library."""

    def __init__(self, texts: Texts, registry: ModelRegistry, spec: FeatureSpec) -> None:
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


class UnsoundError(InputError):
    """A model is to decide that its own training advises against."""


@dataclass(frozen=True, slots=True)
class Signed:
    """Who changes what is in force, when, and why."""

    author: str
    now_ms: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class ModelDesk:
    """The models of one store. `active` says what is in force, `put` appends an activation, durably."""

    stored: StoredModels
    active: Callable[[], Deployment]
    put: Callable[[EventBatch], int]

    def keep(self, artifact: Artifact) -> bool:
        """Take a model into the store's own registry, checked; False if it is there already."""
        load_scorer(artifact, self.stored.spec)
        return self.stored.registry.add(artifact)

    def promote(self, model: str, signed: Signed, *, force: bool = False) -> Deployment:
        """The model becomes the champion; one that its training advises against only with `force`."""
        return self._change(promoted(self.active(), self._worthwhile(model, force=force)), signed)

    def challenge(self, model: str, signed: Signed) -> Deployment:
        """The model is heard in the shadow."""
        return self._change(challenged(self.active(), self._unretired(model)), signed)

    def roll_out(
        self, model: str, share: float, by: str | None, signed: Signed, *, force: bool = False
    ) -> Deployment:
        """The model speaks for a share of all entities; `force` as of `promote`."""
        sound = self._worthwhile(model, force=force)
        return self._change(rolled_out(self.active(), sound, share, by), signed)

    def retire(self, model: str, signed: Signed) -> Deployment:
        """The model is taken out of what is in force, and will not be taken in again."""
        self.stored.registry.read(model)
        left = without(self.active(), model)
        if left != self.active():
            if left.rollout and not left.champion:
                raise InputError(f"model {model} is the champion beside a rollout: promote another one first")
            self._change(left, signed)
        self.stored.registry.retire(model, signed.author, signed.note, signed.now_ms)
        return left

    def _change(self, deployment: Deployment, signed: Signed) -> Deployment:
        if deployment.digest == self.active().digest:
            raise InputError("nothing changes: this is in force already")
        self.stored.keep(deployment, signed.now_ms)
        self.put(
            activation(Part.MODELS, deployment.digest, signed.now_ms, author=signed.author, note=signed.note)
        )
        return deployment

    def _worthwhile(self, model: str, *, force: bool) -> str:
        problems = self.stored.registry.read(self._unretired(model)).manifest.appraisal.problems
        if problems and not force:
            raise UnsoundError(
                f"model {model} is not worth promoting: {'; '.join(problems)}. Nothing was changed. "
                "Train another, or let it speak as a challenger; "
                f"`ringfence models promote {model} --force` insists"
            )
        return model

    def _unretired(self, model: str) -> str:
        if model in self.stored.registry.retired():
            raise InputError(
                f"model {model} is retired: train another, or delete retired/{model}.json in the registry"
            )
        return model
