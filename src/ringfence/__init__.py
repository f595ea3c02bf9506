"""Ringfence decides in milliseconds whether a payment is fraud, and shows why.

import ringfence as rf

card = rf.entity("card")
spec = rf.FeatureSpec.of(card.count("1h"), card.sum("amount", "1d"))
pipeline = rf.Pipeline(spec, rf.default_rules(spec))
decisions = pipeline.step(rf.to_events(rows)).decisions
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ringfence.decisions.decision import Decision, DecisionBatch
    from ringfence.errors import RingfenceError
    from ringfence.events.bad import BadRecord
    from ringfence.events.batch import EventBatch
    from ringfence.features.calendar import Calendar
    from ringfence.features.catalog import CATALOG
    from ringfence.features.links import Graph, Points, pays, uses
    from ringfence.features.spec import NIGHT, Entity, FeatureSpec, Where, entity
    from ringfence.library import default_rules, load_rules, to_events
    from ringfence.pipeline import Pipeline, Step
    from ringfence.scoring.rulesets.outcomes import Outcome
    from ringfence.scoring.rulesets.ruleset import Policy, Rule, RuleSet

__all__ = [
    "CATALOG",
    "NIGHT",
    "BadRecord",
    "Calendar",
    "Decision",
    "DecisionBatch",
    "Entity",
    "EventBatch",
    "FeatureSpec",
    "Graph",
    "Outcome",
    "Pipeline",
    "Points",
    "Policy",
    "RingfenceError",
    "Rule",
    "RuleSet",
    "Step",
    "Where",
    "default_rules",
    "entity",
    "load_rules",
    "pays",
    "to_events",
    "uses",
]

# `ringfence version` and a client of a server need none of these: each is imported when it is asked for.
_HOME = {
    "CATALOG": "features.catalog",
    "NIGHT": "features.spec",
    "BadRecord": "events.bad",
    "Calendar": "features.calendar",
    "Decision": "decisions.decision",
    "DecisionBatch": "decisions.decision",
    "Entity": "features.spec",
    "EventBatch": "events.batch",
    "FeatureSpec": "features.spec",
    "Graph": "features.links",
    "Outcome": "scoring.rulesets.rules",
    "Pipeline": "pipeline",
    "Points": "features.links",
    "Policy": "scoring.rulesets.rules",
    "RingfenceError": "errors",
    "Rule": "scoring.rulesets.rules",
    "RuleSet": "scoring.rulesets.rules",
    "Step": "pipeline",
    "Where": "features.spec",
    "default_rules": "library",
    "entity": "features.spec",
    "load_rules": "library",
    "pays": "features.links",
    "to_events": "library",
    "uses": "features.links",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ringfence' has no attribute {name!r}")
    value = getattr(import_module(f"ringfence.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
