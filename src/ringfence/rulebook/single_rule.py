"""One rule as a text of its own, and in its book."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.errors import RuleError
from ringfence.scoring.rulesets.books import as_yaml, load_book
from ringfence.scoring.rulesets.outcomes import Mode
from ringfence.scoring.rulesets.ruleset import Rollout

if TYPE_CHECKING:
    from ringfence.scoring.rulesets.ruleset import Rule, RuleSet

STAGES: Final = ("draft", "shadow", "tenth", "active")
"""The life of a new rule: written down, heard without effect, for a tenth of the customers, for all."""

_TENTH: Final = 0.1


def dump_rule(rule: Rule) -> str:
    """A rule as YAML, by itself.

    >>> from ringfence.scoring.rulesets.rules import Rule
    >>> rule = Rule(id="big", title="Big", when="amount > 9", points=5, reason="BIG", analyst="Big.")
    >>> print(dump_rule(rule).splitlines()[0])
    id: big
    """
    return as_yaml(msgspec.to_builtins(rule))


def load_rule(text: str) -> Rule:
    """The rule of such a text; `RuleError` says what is wrong, with the line."""
    body = textwrap.indent(text.replace("\r\n", "\n").strip("\n"), "    ")
    try:
        book = load_book("rules:\n  -\n" + body + "\n", "the rule")
    except RuleError as error:  # two lines of the book stand above the rule
        raise RuleError(
            re.sub(r"line (\d+)", lambda found: f"line {max(int(found[1]) - 2, 1)}", str(error))
        ) from None
    if len(book.rules) != 1 or book.typologies:
        raise RuleError("the rule: write one rule, its fields at the beginning of the lines")
    return book.rules[0]


def with_rule(book: RuleSet, rule: Rule) -> RuleSet:
    """The book with the rule in place of the one of its id, or first where there is none."""
    if any(one.id == rule.id for one in book.rules):
        rules = tuple(rule if one.id == rule.id else one for one in book.rules)
    else:
        rules = (rule, *book.rules)
    return msgspec.structs.replace(book, rules=rules)


def at_stage(rule: Rule, stage: str) -> Rule:
    """The rule at a stage of its life."""
    if stage not in STAGES:
        raise RuleError(f"a rule is at one of the stages {', '.join(STAGES)}")
    mode = Mode.ACTIVE if stage == "tenth" else Mode(stage)
    rollout = (rule.rollout or Rollout(_TENTH)) if stage == "tenth" else None
    return msgspec.structs.replace(rule, mode=mode, rollout=rollout)


def stage_of(rule: Rule) -> str:
    """At which stage a rule is; its mode where it is at none."""
    return "tenth" if rule.mode is Mode.ACTIVE and rule.rollout else rule.mode.value
