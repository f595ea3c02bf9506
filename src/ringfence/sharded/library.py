"""The versions that a sharded host may put in force: those it began with, and those that came since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.errors import RingfenceError, RuleError
from ringfence.events.activation import Part
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.scoring.artifacts.models import NO_MODELS, Models
from ringfence.scoring.rulesets.compiled_books import compiled_of
from ringfence.scoring.rulesets.ruleset import RuleSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.rulesets.rules import CompiledRules


class ControlLibrary:
    """`ringfence.ports.Library` over what the log itself brings.

    Attributes:
        shipped_rules: digests of the rules that every worker knows from the start.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        rules: CompiledRules,
        models: Models = NO_MODELS,
        later: Iterable[Models] = (),
        load: Callable[[Deployment], Models] | None = None,
    ) -> None:
        """`later` are models that may be put in force beside those that it begins with.

        `load` gives others from a registry that every worker reaches; None where there is none.
        """
        self._spec = spec
        self._rules = {rules.ruleset.digest: rules}
        self._load = load
        self._models = {one.deployment.digest: one for one in (NO_MODELS, *later, models)}
        self.shipped_rules = frozenset(self._rules)

    def learn(self, part: Part, text: str) -> str:
        """Know a version by its text (`RuleSet.to_json`, `Deployment.to_json`); its digest.

        `RuleError` where rules do not fit the features, or a model is not to be had.
        """
        if part is Part.RULES:
            book = RuleSet.from_json(text)
            if book.digest not in self._rules:
                self._rules[book.digest] = compiled_of(book, self._spec)
            return book.digest
        deployment = Deployment.from_json(text)
        if deployment.digest not in self._models and self._load is not None:
            try:
                self._models[deployment.digest] = self._load(deployment)
            except RingfenceError as error:
                raise RuleError(
                    f"models {deployment.digest} are not put in force: {error}. Import what is missing into "
                    "the registry of the job's data folder (`ringfence models import`), then activate again"
                ) from error
        return deployment.digest

    def rules(self, digest: str) -> CompiledRules:
        """See `Library.rules`."""
        if digest not in self._rules:
            raise RuleError(f"rules {digest} came without their text: send their activation with it")
        return self._rules[digest]

    def models(self, digest: str) -> Models:
        """See `Library.models`."""
        if digest not in self._models:
            raise RuleError(
                f"models {digest or 'none'} were not shipped with the job: ship them, then activate"
            )
        return self._models[digest]
