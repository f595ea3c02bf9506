"""What decides changes at a place in the log: with no restart, and the same for whoever replays it."""

from __future__ import annotations

import pytest
from tests.spine import batch, payments

from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.decisions.decision import DecisionBatch
from ringfence.events.activation import Part, activation
from ringfence.pipeline import Pipeline
from ringfence.ports import DECISIONS
from ringfence.replay import verify
from ringfence.saving import Snapshotting

RULE = "{{id: big, title: Big, when: amount > {}, outcome: review, reason: BIG, analyst: Big.}}"


@pytest.fixture
def book(tmp_path):
    def write(limit):
        path = tmp_path / "rules.yaml"
        path.write_text(f"name: own\nrules: [{RULE.format(limit)}]")
        return load_definitions(None, path)

    return write


def opened(tmp_path, definitions):
    return open_session(tmp_path / "data", definitions, Snapshotting())


def digests(store):
    return [DecisionBatch.decode(one.payload).versions["rules"] for one in store.log.read(DECISIONS)]


def test_a_rule_set_takes_effect_at_its_place_and_outlives_a_restart(tmp_path, book):
    old, new = book(10), book(10**6)
    every = payments(60)
    with opened(tmp_path, old) as session:
        runner = session.runner
        runner.ingest(batch(every[:20]))
        change = activation(Part.RULES, new.rules.ruleset.digest, 1, author="mira")
        session.store.registry.register("rules", new.rules.ruleset.digest, new.rules.ruleset.to_json(), 0)
        runner.commit([runner.activate(change)])
        runner.ingest(batch(every[20:40]))
    with opened(tmp_path, old) as session:  # the file is the one of before: the live change stays
        session.runner.ingest(batch(every[40:]))
        store, spec = session.store, session.definitions.spec
        assert digests(store) == [
            old.rules.ruleset.digest,
            new.rules.ruleset.digest,
            new.rules.ruleset.digest,
        ]
        books = {one.rules.ruleset.digest: one.rules.ruleset for one in (old, new)}
        result = verify(store.log, [spec], books, store.meta.hash_seed, lambda *_: None)
        assert (result.differing, result.unknown) == (0, 0)
        assert result.compared == sum(one.count for one in store.log.read(DECISIONS))


def test_a_changed_file_is_put_in_force_at_the_next_start_and_says_who(tmp_path, book):
    with opened(tmp_path, book(10)) as session:
        session.runner.ingest(batch(payments(10)))
        count = session.runner.pipeline.offset
    changed = book(20)
    with opened(tmp_path, changed) as session:
        assert session.runner.pipeline.versions[Part.RULES] == changed.rules.ruleset.digest
        assert session.runner.pipeline.offset == count + 1


def test_a_pipeline_without_a_library_keeps_what_it_was_given(book):
    definitions = book(10)
    pipeline = Pipeline(definitions.spec, definitions.rules)
    assert pipeline.step(activation(Part.RULES, "other", 1, author="mira")).decisions is None
    assert pipeline.versions[Part.RULES] == definitions.rules.ruleset.digest
    assert pipeline.offset == 1
