"""A stage that is put into the one list is carried by everything that goes along a log."""

from __future__ import annotations

import json
from time import perf_counter

import numpy as np
import pytest
from tests.spine import Tick, batch, open_store, payments

from ringfence.adapters.snapshots import Snapshots
from ringfence.analysis.history import Past
from ringfence.decisions.decision import DecisionBatch
from ringfence.events import codec
from ringfence.features.spec import FeatureSpec, entity
from ringfence.learning.data.history import Passed, collect
from ringfence.measuring import measured
from ringfence.pipeline import Pipeline
from ringfence.ports import DECISIONS, EVENTS
from ringfence.replay import backtest, verify
from ringfence.runner import Runner
from ringfence.scoring.artifacts.models import NO_MODELS
from ringfence.scoring.rulesets.rules import RuleSet
from ringfence.walk import STAGES, Stage, Walk
from ringfence.web.investigate.deciding_again import decide_again

NAMES = ("visits.before",)


class Visits(Stage):
    """How many payments a merchant had before, and how many control events there were."""

    name, verb = "visits", "visit"

    def __init__(self, spec):
        self.names = tuple(name for name in NAMES if name in spec.names)
        self.of, self.control = {}, 0

    @classmethod
    def fresh(cls, spec, seed):  # noqa: ARG003 (as the walk calls it)
        return cls(spec)

    def measure(self, events):
        found = []
        for merchant in events.take(events.is_transaction).column("merchant_id").to_pylist():
            found.append(self.of.get(merchant, 0))
            self.of[merchant] = found[-1] + 1
        return np.array([found], np.float64)[: len(self.names)]

    def hear(self, events, offset, *, control):  # noqa: ARG002
        self.control += len(events) if control else 0

    def arrays(self):
        state = json.dumps([self.of, self.control]).encode()
        return {"state": np.frombuffer(state, np.uint8)}

    @classmethod
    def restored(cls, spec, seed, arrays):  # noqa: ARG003
        stage = cls(spec)
        stage.of, stage.control = json.loads(arrays["state"].tobytes())
        return stage


class WithVisits(FeatureSpec):
    """A specification that names what the further stage measures."""

    @property
    def names(self):
        return (*super().names, *NAMES)


BASE = FeatureSpec.of(entity("card").count("1h"))
SPEC = WithVisits(BASE.entities, BASE.features)
RULE = {"id": "often", "title": "Often", "when": "visits.before >= 4", "outcome": "review"}
BOOK = RuleSet.from_json(json.dumps({"rules": [RULE | {"reason": "OFTEN", "analyst": "Often."}]}))
ROWS = payments(150)


@pytest.fixture
def decided(tmp_path):
    """A store that was decided with the stage, its last hundred events behind a snapshot."""
    STAGES.append(Visits)
    try:
        with open_store(tmp_path) as store:
            runner = at_work(store)
            runner.ingest(batch(ROWS[:50]))
            runner.close()
            runner.ingest(batch(ROWS[50:120]))
            runner.ingest(batch(ROWS[120:]))
            yield store, runner
    finally:
        STAGES.remove(Visits)


def at_work(store, snapshots=True):
    pipeline = Pipeline(SPEC, BOOK, store.meta.hash_seed, stopwatch=perf_counter)
    runner = Runner(store, pipeline, Tick(), Snapshots(store.snapshots) if snapshots else None)
    runner.recover()
    return runner


def stored(store):
    return [DecisionBatch.decode(item.payload) for item in store.log.read(DECISIONS)]


def values(store):
    return np.concatenate([part.table.column("visits.before").to_numpy() for part in stored(store)])


def expected():
    seen = {}
    for row in ROWS:
        if "transaction_id" in row:
            yield seen.get(row["merchant_id"], 0)
            seen[row["merchant_id"]] = seen.get(row["merchant_id"], 0) + 1


def test_its_numbers_are_kept_with_the_decisions_and_rules_ask_for_them(decided):
    store, runner = decided
    assert values(store).tolist() == list(expected())
    reviewed = [one.outcome == "review" for part in stored(store) for one in part]
    assert reviewed == [before >= 4 for before in expected()]
    assert runner.seconds["visit"] > 0


@pytest.mark.parametrize("snapshots", [True, False])
def test_recovery_brings_it_back(decided, snapshots):
    store, runner = decided
    again = at_work(store, snapshots)
    assert again.pipeline.walk.stage(Visits).control > 0
    assert vars(again.pipeline.walk.stage(Visits)) == vars(runner.pipeline.walk.stage(Visits))


def test_replay_and_backtest_measure_it(decided):
    store, _ = decided
    seed = store.meta.hash_seed
    assert verify(store.log, [SPEC], {BOOK.digest: BOOK}, seed, lambda *_: None).is_sound
    again = []
    backtest(store.log, Pipeline(SPEC, BOOK, seed), lambda *_: None, again.append)
    assert np.concatenate([made.table.column("visits.before") for made in again]).tolist() == list(expected())
    past = [columns.number("visits.before") for columns in Past(store.log, seed).payments()]
    assert np.concatenate(past).tolist() == list(expected())


def test_training_learns_from_it(decided):
    store, _ = decided
    history = [Passed(codec.decode(item.payload)) for item in store.log.read(EVENTS)]
    kept = collect(history, SPEC, seed=store.meta.hash_seed)
    row = SPEC.names.index("visits.before")
    assert np.concatenate([part[row] for part in kept.features]).tolist() == list(expected())


def test_features_without_a_store_have_it(decided):
    class Whole:
        events, labels = batch(ROWS), None

    table = next(iter(measured([Whole()], SPEC)))
    assert table.column("visits.before").to_pylist() == list(expected())


def test_a_decision_is_made_again_with_it(decided):
    store, _ = decided
    one = list(stored(store)[-1])[-1]
    told = []
    made = decide_again(store, SPEC, BOOK, NO_MODELS, one, lambda *at: told.append(at))
    assert made.features == one.features
    assert told[0][1] < one.offset  # it began at the snapshot


def test_a_snapshot_of_before_it_is_of_no_use(decided):
    walk = Walk(SPEC)
    arrays = {name: array for name, array in walk.arrays().items() if not name.startswith("visits.")}
    with pytest.raises(KeyError):
        walk.restore(arrays, 3)
    assert walk.offset == 0
