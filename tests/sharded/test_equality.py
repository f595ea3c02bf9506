"""The stages decide as the embedded engine does over the merged log: bit for bit, however they are run."""

from __future__ import annotations

import random
from itertools import pairwise

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.spine import START_MS, batch, payments

from ringfence.adapters.framed_records import FramedDecoding
from ringfence.adapters.stream_records import StreamDecoding
from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.written import json_of
from ringfence.events.activation import Part, activation, is_activation
from ringfence.events.batch import EventBatch
from ringfence.events.mapping import load_mapping
from ringfence.events.model import Kind
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.features.catalog import CATALOG
from ringfence.intake import Intake
from ringfence.pipeline import Pipeline
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.scoring.artifacts.manifest import Bands
from ringfence.scoring.artifacts.models import Models
from ringfence.scoring.rulesets.rules import Rule, RuleSet, compile_rules
from ringfence.sharded import ShardedPlan
from ringfence.sharded.library import ControlLibrary
from ringfence.sharded.wire import to_events
from ringfence.testing.local_host import LocalHost
from ringfence.testing.memory.event_log import MemoryDisk, MemoryLog
from ringfence.testing.memory.models import MemoryScorer
from ringfence.testing.strategies import scenarios

SEED = 77
DECODE = FramedDecoding(StreamDecoding(load_mapping("canonical"), Tokenizer(bytes(32)), {}))
ALWAYS = RuleSet(
    rules=(
        Rule(id="large", title="Large", when="amount > 100", outcome="review", reason="LARGE", analyst="A."),
        Rule(
            id="listed", title="Listed", when="card.blocked", outcome="decline", reason="LISTED", analyst="A."
        ),
        Rule(
            id="flagged",
            title="Flagged",
            when="account.flagged",
            outcome="review",
            reason="FLAGGED",
            analyst="A.",
        ),
    )
)


def in_order(parts, append):
    """The merged log of some partitions, by the definition: rows as (partition, row)."""
    rows = []
    for number, (events, times) in enumerate(zip(parts, append, strict=True)):
        clocks = np.maximum.accumulate(times) if len(times) else times
        rows += [(int(clocks[row]), number, row) for row in range(len(events))]
    return [(partition, row) for _, partition, row in sorted(rows)]


def embedded(plan, parts, order):
    """Decisions of one engine on the merged log."""
    intake, log = (
        Intake(MemoryLog(MemoryDisk()), plan.seed),
        [parts[p].slice(row, row + 1) for p, row in order],
    )
    pipeline = Pipeline(plan.spec, plan.rules, plan.seed, models=plan.models, library=plan.library)
    edges = [0, *(n for n, one in enumerate(log) if is_activation(one)), len(log)]
    found, conflicts, matches = [], 0, []
    for begin, end in pairwise(edges):
        for some in (log[begin : begin + 1], log[begin + 1 : end]) if begin else (log[begin:end],):
            if not some:
                continue
            admitted = intake.admit_now(EventBatch.concat(some), pipeline.offset)
            conflicts += len(admitted.conflicts)
            if len(admitted.events):
                step = pipeline.step(admitted.events)
                found.append(step.decisions)
                matches += [row for one in step.flag_matches for row in one.to_pylist()]
    return [one for one in found if one is not None], conflicts, matches


def rows_of(batches):
    """Decisions as dictionaries by offset, features in full."""
    found = {}
    for one in batches:
        table = DecisionBatch.decode(one.encode()).table if not isinstance(one, pa.RecordBatch) else one
        metadata = dict(table.schema.metadata or {})
        for row in table.drop_columns(["decided_at_ms", "latency_us"]).to_pylist():
            found[row["offset"]] = (repr(row), metadata)
    return found


def feed(host, parts, append, chance, rescales):
    """All partitions through the stages in random chunks; keys are lost and made again on the way."""
    doors = list(range(len(parts)))
    at = [0] * len(parts)
    while doors:
        door = chance.choice(doors)
        events = parts[door]
        end = min(at[door] + chance.choice((1, 3, 17, 60)), len(events))
        stage = host.stage("door", door)
        if end > at[door]:
            host.send(stage.events(events.slice(at[door], end), append[door][at[door] : end]), "door", door)
            at[door] = end
        else:
            host.send(stage.close(), "door", door)
            doors.remove(door)
        host.run(chance.choice((1, 5, 40)))
        if chance.random() < 0.15:
            host.lose_all()
        if rescales and chance.random() < 0.1:
            host.rescale(rescales.pop())
    host.run()


def assert_equal(plan, parts, append, chance, rescales=()):
    host = LocalHost(plan, chance.randrange)
    feed(host, parts, append, chance, list(rescales))
    wanted, conflicts, matches = embedded(plan, parts, in_order(parts, append))
    want = rows_of(wanted)
    got = rows_of([DecisionBatch.decode(element.data) for element in host.outputs.get("decisions", [])])
    assert sorted(got) == sorted(want), {place: len(state) for place, state in host.states.items()}
    for offset in want:
        assert got[offset] == want[offset], offset
    assert len(host.outputs.get("quarantine", [])) == conflicts
    found = [to_events(np.frombuffer(one.data, np.uint8)) for one in host.outputs.get("flag_matches", [])]
    assert [row for one in found for row in one.table.to_pylist()] == matches
    return host


def spread(log, chance, partitions):
    """A log over some partitions, some of its events twice, appended at times that often tie."""
    rows = [[] for _ in range(partitions)]
    times = [[] for _ in range(partitions)]
    now = 1_700_000_000_000
    scores = log.column("attributes.score").to_pylist()  # NaN, which no source can say, differs from itself
    for row in range(len(log)):
        now += chance.choice((0, 0, 1, 50))
        for _ in range(2 if chance.random() < 0.05 and scores[row] == scores[row] else 1):
            target = chance.randrange(partitions)
            rows[target].append(row)
            times[target].append(now + chance.choice((0, 0, -3, 20)))
    parts = [log.take(np.array(some, np.int64)) for some in rows]
    return parts, [np.array(some, np.int64) for some in times]


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(scenarios(most_features=8, longest=60), st.integers(0, 2**32))
def test_any_specification_over_any_log(scenario, seed):
    chance = random.Random(seed)
    partitions, shards = chance.choice((1, 2, 4)), chance.choice((1, 3, 8))
    rules = compile_rules(ALWAYS, scenario.spec)
    plan = ShardedPlan(
        scenario.spec,
        rules,
        [f"payments/{number}" for number in range(partitions)],
        DECODE,
        SEED,
        shards=shards,
        id_shards=chance.choice((1, 3)),
        lanes=chance.choice((1, 2)),
    )
    parts, append = spread(scenario.log, chance, partitions)
    assert_equal(plan, parts, append, chance, [chance.choice((1, 3, 8)), chance.choice((1, 3, 8))])


@pytest.mark.parametrize("seed", [48, 143, 145])
def test_chunks_that_begin_with_what_came_before_hold_up_those_behind_them(seed):
    """Payments of one card, out of order, many twice: the first rows of a chunk have no place in the log."""
    chance = random.Random(seed)
    told = {"card_id": "c", "account_id": "a", "customer_id": "u", "merchant_id": "m", "amount_minor": 500}
    rows = [
        told | {"transaction_id": f"t{n}", "event_time_ms": START_MS + chance.randrange(100) * 1000}
        for n in range(25)
    ]
    parts: list = [[], []]
    append: list = [[], []]
    for number, row in enumerate(rows):
        for door in chance.sample((0, 1), chance.choice((1, 2))):
            parts[door].append(row)
            append[door].append(number * 10 + chance.choice((0, 0, 60)))
    plan = ShardedPlan(
        CATALOG, compile_rules(ALWAYS, CATALOG), ["payments/0", "payments/1"], DECODE, SEED, shards=1
    )
    assert_equal(plan, [batch(some) for some in parts], [np.array(some) for some in append], chance)


def world(count, seed):
    """Payments with labels, lists, flags and profiles; some come late, twice, or with other content."""
    chance, rows = random.Random(seed), []
    for row in payments(count, seed):
        rows.append(row)
        if "transaction_id" not in row:
            continue
        told = {"event_time_ms": row["event_time_ms"], "event_id": f"e-{row['transaction_id']}"}
        card = f"card-{chance.randrange(40)}"
        if chance.random() < 0.1:  # some long after, some before their payments
            target = f"tx-{max(0, int(row['transaction_id'][3:]) + chance.randrange(-60, 8))}"
            rows.append(told | {"kind": Kind.LABEL, "transaction_id": target, "label": chance.random() < 0.7})
            if chance.random() < 0.2:
                rows.append(rows[-1] | {"label": chance.random() < 0.5})  # the same id again
        if chance.random() < 0.03:
            listed = {"list_name": "bad", "list_kind": "block", "entity_type": "card", "entity_id": card}
            rows.append(told | listed | {"kind": Kind.LIST_ENTRY, "removed": chance.random() < 0.3})
        if chance.random() < 0.03:
            known = {"kind": Kind.PROFILE, "entity_type": "card", "entity_id": card}
            rows.append(told | known | {"attributes.risk": float(chance.randrange(5))})
        if chance.random() < 0.01:
            rows.append(row | {"amount_minor": 777})
    return rows


WORLD_RULES = [
    RuleSet(
        rules=(
            *ALWAYS.rules,
            Rule(
                id="known", title="K", when="card.profile.risk > 2", points=30.0, reason="RISK", analyst="A."
            ),
            Rule(
                id="fast",
                title="F",
                when=f"card.count_1h >= {least}",
                points=20.0,
                reason="FAST",
                analyst="A.",
            ),
        ),
        name=f"book {least}",
    )
    for least in (2, 3)
]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_world_with_all_that_a_log_may_hold(seed):
    chance = random.Random(seed)
    parts, append = spread(batch(world(500, seed)), chance, 3)
    before, after = (compile_rules(one, CATALOG) for one in WORLD_RULES)
    library = ControlLibrary(CATALOG, before)
    library.learn(Part.RULES, after.ruleset.to_json())
    moments = np.linspace(append[0][0], append[0][-1], 5).astype(np.int64)[1:4]
    books = [after, before, after]
    changes = [
        activation(Part.RULES, one.ruleset.digest, int(at), author="mira")
        for one, at in zip(books, moments, strict=True)
    ]
    scorer = MemoryScorer(
        "m1", ("amount", "card.count_1h"), np.array([0.01, 0.2]), -2.0, bands=Bands(review_at=0.9)
    )
    models = Models(Deployment(champion="m1"), {"m1": scorer})
    names = ["payments/0", "payments/1", "payments/2", "control/0"]
    controls = frozenset({3})
    plan = ShardedPlan(CATALOG, before, names, DECODE, SEED, models, library, controls)
    host = assert_equal(plan, [*parts, EventBatch.concat(changes)], [*append, moments], chance, [8, 3])
    decided = pa.Table.from_batches([_plain(one) for one in host.outputs["decisions"]])
    assert len(set(decided.column("outcome").to_pylist())) > 2
    assert host.outputs["flag_matches"]
    for one in (DecisionBatch.decode(element.data) for element in host.outputs["decisions"]):
        assert json_of(one) == [msgspec.json.encode(decision) for decision in one]


def _plain(element):
    table = DecisionBatch.decode(element.data).table
    return table.select(["offset", "outcome"]).replace_schema_metadata(None)
