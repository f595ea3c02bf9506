"""Which fields of a payment rules go by, features taken apart, and which of them a source never gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.errors import RuleError
from ringfence.events.model import ATTRIBUTE_PREFIX, START_DAY_PREFIX
from ringfence.features.spec import ENTITY_KEYS, LIFECYCLE_FIELDS, FeatureKind
from ringfence.scoring.language.expression import names_used, read
from ringfence.scoring.language.names import EVENT_NAMES, TYPOLOGY_PREFIX
from ringfence.scoring.rulesets.outcomes import Mode
from ringfence.scoring.rulesets.rules import names_for

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ringfence.features.spec import Feature, FeatureSpec
    from ringfence.scoring.language.names import Names
    from ringfence.scoring.rulesets.ruleset import RuleSet

_OF_TIME: Final = frozenset({"event_time", "hour", "weekday"})


def never_given(ruleset: RuleSet, spec: FeatureSpec, given: Collection[str]) -> dict[str, list[str]]:
    """By rule or typology the fields that it goes by and that payments never have, in order.

    `given` are the fields that they have. Archived rules, and those that do not compile, are left out.
    """
    found = {}
    names = names_for(ruleset.typologies, spec, {})
    parts = {
        one.name: [(signal.when, one.parameters) for signal in one.signals] for one in ruleset.typologies
    }
    for rule in ruleset.every_rule:
        if rule.mode is Mode.ARCHIVED:
            continue
        used: set[str] = set()
        for text, parameters in parts.get(rule.id, [(rule.when, rule.parameters)]):
            used |= _names_in(text, parameters, names)
        for name in [name for name in used if name.startswith(TYPOLOGY_PREFIX)]:
            for text, parameters in parts.get(name, []):
                used |= _names_in(text, parameters, names)
        missing = {field for name in used for field in fields_of(name, spec)} - set(given)
        if missing:
            found[rule.id] = sorted(missing)
    return found


def fields_of(name: str, spec: FeatureSpec) -> frozenset[str]:
    """The fields of a payment that a name in a rule is worked out of; none where it needs but its time.

    >>> from ringfence.features.catalog import CATALOG
    >>> sorted(fields_of("card.blocked", CATALOG)), sorted(fields_of("hour", CATALOG))
    (['card_id'], [])
    """
    feature = next((one for one in spec.features if one.name == name), None)
    if feature is not None:
        return frozenset(_of_feature(feature, spec))
    if name in EVENT_NAMES or name.startswith(ATTRIBUTE_PREFIX):
        return frozenset(_plain(name))
    entity = name.partition(".")[0]
    return frozenset({ENTITY_KEYS[entity]}) if entity in ENTITY_KEYS else frozenset()


def _of_feature(feature: Feature, spec: FeatureSpec) -> Iterator[str]:
    for entity in spec.entities:
        if entity.name == feature.entity:
            for key in entity.keys:
                yield from _plain(key)
    if feature.field and feature.field not in LIFECYCLE_FIELDS:
        yield from _plain(feature.field)
    if feature.where:
        yield from _plain(feature.where.field)
    if feature.kind in (FeatureKind.DISTANCE, FeatureKind.SPEED):
        yield from ("lat", "lon")


def _plain(field: str) -> Iterator[str]:
    """As a file gives it."""
    if field not in _OF_TIME:
        yield "amount" if field in ("amount_minor", "cents") else field.removeprefix(START_DAY_PREFIX)


def _names_in(text: str, parameters: dict[str, float | str], names: Names) -> frozenset[str]:
    try:
        return names_used(read(text, parameters), names)
    except RuleError:  # told by whoever compiles it
        return frozenset()
