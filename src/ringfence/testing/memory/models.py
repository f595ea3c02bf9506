"""A model and a library in memory: the first to sit their exams, and enough for tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ringfence.errors import StoreError
from ringfence.scoring.artifacts.manifest import Bands
from ringfence.scoring.artifacts.models import NO_MODELS, Models
from ringfence.scoring.logistic import logistic
from ringfence.scoring.rulesets.rules import compile_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.artifacts.deployment import Deployment
    from ringfence.scoring.artifacts.manifest import ReasonText
    from ringfence.scoring.artifacts.models import Scorer
    from ringfence.scoring.rulesets.rules import CompiledRules
    from ringfence.scoring.rulesets.ruleset import RuleSet


@dataclass(frozen=True)
class MemoryScorer:
    """`ringfence.scoring.artifacts.models.Scorer` of a few weights; an unknown input adds nothing.

    >>> scorer = MemoryScorer("m1", ("amount",), np.array([2.0]))
    >>> scorer.score(np.array([[0.0], [np.nan]])).tolist()
    [0.5, 0.5]
    """

    digest: str
    inputs: tuple[str, ...]
    weights: NDArray[np.float64]
    bias: float = 0.0
    zone: str = "UTC"
    bands: Bands = field(default_factory=Bands)
    reasons: Mapping[str, ReasonText] = field(default_factory=dict)
    waits: bool = False

    def score(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        return logistic(self.contributions(inputs).sum(axis=1))

    def contributions(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        known = np.nan_to_num(inputs * self.weights)
        return np.concatenate([known, np.full((len(inputs), 1), self.bias)], axis=1)


class MemoryLibrary:
    """`ringfence.ports.Library` over rule sets and deployments that somebody holds."""

    def __init__(self, spec: FeatureSpec, scorers: Mapping[str, Scorer] | None = None) -> None:
        self._spec = spec
        self._scorers = dict(scorers or {})
        self._books: dict[str, RuleSet] = {}
        self._rules: dict[str, CompiledRules] = {}
        self._models: dict[str, Models] = {"": NO_MODELS}

    def keep(self, book: RuleSet) -> None:
        """Rules that an activation may name."""
        self._books[book.digest] = book

    def deploy(self, deployment: Deployment) -> None:
        """A deployment that an activation may name."""
        self._models[deployment.digest] = Models(
            deployment, {one: self._scorers[one] for one in deployment.models}
        )

    def rules(self, digest: str) -> CompiledRules:
        if digest not in self._books:
            raise StoreError(f"rules {digest} are not kept")
        if digest not in self._rules:
            self._rules[digest] = compile_rules(self._books[digest], self._spec)
        return self._rules[digest]

    def models(self, digest: str) -> Models:
        if digest not in self._models:
            raise StoreError(f"models {digest} are not kept")
        return self._models[digest]
