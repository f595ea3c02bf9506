"""Models in a store: put in force, heard, rolled out, swapped, and the same in a replay."""

from dataclasses import replace

import numpy as np
import pytest
from tests import artifacts, spine

from ringfence.adapters.artifacts import read_folder
from ringfence.analysis import impact as impact_module
from ringfence.analysis.impact import Deciding, impact, newest
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.models import stored_models
from ringfence.compose.deciding.session import open_session
from ringfence.decisions.decision import DecisionBatch
from ringfence.desks.confirming import ChangeLimits, UnconfirmedError, demand_confirmation
from ringfence.desks.model_desk import Signed
from ringfence.desks.models import put_in_force, retire
from ringfence.errors import InputError, ScorerError
from ringfence.ports import DECISIONS
from ringfence.replay import verify
from ringfence.saving import Snapshotting
from ringfence.scoring.artifacts.manifest import Bands
from ringfence.scoring.rulesets.rules import Outcome, Rule, RuleSet, compile_rules

WHO = Signed("mira", 1, "better")
ALL = Rule(id="all", title="", when="true", outcome=Outcome.REVIEW, reason="ALL", analyst="")
BANDS = Bands(challenge_at=0.3, review_at=0.5, decline_at=0.9)


@pytest.fixture
def model(tmp_path):
    """model(seed): the artifact of a small forest."""

    def made(seed=0, **more):
        folder = tmp_path / f"model-{seed}"
        artifacts.make(folder, arrays=artifacts.grow(3, seed, spread=60.0), **{"bands": BANDS} | more)
        return read_folder(folder)

    return made


def session_in(tmp_path, model=None, **more):
    return open_session(tmp_path / "data", load_definitions(None, None, model), Snapshotting(**more))


def decided(session):
    return [DecisionBatch.decode(one.payload) for one in session.store.log.read(DECISIONS)]


def rows(count=200, start=0):
    return spine.batch(spine.payments(count)[start:])


def test_the_model_of_the_definitions_decides_and_says_why(tmp_path, model):
    artifact = model()
    with session_in(tmp_path, tmp_path / "model-0") as session:
        _, step = session.runner.ingest(rows())
        table = step.decisions.table
        probability = table.column("probability").to_numpy()
        assert set(table.column("model").to_pylist()) == {artifact.digest}
        assert (table.column("score").to_numpy() >= 100 * probability - 1e-9).all()
        looked_at = step.decisions.outcomes >= 2
        told = np.array([len(one) for one in table.column("factors").to_pylist()])
        assert (told[looked_at] > 0).all()
        assert (told[~looked_at] == 0).all()
        assert (step.decisions.outcomes[probability >= 0.9] == 3).all()
        assert step.decisions.versions["models"] == session.runner.pipeline.models.deployment.digest


def test_a_swap_takes_effect_at_its_place_in_the_log_and_a_replay_meets_it_there(tmp_path, model):
    first, second = model(1), model(2)
    with session_in(tmp_path) as session:
        desk = session.model_desk()
        for one in (first, second):
            desk.keep(one)
        session.runner.ingest(rows(50))
        desk.promote(first.digest, WHO)
        session.runner.ingest(rows(100, 50))
        desk.challenge(second.digest, WHO)
        session.runner.ingest(rows(150, 100))
        desk.promote(second.digest, WHO)
        session.runner.ingest(rows(200, 150))
        spoke = [set(one.table.column("model").to_pylist()) for one in decided(session)]
        assert spoke == [{None}, {first.digest}, {first.digest}, {second.digest}]
        shadow = decided(session)[2]
        assert shadow.challenger_names == [second.digest]
        assert all(0 <= one[0] <= 1 for one in shadow.table.column("challengers").to_pylist())
        spec, rules = session.definitions.spec, session.definitions.rules.ruleset
        result = verify(
            session.store.log,
            [spec],
            {rules.digest: rules},
            session.store.meta.hash_seed,
            lambda *_: None,
            lambda spec, digest: stored_models(session.store, spec).models(digest),
        )
        count = sum(map(len, decided(session)))
    assert (result.compared, result.differing, result.unknown) == (count, 0, 0)


@pytest.mark.parametrize("every", [1, 10_000_000])
def test_after_a_crash_the_same_models_speak(tmp_path, model, every):
    """Whether a snapshot knows them or the log is read again."""
    artifact = model()
    with session_in(tmp_path, every_events=every) as session:
        session.model_desk().keep(artifact)
        session.runner.ingest(rows(20))
        session.model_desk().promote(artifact.digest, WHO)
        session.runner.ingest(rows(40, 20))
        before = session.runner.pipeline.models.deployment
        session.runner.saving.offset = session.runner.pipeline.offset  # close keeps nothing: as if killed
    with session_in(tmp_path) as session:
        assert session.runner.pipeline.models.deployment == before
        _, step = session.runner.ingest(rows(60, 40))
        assert set(step.decisions.table.column("model").to_pylist()) == {artifact.digest}


def test_a_rollout_speaks_for_its_share_of_customers(tmp_path, model):
    champion, newer = model(1), model(2)
    with session_in(tmp_path) as session:
        desk = session.model_desk()
        for one in (champion, newer):
            desk.keep(one)
        with pytest.raises(InputError, match="needs a champion"):
            desk.roll_out(newer.digest, 0.5, None, WHO)
        desk.promote(champion.digest, WHO)
        desk.roll_out(newer.digest, 0.5, "customer", WHO)
        events = rows(400)
        _, step = session.runner.ingest(events)
        payments = events.take(events.is_transaction).column("customer_id").to_pylist()
        spoke = dict(zip(payments, step.decisions.table.column("model").to_pylist(), strict=False))
        assert 0.2 < np.mean([one == newer.digest for one in spoke.values()]) < 0.8


def test_a_retired_model_goes_and_does_not_come_back(tmp_path, model):
    artifact = model()
    with session_in(tmp_path) as session:
        desk = session.model_desk()
        desk.keep(artifact)
        desk.promote(artifact.digest, WHO)
        with pytest.raises(InputError, match="nothing changes"):
            desk.promote(artifact.digest, WHO)
        desk.retire(artifact.digest, WHO)
        assert session.runner.pipeline.models.deployment.digest == ""
        _, step = session.runner.ingest(rows(20))
        assert step.decisions.table.column("model").null_count == len(step.decisions)
        with pytest.raises(InputError, match="is retired"):
            desk.promote(artifact.digest, WHO)
    with session_in(tmp_path) as session:
        assert session.runner.pipeline.models.deployment.digest == ""


def test_payments_given_to_a_model_and_taken_from_it_are_confirmed_alike(tmp_path, model):
    strict, mild = model(1, bands=Bands(decline_at=0.0)), model(2, bands=Bands())
    with session_in(tmp_path) as session:
        session.runner.ingest(rows(300))
        desk = session.model_desk()
        for one in (strict, mild):
            desk.keep(one)

        def change(artifact, part, share=None, confirm=""):
            confirming = session.confirming(artifact.digest, confirm)
            if part is None:
                return retire(desk, artifact.digest, WHO, confirming=confirming)
            return put_in_force(desk, artifact.digest, part, WHO, confirming=confirming, share=share)

        def asked(artifact, part, share=None):
            before = desk.active()
            with pytest.raises(UnconfirmedError) as refused:
                change(artifact, part, share)
            assert desk.active() == before
            change(artifact, part, share, artifact.digest[:8])
            return refused.value

        change(mild, "champion")  # it asks for nothing
        change(strict, "rollout", 0.01)
        assert asked(strict, "rollout", 0.9).portion == pytest.approx(0.89)
        shrunk = asked(strict, "rollout", 0.01)
        assert shrunk.portion == pytest.approx(0.89)
        assert (shrunk.sheet.money[0].stopped, shrunk.sheet.money[0].released > 0) == (0.0, True)
        assert asked(strict, "champion").portion == pytest.approx(0.99)
        assert asked(strict, "challenger").sheet.after[3] == 0  # only heard
        assert asked(strict, "champion").sheet.before[3] == 0
        gone = asked(strict, None)
        assert (gone.sheet.before[3], gone.sheet.after[3]) == (gone.sheet.payments, 0)
        change(mild, "challenger")
        change(mild, None)  # nothing hangs on it


def test_an_impact_is_of_the_newest_payments_where_there_is_no_time_for_all(tmp_path, monkeypatch):
    """
    payments  0 ········ 100 ········ 200 ··· 260
                                   150 └─ 110 ─┘ is looked at first, and then it is late
    """
    monkeypatch.setattr(impact_module, "_AT_ONCE", 110)
    with session_in(tmp_path) as session:
        session.runner.ingest(rows(260))
        decides = Deciding(session.view().rules, None)
        stops = Deciding(compile_rules(RuleSet(rules=(ALL,)), decides.rules.spec), None)
        asked = (session.store.log, session.view().lookups, decides, stops, "0123456789abcdef")
        every = impact(*asked)
        late = impact(*asked, is_late=lambda: True)
    assert (every.payments + every.unjudged, every.left_out) == (260, 0)
    assert (late.payments + late.unjudged, late.left_out) == (110, 150)
    assert late.examples == every.examples


def test_payments_that_came_one_by_one_are_judged_together(tmp_path):
    with session_in(tmp_path) as session:
        for row in spine.payments(40):
            session.runner.ingest(spine.batch([row]))
        runs = list(newest(session.store.log, session.view().rules.spec.digest, 30))
    assert [len(payments) for _, payments in runs] == [30]


def test_payments_that_other_features_measured_are_counted_as_unjudged(tmp_path):
    with session_in(tmp_path) as session:
        session.runner.ingest(rows(260))
        now = Deciding(session.view().rules, None)
        spec = replace(now.rules.spec, horizon_ms=now.rules.spec.horizon_ms + 1)
        then = Deciding(compile_rules(RuleSet(rules=()), spec), None)
        known, unknown = (
            impact(session.store.log, session.view().lookups, one, one, "0123456789abcdef")
            for one in (now, then)
        )
    assert (unknown.payments, unknown.unjudged) == (0, known.payments + known.unjudged)
    assert known.unjudged == 0 < known.payments
    with pytest.raises(UnconfirmedError, match="is not known"):
        demand_confirmation(unknown, ChangeLimits(), "")
    demand_confirmation(unknown, ChangeLimits(), "01234567")
    demand_confirmation(known, ChangeLimits(), "")


def test_a_live_promotion_outlives_a_start_with_the_same_file(tmp_path, model):
    of_file, live = model(1), model(2)
    with session_in(tmp_path, tmp_path / "model-1") as session:
        assert session.runner.pipeline.models.deployment.champion == of_file.digest
        desk = session.model_desk()
        desk.keep(live)
        desk.promote(live.digest, WHO)
    with session_in(tmp_path, tmp_path / "model-1") as session:
        assert session.runner.pipeline.models.deployment.champion == live.digest


def test_a_model_that_is_lost_stops_the_start_and_says_what_to_do(tmp_path, model):
    artifact = model()
    with session_in(tmp_path, tmp_path / "model-0"):
        pass
    (tmp_path / "data" / "models" / artifact.digest).rename(tmp_path / "away")
    with (
        pytest.raises(InputError, match=f"model '{artifact.digest}' is not in .*: import it"),
        session_in(tmp_path),
    ):
        pass


def test_a_model_in_force_is_refused_over_features_that_lack_its_own(tmp_path, model):
    model()
    with session_in(tmp_path, tmp_path / "model-0"):
        pass
    features = tmp_path / "features.py"
    features.write_text("from ringfence import *\nspec = FeatureSpec.of(entity('card').count('2h'))\n")
    with (
        pytest.raises(
            ScorerError, match=r"card.count_1h.* which the features in use lack: declare them again"
        ),
        open_session(tmp_path / "data", load_definitions(features, None), Snapshotting()),
    ):
        pass


def test_rules_speak_of_the_model(tmp_path, model):
    model()
    (tmp_path / "rules.yaml").write_text(
        "rules:\n- {id: sure, title: Sure, when: model.probability > 0.5 and model.score < 101, "
        "outcome: review, reason: MODEL, analyst: '{model.probability:percent}'}\n"
    )
    definitions = load_definitions(None, tmp_path / "rules.yaml", tmp_path / "model-0")
    assert isinstance(definitions.rules.ruleset, RuleSet)
    with open_session(tmp_path / "data", definitions, Snapshotting()) as session:
        table = session.runner.ingest(rows())[1].decisions.table
    fired = [bool(one) for one in table.column("rules").to_pylist()]
    assert fired == (table.column("probability").to_numpy() > 0.5).tolist()
    assert any(fired)
