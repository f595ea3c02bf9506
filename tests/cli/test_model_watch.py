"""Watching and retraining from the command line, on a folder that has decided payments."""

import httpx
import pytest
from benchmarks.serving import Process
from tests.waiting import until

from ringfence.adapters.sqlite import Store
from ringfence.adapters.watchbook import WatchBook
from ringfence.ports import MODEL_NEWS

from .test_train import QUICK, payments  # noqa: F401 (a fixture)


@pytest.mark.slow
def test_the_champion_is_measured_and_another_one_trained_and_proposed(ringfence, payments, project):  # noqa: F811
    ringfence("run", payments / "till.csv", "-m", payments / "till.toml")
    nothing = ringfence("models", "watch", "--measure", "--json")
    assert nothing.json == {
        "standing": nothing.json["standing"] | {"model": "", "rivalries": []},
        "proposals": [],
        "failed": [],
    }
    assert "No model is in force" in ringfence("models", "watch").out
    assert ringfence("train", "--name", "m", *QUICK).code == 0
    ringfence("models", "import", "models/m")
    assert ringfence("models", "promote", "m", "--yes", "--force").code == 0
    unheard = ringfence("models", "watch", "--measure", "--json").json["standing"]
    assert unheard["model"]
    assert unheard["payments"] == 0  # it has decided nothing yet
    made = ringfence("models", "retrain", "--budget", "2", "--json")
    assert made.code == 0, made.err
    assert made.json["against"] == unheard["model"]
    assert made.json["state"] in {"above", "level", "below", "too few to tell"}
    shown = ringfence("models", "watch")
    assert made.json["model"] in shown.out
    listed = {one["version"]: one["role"] for one in ringfence("models", "list", "--json").json}
    assert listed == {unheard["model"]: "champion", made.json["model"]: None}
    with Store.open(project / "ringfence-data", read_only=True) as store:
        assert store.log.end_offset(MODEL_NEWS) == 0  # the server tells of it


@pytest.mark.slow
def test_a_server_measures_and_trains_by_the_clock_and_says_what_failed(ringfence, project, monkeypatch):
    folder = project / "live"
    Store.open(folder).close()
    WatchBook(folder).set_due({"watching the models": 0, "retraining": 0})
    process = Process(folder, RINGFENCE_RETRAIN_EVERY="30d")
    try:
        until(lambda: len(WatchBook(folder).outcomes()) == 2)
        figures = httpx.get(f"{process.url}/metrics", timeout=60).text
        assert 'ringfence_scheduled_failed{work="watching the models"} 0.0' in figures
        assert 'ringfence_scheduled_failed{work="retraining"} 1.0' in figures
        (warning,) = httpx.get(f"{process.url}/readyz", timeout=60).json()["warnings"]
        assert warning.startswith("retraining failed at ")
        assert warning.endswith("(exit code 2): see this server's log")
        assert "holds no decisions yet" in httpx.get(f"{process.url}/system", timeout=60).text
    finally:
        assert process.end() == 0
    assert "retraining failed" not in ringfence("models", "watch", "--data", "live").out  # not scheduled here
    monkeypatch.setenv("RINGFENCE_RETRAIN_EVERY", "30d")
    assert "retraining failed" in ringfence("models", "watch", "--data", "live").out
