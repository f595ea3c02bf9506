"""Where models are kept, each by its content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.artifacts.artifact import Artifact
    from ringfence.scoring.artifacts.deployment import Deployment
    from ringfence.scoring.artifacts.manifest import ReasonText
    from ringfence.scoring.artifacts.models import Models


class Retired(msgspec.Struct, frozen=True):
    """Why a model is not to be put in force again."""

    at_ms: int
    author: str
    note: str


class ModelStore(Protocol):
    """Versions are written once and never changed. Safe for several processes at a time."""

    @property
    def where(self) -> str:
        """The folder or the address."""
        ...

    def digests(self) -> list[str]:
        """All versions, by digest."""
        ...

    def find(self, start: str) -> str:
        """The digest that begins so, or the newest model of that name; `InputError` unless it is one."""
        ...

    def read(self, digest: str) -> Artifact:
        """A version, checked. `InputError` where it is not here, `ScorerError` where it was changed."""
        ...

    def add(self, artifact: Artifact) -> bool:
        """Keep a version; False if it is here already, whole. `StoreError` where it cannot be kept."""
        ...

    def retire(self, digest: str, author: str, note: str, at_ms: int | None = None) -> None:
        """Note that a version is not to be put in force again; decisions that name it can still be read."""
        ...

    def retired(self) -> Mapping[str, Retired]:
        """The versions that are not to be put in force again."""
        ...


class Deployments(Protocol):
    """The deployments that a store has registered, with their models loaded."""

    @property
    def registry(self) -> ModelStore:
        """Where the models are kept."""
        ...

    @property
    def spec(self) -> FeatureSpec:
        """What every model must fit."""
        ...

    def models(self, digest: str) -> Models:
        """See `Library.models`."""
        ...

    def ready(self, deployment: Deployment) -> Models:
        """A deployment with its models, each loaded once; `InputError` or `ScorerError` without one."""
        ...

    def texts(self, digest: str) -> Mapping[str, ReasonText]:
        """Code and texts of a model's inputs; none where it is not to be had any more."""
        ...

    def check(self, artifact: Artifact) -> None:
        """`ScorerError` where a model does not load over `spec`."""
        ...

    def keep(self, deployment: Deployment, now_ms: int) -> None:
        """Register a deployment once its models have been loaded."""
        ...
