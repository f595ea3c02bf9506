"""Which rules and models decide, as the log puts them in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ringfence.decisions.decide import DecisionMaker
from ringfence.events.activation import Part
from ringfence.scoring.artifacts.models import NO_MODELS, Models
from ringfence.scoring.rulesets.rules import compile_rules
from ringfence.scoring.rulesets.ruleset import RuleSet

if TYPE_CHECKING:
    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.rulesets.rules import CompiledRules


class Versions(Protocol):
    """As much of a `ringfence.ports.Library` as is needed here."""

    def rules(self, digest: str) -> CompiledRules:
        """The rule set of this digest."""
        ...

    def models(self, digest: str) -> Models:
        """The deployment of this digest with its models."""
        ...


class InForce:
    """The versions of rules and models that decide from the next event on, over one specification.

    Attributes:
        rules: the compiled rule set.
        models: the deployment with its models.
        decider: makes decisions by both.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        rules: RuleSet | CompiledRules,
        models: Models = NO_MODELS,
        library: Versions | None = None,
    ) -> None:
        """`library` has the versions that the log activates; without one they are passed over."""
        self.spec = spec
        self._library = library
        self._due: dict[Part, str] = {}  # versions in force that nothing has been judged by yet
        self.use(rules, models)

    def use(self, rules: RuleSet | CompiledRules | None = None, models: Models | None = None) -> None:
        """Judge by these rules, and ask these models, from the next event on; None leaves what is."""
        if rules is not None:
            self.rules = compile_rules(rules, self.spec) if isinstance(rules, RuleSet) else rules
            self._due.pop(Part.RULES, None)
        if models is not None:
            self.models = models
            self._due.pop(Part.MODELS, None)
        self.decider = DecisionMaker(self.rules, self.models)

    @property
    def versions(self) -> dict[Part, str]:
        """Digest of what is in force, part by part."""
        return self._at_hand | self._due

    @property
    def _at_hand(self) -> dict[Part, str]:
        return {Part.RULES: self.rules.ruleset.digest, Part.MODELS: self.models.deployment.digest}

    def activate(self, part: Part, digest: str) -> None:
        """Use a version of the library from the next event on."""
        if self._library is None:
            return
        if self._at_hand[part] == digest:
            self._due.pop(part, None)
        elif part is Part.RULES:
            self.use(self._library.rules(digest))
        else:
            self.use(models=self._library.models(digest) if digest else NO_MODELS)

    def expect(self, part: Part, digest: str) -> None:
        """As `activate`, but the library is asked only once something is to be judged by it, or by `settle`.

        What was in force long ago may not fit the features of today, and need not.
        """
        if self._library is not None:
            self._due[part] = digest

    def settle(self) -> None:
        """Have what is in force at hand; the library's errors where it cannot give it."""
        for part, digest in list(self._due.items()):
            self.activate(part, digest)
