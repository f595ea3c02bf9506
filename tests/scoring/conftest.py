"""Events and rules written short."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ringfence.events.batch import EventBatch
from ringfence.events.model import EVENT_SCHEMA, Kind
from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.columns import Columns
from ringfence.scoring.reference import Reference
from ringfence.scoring.rulesets.rules import Rule, RuleSet, compile_rules

SPEC = FeatureSpec.of(entity("card").count("1h"), entity("card").sum("amount", "1d"))


def make_events(*rows):
    """A batch of events from dictionaries: transactions at time 0 unless they say otherwise."""
    filled = [{"kind": Kind.TRANSACTION, "event_time_ms": 0, **row} for row in rows]
    names = list(dict.fromkeys(name for row in filled for name in row))
    fields = [EVENT_SCHEMA.field(name) for name in names if name in EVENT_SCHEMA.names]
    columns = {field.name: pa.array([row.get(field.name) for row in filled], field.type) for field in fields}
    free = {name: pa.array([row.get(name) for row in filled]) for name in names if name not in columns}
    return EventBatch(pa.record_batch({**columns, **free}))


def make_rule(when, rule_id="r", **more):
    fields = {"title": rule_id, "outcome": "review", "reason": rule_id.upper(), "analyst": "", **more}
    return Rule(id=rule_id, when=when, **fields)


@pytest.fixture(scope="session")
def events():
    return make_events


@pytest.fixture
def rule():
    return make_rule


@pytest.fixture
def fires():
    """fires(when, *rows, features=, reference=, zone=): in which rows the condition is TRUE."""

    def judge(when, *rows, features=None, reference=None, zone="UTC"):
        compiled = compile_rules(RuleSet(rules=(make_rule(when),), zone=zone), SPEC)
        values = np.zeros((2, len(rows))) if features is None else np.array(features, np.float64)
        columns = Columns(make_events(*rows), SPEC, values, reference or Reference(0), zone)
        return compiled.judge(columns).active[0].tolist()

    return judge
