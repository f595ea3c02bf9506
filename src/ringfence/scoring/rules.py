"""Rules, rule sets and their compilation: one vectorised pass says which rules fire on which transactions."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from ringfence.errors import RuleError
from ringfence.scoring.expression import compile_expression
from ringfence.scoring.names import Names, Type
from ringfence.scoring.program import Builder, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.columns import Columns


class Outcome(StrEnum):
    """What is done with a payment, from the mildest to the strictest."""

    APPROVE = "approve"
    CHALLENGE = "challenge"
    REVIEW = "review"
    DECLINE = "decline"

    @property
    def strictness(self) -> int:
        """0 for approve to 3 for decline."""
        return OUTCOMES.index(self)


OUTCOMES: Final = tuple(Outcome)


class Mode(StrEnum):
    """Life of a rule.

    Shadow rules are judged and recorded but decide nothing; draft, paused and archived ones rest.
    """

    DRAFT = "draft"
    SHADOW = "shadow"
    ACTIVE = "active"
    PAUSED = "paused"
    ARCHIVED = "archived"


class OnFailure(StrEnum):
    """What a decision made without one of its parts is.

    As if the part had found nothing, or held for review at least.
    """

    OPEN = "open"
    CLOSED = "closed"


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One rule: where `when` is TRUE, it asks for an outcome, adds points to the risk score, or both."""

    id: str
    title: str
    when: str
    outcome: Outcome | None = None
    points: float = 0.0
    reason: str  # code, such as UNUSUAL_AMOUNT
    analyst: str  # the reason in the fraud team's words
    customer: str = ""  # and in the customer's
    typology: str = ""
    mode: Mode = Mode.ACTIVE
    tags: tuple[str, ...] = ()
    owner: str = ""

    def __post_init__(self) -> None:
        _set_enums(self, f"rule {self.id!r}", outcome=Outcome, mode=Mode)


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """How verdicts become one outcome: the strictest wins, with these additions."""

    # The strictest outcome that a fired rule with outcome approve sets aside.
    allow_overrules: Outcome | None = None
    # Scores from which the outcome is at least this.
    challenge_at: float | None = None
    review_at: float | None = None
    decline_at: float | None = None
    on_failure: OnFailure = OnFailure.OPEN

    def __post_init__(self) -> None:
        _set_enums(self, "policy", allow_overrules=Outcome, on_failure=OnFailure)


def _set_enums(value: msgspec.Struct, what: str, **kinds: type[StrEnum]) -> None:
    """Made in Python, a struct may be given plain texts: turn them into members, or refuse them."""
    for name, kind in kinds.items():
        given = getattr(value, name)
        if given is not None and not isinstance(given, kind):
            if given not in list(kind):
                raise RuleError(f"{what}: {name} is one of {', '.join(kind)}, not {given!r}")
            msgspec.structs.force_setattr(value, name, kind(given))


class RuleSet(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True, dict=True
):
    """Rules in order, the zone of `hour` and `weekday`, and the policy.

    `digest` names its content everywhere.
    """

    rules: tuple[Rule, ...]
    name: str = "rules"
    zone: str = "UTC"
    policy: Policy = Policy()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for rule in self.rules:
            check_rule(rule)
            if rule.id in seen:
                raise RuleError(f"two rules have the id {rule.id!r}: rename one")
            seen.add(rule.id)
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError) as error:
            raise RuleError(
                f"{self.zone[:80]!r} is no time zone: write an IANA name such as Europe/Berlin"
            ) from error

    def to_json(self) -> str:
        """Canonical text: equal rule sets give equal texts."""
        return msgspec.json.encode(self, order="sorted").decode()

    @classmethod
    def from_json(cls, text: str) -> RuleSet:
        """The rule set that `to_json` wrote."""
        return msgspec.json.decode(text, type=cls)

    @cached_property
    def digest(self) -> str:
        """Content hash, 16 hex digits: the version that decisions carry."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


def check_rule(rule: Rule) -> None:
    """Refuse a rule that makes no sense by itself; its expression is checked when it is compiled."""
    if (
        not rule.id
        or len(rule.id) > 80
        or not rule.id.replace("_", "").replace("-", "").replace(".", "").isalnum()
    ):
        raise RuleError(f"rule id {rule.id[:80]!r}: use letters, digits, _, - and ., at most 80")
    if rule.outcome is None and rule.points == 0:
        raise RuleError(f"rule {rule.id!r} does nothing: give it an outcome or points")
    if not (-100 <= rule.points <= 100):
        raise RuleError(f"rule {rule.id!r}: points are between -100 and 100")
    if not rule.reason:
        raise RuleError(f"rule {rule.id!r} has no reason code")


class Verdicts(msgspec.Struct, frozen=True):
    """Which rules fired: bool (n_rules, n), rows in the order of `CompiledRules.active` and `.shadow`."""

    active: NDArray[np.bool_]
    shadow: NDArray[np.bool_]


class CompiledRules:
    """The active and shadow rules of a set over one feature specification, strictest outcome first."""

    def __init__(
        self, ruleset: RuleSet, spec: FeatureSpec, rules: Sequence[Rule], extra: Mapping[str, Type]
    ) -> None:
        self.ruleset = ruleset
        self.spec = spec
        ordered = sorted(rules, key=lambda rule: -rule.outcome.strictness if rule.outcome else 1)
        self.active = tuple(rule for rule in ordered if rule.mode is Mode.ACTIVE)
        self.shadow = tuple(rule for rule in ordered if rule.mode is Mode.SHADOW)
        build, names = Builder(), Names(spec, dict(extra))
        self._fired = [_compile_rule(rule, names, build) for rule in (*self.active, *self.shadow)]
        self._steps = build.steps

    def judge(self, columns: Columns) -> Verdicts:
        """Which rules fire on which transactions, all in one pass."""
        registers = run(self._steps, columns)
        fired = np.empty((len(self._fired), len(columns)), np.bool_)
        for row, register in enumerate(self._fired):
            fired[row] = registers[register]
        return Verdicts(fired[: len(self.active)], fired[len(self.active) :])

    def none(self, count: int) -> Verdicts:
        """Verdicts on `count` transactions that were not judged."""
        return Verdicts(
            np.zeros((len(self.active), count), np.bool_), np.zeros((len(self.shadow), count), np.bool_)
        )


def _compile_rule(rule: Rule, names: Names, build: Builder) -> int:
    try:
        return compile_expression(rule.when, names, build).true
    except RuleError as error:
        raise RuleError(f"rule {rule.id!r}: {error}") from error


def compile_rules(
    ruleset: RuleSet, spec: FeatureSpec, extra: Mapping[str, Type] | None = None
) -> CompiledRules:
    """Compile a rule set; RuleError names the first rule that does not compile and points into its text.

    `extra` are further names and their types, such as a model's score.
    """
    check_all(ruleset, spec, extra or {})
    return CompiledRules(ruleset, spec, ruleset.rules, extra or {})


def check_all(ruleset: RuleSet, spec: FeatureSpec, extra: Mapping[str, Type]) -> None:
    """Compile every rule, also those that rest, so that an error is met when it is written."""
    names = Names(spec, dict(extra))
    for rule in ruleset.rules:
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
    names, kept, left_out = Names(spec, dict(extra or {})), [], []
    for rule in ruleset.rules:
        try:
            _compile_rule(rule, names, Builder())
        except RuleError as error:
            left_out.append(LeftOut(rule, str(error)))
        else:
            kept.append(rule)
    return CompiledRules(ruleset, spec, kept, extra or {}), left_out
