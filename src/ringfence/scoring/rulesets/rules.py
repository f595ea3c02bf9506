"""Compilation of rule sets: one vectorised pass says which rules fire on which transactions."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from ringfence.errors import RuleError
from ringfence.scoring.language.expression import lists_named, names_used, read
from ringfence.scoring.language.lower_boolean import compile_condition
from ringfence.scoring.language.names import Names, Type
from ringfence.scoring.language.program import Builder
from ringfence.scoring.machine import Machine
from ringfence.scoring.rulesets.outcomes import OUTCOMES, Mode, OnFailure, Outcome
from ringfence.scoring.rulesets.ruleset import ControlGroup, Policy, Rollout, Rule, RuleSet, check_rule
from ringfence.scoring.rulesets.typologies import Signal, Typology

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.columns import Columns

__all__ = [
    "OUTCOMES",
    "CompiledRules",
    "ControlGroup",
    "LeftOut",
    "Mode",
    "OnFailure",
    "Outcome",
    "Policy",
    "Rollout",
    "Rule",
    "RuleSet",
    "Signal",
    "Typology",
    "Verdicts",
    "check_all",
    "check_rule",
    "compile_rules",
    "fit",
    "lists_of",
    "names_of",
]


class Verdicts(msgspec.Struct, frozen=True):
    """Which rules fired: bool (n_rules, n), rows in the order of `CompiledRules.active` and `.shadow`.

    `typologies` are the scores, float64 (n_typologies, n), in the order of `CompiledRules.typologies`.
    """

    active: NDArray[np.bool_]
    shadow: NDArray[np.bool_]
    typologies: NDArray[np.float64] = msgspec.field(default_factory=lambda: np.empty((0, 0)))

    def first(self, count: int) -> Verdicts:
        """Those on the first transactions."""
        return Verdicts(self.active[:, :count], self.shadow[:, :count], self.typologies[:, :count])


class CompiledRules:
    """The active and shadow rules of a set over one feature specification, strictest outcome first.

    Typologies act as rules of their ids; `typologies` are those whose scores are worked out.
    """

    def __init__(
        self, ruleset: RuleSet, spec: FeatureSpec, rules: Sequence[Rule], extra: Mapping[str, Type]
    ) -> None:
        self.ruleset = ruleset
        self.spec = spec
        self.extra = dict(extra)
        ordered = sorted(rules, key=lambda rule: -rule.outcome.strictness if rule.outcome else 1)
        self.active = tuple(rule for rule in ordered if rule.mode is Mode.ACTIVE)
        self.shadow = tuple(rule for rule in ordered if rule.mode is Mode.SHADOW)
        live = {rule.id for rule in (*self.active, *self.shadow)}
        self.typologies = tuple(one for one in ruleset.typologies if one.name in live)
        build, self.names = Builder(), names_for(ruleset.typologies, spec, extra)
        row_of = {one.name: row for row, one in enumerate(self.typologies)}
        fired = []
        self._fired, self._acting = [], []
        for row, rule in enumerate((*self.active, *self.shadow)):
            if rule.id in row_of:  # acts on its score, which is at hand
                self._acting.append((row, row_of[rule.id], self.typologies[row_of[rule.id]].at))
            else:
                self._fired.append(row)
                fired.append(_compile_rule(rule, self.names, build))
        signals = [one.weighed(self.names, build) for one in self.typologies]
        self._machine = Machine(build.steps, spec, fired, signals)
        self.steps = len(build.steps)  # what is worked out, equal parts once

    @cached_property
    def parts(self) -> dict[str, frozenset[str]]:
        """First words of all that each active rule speaks of: "model" of a rule that asks the model."""
        signals = {
            one.name: {
                name.partition(".")[0]
                for signal in one.signals
                for name in names_used(read(signal.when, one.parameters), self.names)
            }
            for one in self.typologies
        }
        found = {}
        for rule in self.active:
            names = names_of(rule, self.names)
            asked = {word for name in names & signals.keys() for word in signals[name]}
            found[rule.id] = frozenset({name.partition(".")[0] for name in names} | asked)
        return found

    @cached_property
    def asked_for(self) -> frozenset[str]:
        """Full names of all that the active and shadow rules speak of, the signals of typologies included."""
        texts = [(rule.when, rule.parameters) for rule in (*self.active, *self.shadow)]
        asked = frozenset[str]().union(*(names_used(read(*text), self.names) for text in texts))
        scored = [one for one in self.ruleset.typologies if one.name in asked or one in self.typologies]
        texts = [(signal.when, one.parameters) for one in scored for signal in one.signals]
        return asked.union(*(names_used(read(*text), self.names) for text in texts))

    def judge(self, columns: Columns) -> Verdicts:
        """Which rules fire on which transactions, all in one pass."""
        alone, scores = self._machine.run(columns)
        if not self._acting:
            fired = alone
        else:
            fired = np.empty((len(self._fired) + len(self._acting), len(columns)), np.bool_)
            fired[self._fired] = alone
            for row, typology, at in self._acting:
                fired[row] = scores[typology] >= at
        return Verdicts(fired[: len(self.active)], fired[len(self.active) :], scores)

    def none(self, count: int) -> Verdicts:
        """Verdicts on `count` transactions that were not judged."""
        return Verdicts(
            np.zeros((len(self.active), count), np.bool_),
            np.zeros((len(self.shadow), count), np.bool_),
            np.zeros((len(self.typologies), count)),
        )


def names_for(typologies: Iterable[Typology], spec: FeatureSpec, extra: Mapping[str, Type]) -> Names:
    """What rules may speak of over a specification, the scores of these typologies included."""
    names = Names(spec, dict(extra))
    plain = Names(spec, dict(extra))  # a typology's signals may not ask for typologies
    for one in typologies:
        names.derive(one.name, partial(one.score, plain))
    return names


def _compile_rule(rule: Rule, names: Names, build: Builder) -> int:
    """Register of the rows where the rule fires."""
    try:
        register = compile_condition(read(rule.when, rule.parameters), names, build).true
    except RuleError as error:
        raise RuleError(f"rule {rule.id!r}: {error}") from error
    if rule.validity is not None:
        register = build.add(np.logical_and, register, build.load("within", *rule.validity))
    if rule.rollout is not None:
        share = build.load("in_share", rule.rollout.by, rule.id, rule.rollout.share)
        register = build.add(np.logical_and, register, share)
    return register


def names_of(rule: Rule, names: Names) -> frozenset[str]:
    """Full names of all that a rule's condition speaks of, for the parts it needs; RuleError if unknown."""
    try:
        return names_used(read(rule.when, rule.parameters), names)
    except RuleError as error:
        raise RuleError(f"rule {rule.id!r}: {error}") from error


def lists_of(rule: Rule) -> frozenset[str]:
    """Names of the lists that a rule looks into (`IN LIST 'name'`)."""
    return lists_named(read(rule.when, rule.parameters))


def compile_rules(
    ruleset: RuleSet, spec: FeatureSpec, extra: Mapping[str, Type] | None = None
) -> CompiledRules:
    """Compile a rule set; RuleError names the first rule that does not compile and points into its text.

    `extra` are further names and their types, such as a model's score.
    """
    check_all(ruleset, spec, extra or {})
    return CompiledRules(ruleset, spec, ruleset.every_rule, extra or {})


def check_all(ruleset: RuleSet, spec: FeatureSpec, extra: Mapping[str, Type]) -> None:
    """Compile every rule, also those that rest, so that an error is met when it is written."""
    names = names_for(ruleset.typologies, spec, extra)
    for rule in ruleset.every_rule:
        if rule.mode is not Mode.ARCHIVED:
            _compile_rule(rule, names, Builder())


class LeftOut(msgspec.Struct, frozen=True):
    """A rule that a specification cannot serve, and why."""

    rule: Rule
    why: str


def fit(
    ruleset: RuleSet, spec: FeatureSpec, extra: Mapping[str, Type] | None = None
) -> tuple[CompiledRules, list[LeftOut]]:
    """Compile those rules whose names the specification has.

    The others are returned with the reason, for telling the user.
    """
    names, kept, left_out = names_for(ruleset.typologies, spec, extra or {}), [], []
    for rule in ruleset.every_rule:
        try:
            _compile_rule(rule, names, Builder())
        except RuleError as error:
            left_out.append(LeftOut(rule, str(error)))
        else:
            kept.append(rule)
    return CompiledRules(ruleset, spec, kept, extra or {}), left_out
