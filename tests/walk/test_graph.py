"""The entity graph along a log: rules ask for it, and recovery, replay and questions give the same bits."""

from __future__ import annotations

import json
from time import perf_counter

import numpy as np
import pytest
from tests.spine import Tick, batch, open_store, payments

from ringfence.adapters.snapshots import Snapshots
from ringfence.decisions.decision import DecisionBatch
from ringfence.features.links import Graph, pays, uses
from ringfence.features.spec import FeatureSpec, entity
from ringfence.pipeline import Pipeline
from ringfence.ports import DECISIONS
from ringfence.replay import verify
from ringfence.runner import Runner
from ringfence.scoring.rulesets.rules import RuleSet
from ringfence.walk import Connect, Walk

GRAPH = Graph.of(uses("customer", "device"), pays("card", "merchant"), windows=["1h"])
SPEC = FeatureSpec.of(entity("card").count("1h")).with_graph(GRAPH)
WHEN = "graph.component_customers > 10 AND amount > 10"
RULE = {"id": "ring", "title": "Ring", "when": WHEN, "outcome": "review", "reason": "RING"}
BOOK = RuleSet.from_json(json.dumps({"rules": [RULE | {"analyst": "{graph.component_customers} together"}]}))


def at_work(store, snapshots=True):
    pipeline = Pipeline(SPEC, BOOK, store.meta.hash_seed, stopwatch=perf_counter)
    runner = Runner(store, pipeline, Tick(), Snapshots(store.snapshots) if snapshots else None)
    runner.recover()
    return runner


@pytest.fixture
def decided(tmp_path):
    rows = payments(200)
    with open_store(tmp_path) as store:
        runner = at_work(store)
        runner.ingest(batch(rows[:90]))
        runner.close()
        runner.ingest(batch(rows[90:]))
        yield store, runner


def test_a_rule_over_the_graph_decides_and_its_values_are_kept(decided):
    store, runner = decided
    made = [DecisionBatch.decode(item.payload) for item in store.log.read(DECISIONS)]
    sizes = np.concatenate([part.table.column("graph.component_customers").to_numpy() for part in made])
    reviewed = [one.outcome == "review" for part in made for one in part]
    assert max(sizes) > 10
    assert any(reviewed)
    assert all(size > 10 for size, review in zip(sizes, reviewed, strict=True) if review)
    assert runner.seconds["link"] > 0


@pytest.mark.parametrize("snapshots", [True, False])
def test_recovery_brings_it_back(decided, snapshots):
    store, runner = decided
    again = at_work(store, snapshots).pipeline.walk.stage(Connect).network.arrays()
    known = runner.pipeline.walk.stage(Connect).network.arrays()
    assert [name for name in known if not np.array_equal(known[name], again[name])] in ([], ["counters"])


def test_replay_gives_the_same_decisions(decided):
    store, _ = decided
    assert verify(store.log, [SPEC], {BOOK.digest: BOOK}, store.meta.hash_seed, lambda *_: None).is_sound


def test_without_a_graph_nothing_is_kept_and_no_digest_changes():
    bare = SPEC.with_graph(None)
    assert "graph" not in json.loads(bare.to_json())
    walk = Walk(bare)
    assert walk.stage(Connect).arrays() == {}
    assert len(walk.measure(batch(payments(3)))) == 1


def test_a_specification_with_a_graph_reads_back_what_it_wrote():
    assert FeatureSpec.from_json(SPEC.to_json()) == SPEC
    assert SPEC.digest != SPEC.with_graph(None).digest
