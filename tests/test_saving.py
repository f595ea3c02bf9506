"""A snapshot that cannot be saved costs a longer start and nothing else."""

import pytest
from tests import spine

from ringfence.adapters.snapshots import Snapshots
from ringfence.runner import Runner
from ringfence.saving import Snapshotting

from .spine import CATALOG, RULES, Pipeline, Store, Tick


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "data") as found:
        yield found


def runner(store, folder):
    pipeline = Pipeline(CATALOG, RULES, store.meta.hash_seed)
    made = Runner(store, pipeline, Tick(), Snapshots(folder), Snapshotting(every_events=1))
    made.recover()
    return made


def test_where_none_can_be_begun_payments_are_decided_all_the_same_and_it_is_told_once(store, tmp_path):
    (tmp_path / "taken").write_text("a file where the folder should be")
    made, told = runner(store, tmp_path / "taken"), []
    made.saving.heard = told.append
    for rows in spine.source(60, 20):
        made.ingest(rows.events)
    made.close()
    assert store.log.end_offset("decisions") == 60
    assert len(told) == 1
    assert "The log is safe" in str(made.saving.problem)
    assert made.saving.offset == 0


def test_once_it_works_again_the_problem_is_gone(store, tmp_path):
    place = tmp_path / "taken"
    place.write_text("a file where the folder should be")
    made = runner(store, place)
    first, second, *_ = spine.source(60, 20)
    made.ingest(first.events)
    assert made.saving.problem is not None
    place.unlink()
    made._clock.ms += 61_000
    made.ingest(second.events)
    made.close()
    assert made.saving.problem is None
    assert made.saving.offset == made.pipeline.offset
