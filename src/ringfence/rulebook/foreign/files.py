"""What an import leaves behind: a rule book that says what is missing, and the features that it asks for."""

from __future__ import annotations

from typing import Final

import msgspec

from ringfence.errors import RuleError
from ringfence.features.durations import format_duration
from ringfence.features.spec import ENTITY_KEYS, BoundFeature, Entity, FeatureSpec
from ringfence.masking import mask_cards
from ringfence.rulebook.foreign.result import ForeignRefusal, Imported
from ringfence.scoring.rulesets.books import dump_book, load_book
from ringfence.scoring.rulesets.possible import check_possible
from ringfence.scoring.rulesets.rules import compile_rules
from ringfence.scoring.rulesets.ruleset import Rule, RuleSet

_COMMENT_CHARACTERS: Final = 500


def vet(found: Imported, spec: FeatureSpec) -> None:
    """Leave only rules that compile over these features and may be true; the others are refused by name."""
    held = set(spec.names)
    found.features = [one for one in found.features if one.feature.name not in held]
    whole = spec.with_features(*found.features)
    kept: list[Rule] = []
    for rule in found.rules:
        try:
            alone = load_book(dump_book(RuleSet(rules=(rule,))), f"rule {rule.id}")
            compile_rules(alone, whole)
            check_possible(alone, whole)
        except RuleError as error:
            found.refused.append(ForeignRefusal(rule.id, rule.when, str(error)))
        else:
            kept.append(rule)
    found.rules = kept


def book_text(found: Imported, name: str, source: str) -> str:
    """The rule book as YAML. It extends the shipped one, and names what was not translated in comments."""
    lines = [f"# Imported from {mask_cards(source)}. Imported rules are marked with the tag `imported`."]
    lines += [
        f"# Not translated: {_on_one_line(one.rule)}: {_on_one_line(one.reason)}" for one in found.refused
    ]
    body = dump_book(RuleSet(rules=tuple(found.rules), name=name))
    extends = "extends: shipped  # without this line, these rules decide alone"
    return "\n".join([*lines, extends, body])


def features_text(features: list[BoundFeature]) -> str:
    """A `features.py` with the shipped features and these."""
    declared = {one.entity.name: one.entity for one in features}
    owners = [f"{_variable(owner)} = {_entity(owner)}" for owner in declared.values()]
    calls = [f"    {_variable(one.entity)}.{_call(one)}," for one in features]
    return "\n".join(
        [
            '"""The shipped features, and those that imported rules ask for."""\n',
            "import ringfence as rf\n",
            *owners,
            "\nspec = rf.CATALOG.with_features(",
            *calls,
            ")\n",
        ]
    )


def _variable(owner: Entity) -> str:
    return f"{owner.name}_"


def _entity(owner: Entity) -> str:
    well_known = ENTITY_KEYS.get(owner.name) == owner.keys[0] or owner.keys == ("card_bin",)
    return f"rf.entity({owner.name!r})" if well_known else f"rf.entity({owner.name!r}, {list(owner.keys)!r})"


def _call(one: BoundFeature) -> str:
    feature = one.feature
    arguments = [
        repr(part) for part in (feature.field, format_duration(feature.window_ms)) if part is not None
    ]
    if feature.where:
        where = feature.where
        arguments.append(f"where=rf.Where({where.name!r}, {where.field!r}, {where.op!r}, {where.value!r})")
    return f"{feature.kind}({', '.join(arguments)}, exclude_current=True)"


def _on_one_line(text: str) -> str:
    """For a comment of YAML: a name of the other product's that broke the line would be a rule of ours."""
    shown = "".join(letter if letter.isprintable() else " " for letter in mask_cards(text))
    return " ".join(shown.split())[:_COMMENT_CHARACTERS]


def as_data(found: Imported) -> dict[str, object]:
    """What came of it, for JSON."""
    return {
        "rules": [msgspec.to_builtins(rule) for rule in found.rules],
        "features": [one.feature.name for one in found.features],
        "not_translated": found.refused,
        "notes": found.notes,
    }
