"""Versions that a Flink job's control topic names: what is lost on the way is given again."""

from __future__ import annotations

import itertools
import time

import pytest
from tests import artifacts
from tests.rulebooks import reviews_above
from tests.spine import batch, payments

from ringfence.adapters.artifacts import read_folder
from ringfence.compose.deciding.activations import Activations
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.followed_versions import FollowedVersions
from ringfence.compose.deciding.models import IN_FORCE, model_registry
from ringfence.compose.deciding.session import open_session
from ringfence.errors import RuleError
from ringfence.events.activation import Part
from ringfence.ports import EVENTS
from ringfence.rulebook.desk import Who
from ringfence.saving import Snapshotting
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.sharded.changes import ControlRecord, activation_record

CARD = "4111111111111111"


def record(rules, **more):
    return activation_record(Part.RULES, rules.digest, rules.to_json(), **more)


@pytest.fixture
def session(tmp_path):
    with open_session(tmp_path / "data", load_definitions(None, None), Snapshotting()) as opened:
        opened.runner.ingest(batch(payments(3)))
        yield opened


def put(session, change):
    session.runner.commit([session.runner.activate(change)])
    assert change.column("entity_id")[0].as_py() in session.runner.pipeline.versions.values()


class Following:
    """A control topic's records, each behind the one before, as a source hands them over."""

    def __init__(self, session, say=lambda _text: None):
        self.follow = FollowedVersions(session, say)
        self.places = itertools.count()

    def __call__(self, value, append_ms, log="", offset=0):
        record = ControlRecord(value, append_ms, f"rules/0/{next(self.places)}", log, offset)
        self.follow.check(record)
        return self.follow.put(record)


def test_rules_that_never_came_into_the_log_are_given_again(session):
    follow, rules = Following(session), reviews_above(5)
    assert follow(record(rules), 1) is not None  # and its batch fails
    change = follow(record(rules), 1)
    assert change is not None
    put(session, change)
    assert follow(record(rules), 1) is None  # in force already


def test_rules_that_were_taken_back_here_come_again_with_the_job(session):
    follow, first, second = Following(session), reviews_above(5), reviews_above(6)
    put(session, follow(record(first), 1))
    put(session, follow(record(second), 2))
    put(session, Following(session)(record(first), 3))  # by somebody else
    put(session, follow(record(second), 4))


def test_rules_of_before_come_back_while_others_are_on_their_way(session):
    follow, first, second = Following(session), reviews_above(5), reviews_above(6)
    put(session, follow(record(first), 1))
    assert follow(record(second), 2) is not None  # not in the log yet
    assert follow(record(first), 3) is not None


@pytest.mark.parametrize("at_ms", [2**62, 10**13, -5])
def test_a_senders_clock_dates_nothing_ahead_or_before_all_times(session, at_ms):
    change = Following(session)(record(reviews_above(5)), at_ms)
    assert 0 <= int(change.event_time_ms[0]) <= time.time() * 1000


def test_what_a_sender_writes_is_cleaned_and_cut(session):
    told = {"author": f"mira {CARD}\x1b[2J" + "a" * 5000, "note": f"card {CARD} " + "n" * 90_000}
    change = Following(session)(record(reviews_above(5), **told), 1)
    author, note = (change.column(name)[0].as_py() for name in ("attributes.author", "note"))
    assert CARD not in author + note
    assert "\x1b" not in author
    assert (len(author), len(note)) <= (200, 1000)
    kept = session.desk().book.changes()[-1]
    assert CARD not in kept.author + kept.note


def test_rules_without_their_text_are_refused_in_few_words(session):
    with pytest.raises(RuleError) as refused:
        Following(session)(activation_record(Part.RULES, "x" * 9000), 1)
    assert len(str(refused.value)) < 200


@pytest.fixture
def model(tmp_path):
    artifacts.make(tmp_path / "model", arrays=artifacts.grow(3, 1, spread=60.0))
    return read_folder(tmp_path / "model")


def models_record(deployment, **more):
    return activation_record(Part.MODELS, deployment.digest, deployment.to_json(), **more)


def test_a_model_of_the_registry_takes_effect(session, model):
    deployment = Deployment(champion=model.digest)
    model_registry(session.store.folder).add(model)
    follow = Following(session)
    put(session, follow(models_record(deployment, author="mira"), 1))
    assert session.runner.pipeline.models.deployment == deployment
    assert session.store.remembered(IN_FORCE) == deployment.digest
    assert follow(models_record(deployment), 2) is None
    _, step = session.runner.ingest(batch(payments(5)[3:]))
    assert set(step.decisions.values("model")) == {model.digest}
    put(session, follow(activation_record(Part.MODELS, "", "{}"), 3))
    assert not session.runner.pipeline.models.deployment.models


def test_a_model_that_is_missing_changed_or_retired_is_refused_with_the_remedy(session, model):
    record, told = models_record(Deployment(champion=model.digest)), []
    follow = Following(session, told.append)
    with pytest.raises(RuleError, match=f"model '{model.digest}' is not in .*ringfence models import FOLDER"):
        follow(record, 1)
    assert f"ringfence models promote {model.digest}" in told[0]
    registry = model_registry(session.store.folder)
    registry.add(model)
    graph = session.store.folder / "models" / model.digest / "model.onnx"
    kept = graph.read_bytes()
    graph.write_bytes(kept[:-1] + b"x")
    with pytest.raises(RuleError, match="are not put in force here"):
        follow(record, 1)
    graph.write_bytes(kept)
    assert follow(record, 1) is not None
    registry.retire(model.digest, "mira", "worse")
    with pytest.raises(RuleError, match="is retired here"):
        follow(record, 1)


def test_models_by_another_digest_or_without_their_names_are_refused(session, model):
    model_registry(session.store.folder).add(model)
    deployment = Deployment(champion=model.digest)
    follow = Following(session)
    with pytest.raises(RuleError, match="is that of models"):
        follow(activation_record(Part.MODELS, "0" * 16, deployment.to_json()), 1)
    with pytest.raises(RuleError, match="came without their names"):
        follow(activation_record(Part.MODELS, deployment.digest), 1)
    put(session, follow(models_record(deployment), 1))
    put(session, follow(activation_record(Part.MODELS, ""), 2))
    assert follow(activation_record(Part.MODELS, deployment.digest), 3) is not None  # kept by now


def test_a_model_waits_for_a_second_person_where_one_is_asked_for(session, model, monkeypatch):
    monkeypatch.setenv("RINGFENCE_FOUR_EYES", '["models"]')
    model_registry(session.store.folder).add(model)
    told = []
    follow = Following(session, told.append)
    assert follow(models_record(Deployment(champion=model.digest), author="mira"), 1) is None
    assert "wait here for somebody to approve" in told[0]
    assert not session.runner.pipeline.models.deployment.models


class Here:
    """Changes that people make on this server; `given` is what came of their records in the topic."""

    def __init__(self, session):
        self.session = session
        self.follow = Following(session)
        self.now_ms = itertools.count(1000)

    def activate(self, rules):
        """Where it stands in the log."""
        desk, who = self.session.desk(), Who("mira", next(self.now_ms))
        if all(one.digest != rules.digest for one in desk.book.changes()):
            desk.save(rules, desk.head(), who)
        return rules, desk.activate(rules.digest, who).offset

    def given(self, change):
        rules, offset = change
        log = self.session.store.log.identity
        return self.follow(record(rules), next(self.now_ms), log, offset)

    def others(self, rules):
        put(self.session, self.follow(record(rules), next(self.now_ms)))

    @property
    def active(self):
        return self.session.desk().force.active()


@pytest.fixture
def here(session):
    return Here(session)


def test_changes_made_here_are_not_taken_over_again(here):
    """The second one was made before the first one came back."""
    first, second = here.activate(reviews_above(5)), here.activate(reviews_above(6))
    end = here.session.store.log.end_offset(EVENTS)
    assert (here.given(first), here.given(second)) == (None, None)
    assert here.active == reviews_above(6).digest
    assert here.session.store.log.end_offset(EVENTS) == end


def test_of_changes_here_and_elsewhere_the_last_in_the_topic_is_in_force_on_both(here):
    mine = here.activate(reviews_above(5))
    here.others(reviews_above(7))  # stands before mine in the topic, and comes into this log behind it
    put(here.session, here.given(mine))
    assert here.active == reviews_above(5).digest
    assert here.given(mine) is None
    here.others(reviews_above(8))
    assert here.active == reviews_above(8).digest


def test_a_change_here_counts_behind_one_that_is_on_its_way_to_the_log(here):
    mine = here.activate(reviews_above(5))
    waiting = here.follow(record(reviews_above(7)), 5)  # handed over, and not in the log yet
    again = here.given(mine)
    put(here.session, waiting)
    put(here.session, again)
    assert here.active == reviews_above(5).digest


def test_one_from_a_later_place_stands_when_a_change_made_here_is_read_again(here):
    mine = here.activate(reviews_above(5))
    assert here.given(mine) is None
    here.others(reviews_above(7))
    here.follow = Following(here.session)  # after a crash, from the beginning of the topic
    assert here.given(mine) is None
    assert here.active == reviews_above(7).digest


@pytest.mark.parametrize("where", ["a payment", "behind the end", "other rules", "taken over"])
def test_a_record_that_this_log_has_not_written_is_no_change_made_here(here, where):
    here.session.runner.ingest(batch(payments(3)))
    kept, offset = here.activate(reviews_above(5))
    here.others(reviews_above(7))
    forged = {
        "a payment": (kept, 0),
        "behind the end": (kept, 1 << 40),
        "other rules": (reviews_above(8), offset),
        "taken over": (reviews_above(7), offset + 1),
    }[where]
    put(here.session, here.follow(record(reviews_above(9)), 1))
    put(here.session, here.given(forged))
    assert here.active == forged[0].digest


class CountedLog:
    """A log that counts the batches which are read of it."""

    def __init__(self, log):
        self.log, self.batches = log, 0

    def __getattr__(self, name):
        return getattr(self.log, name)

    def read(self, *asked):
        for one in self.log.read(*asked):
            self.batches += 1
            yield one


def test_a_log_is_read_once_wherever_its_activations_are_asked_for(here):
    log = CountedLog(here.session.store.log)
    activations = Activations(log)
    offsets = []
    for at in range(4):
        here.session.runner.ingest(batch(payments(3 * at + 3)[3 * at :]))
        offsets.append(here.activate(reviews_above(5 + at))[1])
        assert [one.offset for one in activations.since(offsets[at])] == offsets[at:]
    assert [one.offset for one in activations.since(0)] == offsets
    whole = log.batches
    for begin in (*offsets, 0, 0):
        activations.since(begin)
    assert log.batches == whole <= 8
    assert activations.at(offsets[2]).offset == offsets[2]
    assert activations.at(offsets[2] + 1) is None
    assert log.batches == whole + 2
