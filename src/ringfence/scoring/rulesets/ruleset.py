"""Rules, policies and rule sets as data."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

import msgspec

from ringfence.errors import RuleError
from ringfence.features.spec import ENTITY_KEYS
from ringfence.scoring.language.names import check_zone
from ringfence.scoring.rulesets.actions import AddTo  # noqa: TC001 (msgspec reads the annotations)
from ringfence.scoring.rulesets.outcomes import Mode, OnFailure, Outcome, as_members, check_id
from ringfence.scoring.rulesets.typologies import Typology  # noqa: TC001 (msgspec reads the annotations)

FIRST_MS: Final = -(1 << 62)
LAST_MS: Final = 1 << 62


class Rollout(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A rule that holds for a share of all entities, always the same ones, and never without an id."""

    share: float  # above 0, below 1
    by: str = "customer"

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise RuleError(f"a rollout's share is above 0 and below 1, not {self.share:g}")
        if self.by not in ENTITY_KEYS:
            raise RuleError(f"a rollout is by {', '.join(ENTITY_KEYS)}, not by {self.by[:40]!r}")


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
    parameters: dict[str, float | str] = {}  # constants that `when` names as `param.x`
    # Event times from which (included) and up to which (not included) it holds: ISO dates or times, UTC
    # unless they say otherwise.
    valid_from: str = ""
    valid_to: str = ""
    rollout: Rollout | None = None
    # What is done where a part that `when` speaks of was skipped; None leaves it to the policy.
    on_failure: OnFailure | None = None
    add_to: AddTo | None = None  # what else is done where an active rule fires

    def __post_init__(self) -> None:
        as_members(self, f"rule {self.id!r}", outcome=Outcome, mode=Mode, on_failure=OnFailure)

    @property
    def validity(self) -> tuple[int, int] | None:
        """First event time (ms) at which the rule holds and the first at which it no longer does."""
        if not (self.valid_from or self.valid_to):
            return None
        begin = _time_ms(self.id, self.valid_from) if self.valid_from else FIRST_MS
        return begin, _time_ms(self.id, self.valid_to) if self.valid_to else LAST_MS


def _time_ms(rule_id: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise RuleError(
            f"rule {rule_id!r}: {text[:40]!r} is no time: write 2024-05-01 or 2024-05-01T10:00:00+02:00"
        ) from error


class ControlGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Would-be declines that are let through, to learn what declining keeps one from seeing.

    Who belongs to it is a matter of the transaction's id alone, so a replay finds the same ones.
    """

    share: float  # of the declines that it may touch
    cap: float  # largest amount, in major units of the payment's currency
    never: tuple[str, ...] = ()  # ids of rules whose declines it leaves alone, such as block lists
    salt: str = ""  # another text, another draw

    def __post_init__(self) -> None:
        if not 0 < self.share <= 0.5:
            raise RuleError(f"the control group's share is above 0 and at most 0.5, not {self.share:g}")
        if not self.cap > 0:
            raise RuleError(f"the control group's cap is an amount above 0, not {self.cap:g}")


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """How verdicts become one outcome: the strictest wins, with these additions."""

    # The strictest outcome that a fired rule with outcome approve sets aside.
    allow_overrules: Outcome | None = None
    # Scores from which the outcome is at least this.
    challenge_at: float | None = None
    review_at: float | None = None
    decline_at: float | None = None
    on_failure: OnFailure = OnFailure.OPEN
    control: ControlGroup | None = None

    def __post_init__(self) -> None:
        as_members(self, "policy", allow_overrules=Outcome, on_failure=OnFailure)


class RuleSet(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True, dict=True
):
    """Rules in order, typologies, the zone of `hour` and `weekday`, and the policy.

    `digest` names its content everywhere.
    """

    rules: tuple[Rule, ...]
    typologies: tuple[Typology, ...] = ()
    name: str = "rules"
    zone: str = "UTC"
    policy: Policy = Policy()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for rule in self.every_rule:
            check_rule(rule)
            if rule.id in seen:
                raise RuleError(f"two rules have the id {rule.id!r}: rename one")
            seen.add(rule.id)
        check_zone(self.zone, RuleError)
        if self.policy.control is not None:
            for unknown in sorted(set(self.policy.control.never) - seen):
                raise RuleError(f"the control group names a rule {unknown[:80]!r} that there is not")

    @cached_property
    def every_rule(self) -> tuple[Rule, ...]:
        """The rules, and each typology as the rule that acts on its score."""
        return (*self.rules, *map(rule_of, self.typologies))

    @cached_property
    def by_id(self) -> dict[str, Rule]:
        """Each of `every_rule` by its id."""
        return {rule.id: rule for rule in self.every_rule}

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


def rule_of(typology: Typology) -> Rule:
    """The rule by which a typology acts."""
    return Rule(
        id=typology.name,
        title=typology.title,
        when=f"{typology.name} >= {typology.at:.12g}",
        outcome=typology.outcome,
        points=typology.points,
        reason=typology.reason,
        analyst=typology.analyst,
        customer=typology.customer,
        typology=typology.title,
        mode=typology.mode,
        tags=typology.tags,
        owner=typology.owner,
    )


def check_rule(rule: Rule) -> None:
    """Refuse a rule that makes no sense by itself; its expression is checked when it is compiled."""
    check_id(rule.id, "rule id")
    if rule.outcome is None and rule.points == 0 and rule.add_to is None:
        raise RuleError(f"rule {rule.id!r} does nothing: give it an outcome, points or add_to")
    if not (-100 <= rule.points <= 100):
        raise RuleError(f"rule {rule.id!r}: points are between -100 and 100")
    if not rule.reason:
        raise RuleError(f"rule {rule.id!r} has no reason code")
    span = rule.validity
    if span is not None and span[0] >= span[1]:
        raise RuleError(f"rule {rule.id!r} ends ({rule.valid_to}) before it begins ({rule.valid_from})")
