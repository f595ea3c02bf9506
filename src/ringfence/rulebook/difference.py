"""What differs between two rule sets: rule by rule, field by field, and as text."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from ringfence.scoring.rulesets.books import dump_book
from ringfence.scoring.rulesets.typologies import Typology

if TYPE_CHECKING:
    from ringfence.scoring.rulesets.ruleset import Rule, RuleSet

_IN_PARTS: Final = frozenset({"rules", "typologies", "policy"})


class FieldChange(msgspec.Struct, frozen=True):
    """A field with its value on both sides; null where it is not set."""

    field: str
    before: Any
    after: Any


class RuleChange(msgspec.Struct, frozen=True):
    """What became of one rule or typology. `fields` says what changed in one that is on both sides."""

    rule: str
    what: Literal["added", "removed", "changed"]
    fields: list[FieldChange] = []


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """From one version to another. `settings` are fields beside the rules; `text` is a unified diff."""

    before: str
    after: str
    rules: list[RuleChange]
    settings: list[FieldChange]
    reordered: bool
    text: str

    @property
    def names(self) -> list[str]:
        """Ids of the rules that differ, and names of the settings."""
        return [change.rule for change in self.rules] + [change.field for change in self.settings]


def difference(before: RuleSet, after: RuleSet) -> Difference:
    """What has to be done to `before` to make it `after`.

    >>> from ringfence.scoring.rulesets.books import load_book
    >>> text = "rules: [{id: big, title: Big, when: amount > %d, points: 5, reason: BIG, analyst: Big.}]"
    >>> difference(load_book(text % 9), load_book(text % 10)).rules[0].fields
    [FieldChange(field='when', before='amount > 9', after='amount > 10')]
    """
    old, new = _parts(before), _parts(after)
    found = [RuleChange(name, "removed") for name in old if name not in new]
    for name, rule in new.items():
        if name not in old:
            found.append(RuleChange(name, "added"))
        elif rule != old[name]:
            found.append(RuleChange(name, "changed", _fields(old[name], rule)))
    return Difference(
        before=before.digest,
        after=after.digest,
        rules=found,
        settings=_settings(before, after),
        reordered=[name for name in old if name in new] != [name for name in new if name in old],
        text=_text(before, after),
    )


def _parts(ruleset: RuleSet) -> dict[str, Rule | Typology]:
    parts: list[Rule | Typology] = [*ruleset.rules, *ruleset.typologies]
    return {acting_id(part): part for part in parts}


def acting_id(part: Rule | Typology) -> str:
    """The id under which a rule, or a typology as a rule, stands in decisions."""
    return part.name if isinstance(part, Typology) else part.id


def _fields(before: msgspec.Struct, after: msgspec.Struct, prefix: str = "") -> list[FieldChange]:
    names = dict.fromkeys((*before.__struct_fields__, *after.__struct_fields__))
    pairs = [(name, getattr(before, name, None), getattr(after, name, None)) for name in names]
    return [
        FieldChange(prefix + name, msgspec.to_builtins(one), msgspec.to_builtins(other))
        for name, one, other in pairs
        if one != other
    ]


def _settings(before: RuleSet, after: RuleSet) -> list[FieldChange]:
    own = [change for change in _fields(before, after) if change.field not in _IN_PARTS]
    return own + _fields(before.policy, after.policy, "policy.")


def _text(before: RuleSet, after: RuleSet) -> str:
    old, new = (dump_book(side).splitlines(keepends=True) for side in (before, after))
    lines = difflib.unified_diff(old, new, fromfile=before.digest, tofile=after.digest, n=2)
    return "".join(lines)
