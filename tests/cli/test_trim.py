"""Retention from the command line."""

from __future__ import annotations

import pytest
from tests.spine import Tick, batch, open_store, payments, runner, source

from ringfence.adapters.snapshots import Snapshots
from ringfence.cli.main import execute
from ringfence.errors import CorruptError
from ringfence.features.spec import FeatureSpec, entity
from ringfence.pipeline import Pipeline
from ringfence.ports import DECISIONS, EVENTS
from ringfence.runner import Runner
from ringfence.scoring.rulesets.rules import RuleSet


def test_trim_forgets_what_is_old_and_the_next_payment_is_measured_as_if_nothing_had_gone(tmp_path, capsys):
    calm, trimmed = tmp_path / "calm", tmp_path / "trimmed"
    for folder in (calm, trimmed):
        with open_store(folder) as store:
            at_work = runner(store)
            at_work.run(source(4000, 50))
            at_work.close()
    assert execute(["trim", "--keep", "24h", "--data", str(trimmed)]) == 0
    assert "forgotten" in capsys.readouterr().out
    answers = []
    for folder in (calm, trimmed):
        with open_store(folder) as store:
            at_work = runner(store)
            admitted, step = at_work.ingest(batch([payments(4001)[-1] | {"transaction_id": "next"}]))
            again, _ = at_work.ingest(batch([payments(1)[0]]))
            assert (len(admitted.events), again.duplicates) == (1, 1)
            answers.append(next(iter(step.decisions)).features)
            starts = [store.log.start_offset(topic) for topic in (EVENTS, DECISIONS)]
    assert answers[0] == answers[1]
    assert min(starts) > 1000


def test_trim_needs_a_snapshot(tmp_path, capsys):
    with open_store(tmp_path) as store:
        runner(store).run(source(100, 50))
    assert execute(["trim", "--keep", "1h", "--data", str(tmp_path)]) == 2
    assert "no snapshot" in capsys.readouterr().err


def test_other_features_over_a_trimmed_log_are_refused_and_not_measured_over_half_a_history(tmp_path):
    with open_store(tmp_path) as store:
        at_work = runner(store)
        at_work.run(source(4000, 50))
        at_work.close()
    assert execute(["trim", "--keep", "24h", "--data", str(tmp_path)]) == 0
    spec = FeatureSpec.of(entity("card").count("1h"))
    with open_store(tmp_path) as store:
        other = Runner(
            store, Pipeline(spec, RuleSet(rules=()), store.meta.hash_seed), Tick(), Snapshots(store.snapshots)
        )
        with pytest.raises(CorruptError, match="features of before"):
            other.recover()
