"""Drift as events of the log: what is over the threshold is told once, wherever others can read it."""

import pytest

from ringfence.adapters.sqlite import Store
from ringfence.learning.watching.drift_alerts import recorded

from .test_train import FEW, QUICK, payments  # noqa: F401 (a fixture)


@pytest.fixture
def decided(ringfence, payments, project):  # noqa: F811 (the fixture)
    """A data folder that has decided payments, and a model of them."""
    ringfence("run", payments / "till.csv", "-m", payments / "till.toml")
    assert ringfence("train", "--name", "m", *QUICK).code == 0
    return project


def alerts(folder):
    with Store.open(folder / "ringfence-data", read_only=True) as store:
        return recorded(store.log)


def test_what_is_over_the_threshold_is_told_once_in_a_topic_of_its_own(ringfence, decided):
    found = ringfence("drift", "models/m", *FEW, "--threshold", "0.3", "--json", "--metrics", "d.prom")
    assert found.code in {0, 5}, found.err
    over = [(day["day_ms"], name) for day in found.json["days"] for name in day["alerts"]]
    assert [(one.day_ms, one.input) for one in alerts(decided)] == over
    assert found.json["quality"]["unreadable_records"] == 0
    assert "ringfence_unmatched_labels 0" in (decided / "d.prom").read_text()
    ringfence("drift", "models/m", *FEW, "--threshold", "0.3")
    assert len(alerts(decided)) == len(over)
    topics = {one["topic"]: one["end"] for one in ringfence("topics", "--json").json["topics"]}
    assert topics["drift"] == len(over) > 0


def test_while_another_process_writes_it_is_said_that_alerts_are_not_in_the_log(ringfence, decided):
    with Store.open(decided / "ringfence-data"):
        found = ringfence("drift", "models/m", *FEW, "--threshold", "0.3", "--json")
    assert "--url" in found.err
    assert alerts(decided) == []
