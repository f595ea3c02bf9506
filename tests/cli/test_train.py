"""Training, evaluation and drift from the command line, on files and on a data folder."""

import csv
import json
import runpy

import pytest
from tests.learning.conftest import world

from ringfence.features.spec import FeatureSpec
from ringfence.scoring.artifacts.manifest import feature_hashes
from ringfence.scoring.rulesets.books import default_book
from ringfence.scoring.rulesets.rules import fit

QUICK = ("--search-seconds", "0")
FEW = ("--min-payments", "20")
EXIT_DRIFTED = 5


@pytest.fixture(scope="module")
def payments(tmp_path_factory):
    """A till's own columns, with a mapping."""
    folder = tmp_path_factory.mktemp("till")
    made = world(2500, seed=5)
    with (folder / "till.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["receipt", "when", "card", "shop", "amount", "how", "fraud"])
        for n in range(2500):
            names = (f"r{n}", int(made.time_ms[n]), f"c{made.card[n]}", f"s{made.merchant[n]}")
            rows.writerow((*names, made.cents[n] / 100, made.channel[n], int(made.fraud[n])))
    (folder / "till.toml").write_text(
        """
[[records]]
label = { column = "fraud", delay = "3d" }
[records.fields]
transaction_id = "receipt"
event_time = { column = "when", format = "epoch_ms" }
card_id = "card"
merchant_id = "shop"
amount = "amount"
channel = "how"
"""
    )
    return folder


@pytest.fixture
def trained(ringfence, payments, project):
    ended = ringfence(
        "train", payments / "till.csv", "-m", payments / "till.toml", "--out", "m", *QUICK, "--json"
    )
    assert ended.code == 0, ended.err
    return ended.json


def test_a_file_and_a_mapping_are_enough_to_train_evaluate_and_watch(trained, ringfence, payments, project):
    assert trained["metrics"]["model"]["average_precision"]["value"] > 0.4
    assert {"rules", "logistic", "isolation_forest"} < trained["metrics"].keys()
    assert json.loads((project / "m" / "manifest.json").read_text())["command"].startswith("ringfence")
    source = (payments / "till.csv", "-m", payments / "till.toml")
    again = ringfence("evaluate", "m", *source, "--json")
    assert again.code == 0, again.err
    for name, one in trained["metrics"]["model"].items():
        assert again.json["metrics"]["model"][name]["value"] == pytest.approx(one["value"], abs=1e-5), name
    watched = ringfence("drift", "m", *source, *FEW, "--json", "--metrics", "drift.prom")
    assert watched.code in {0, EXIT_DRIFTED}, watched.err
    assert 'input="amount"' in (project / "drift.prom").read_text()
    watched = ringfence("drift", "m", *source, *FEW, "--threshold", "0")
    assert watched.code == EXIT_DRIFTED
    assert "The last day is over 0" in watched.out


def test_newer_payments_alone_are_scored_with_a_warning_and_behind_the_older_ones_without(
    ringfence, payments, project
):
    head, *rows = (payments / "till.csv").read_text().splitlines()
    for name, part in (("older", rows[:1800]), ("newer", rows[1800:])):
        (project / f"{name}.csv").write_text("\n".join([head, *part]))
    mapping = ("-m", payments / "till.toml")
    ended = ringfence("train", "older.csv", *mapping, "--out", "m", "--quick", "--json")
    assert ended.code == 0, ended.err
    since = ("--since", "2024-02-16T00:00:00Z", "--json")
    alone = ringfence("evaluate", "m", "newer.csv", *mapping, *since)
    assert alone.code == 0, alone.err
    assert "holds none of what model learned from" in alone.err
    both = ringfence("evaluate", "m", "older.csv", "newer.csv", *mapping, *since)
    assert both.code == 0, both.err
    assert "holds none of what" not in both.err
    assert both.json["payments"] == alone.json["payments"]
    figures = [each.json["metrics"]["model"]["average_precision"]["value"] for each in (both, alone)]
    assert figures[0] > figures[1]


def test_a_data_folder_is_learned_from_as_it_was_decided(ringfence, payments, project):
    ringfence("run", payments / "till.csv", "-m", payments / "till.toml")
    ended = ringfence("train", "--name", "log", *QUICK, "--json")
    assert ended.code == 0, ended.err
    manifest = json.loads((project / "models" / "log" / "manifest.json").read_text())
    assert "card.count_1h" in manifest["inputs"]
    wide = ringfence("train", "--name", "w", "--wide", *QUICK, "--write-features", "features.py", "--json")
    assert wide.code == 0, wide.err
    spec = runpy.run_path(str(project / "features.py"))["spec"]
    manifest = json.loads((project / "models" / "w" / "manifest.json").read_text())
    whole = FeatureSpec.from_json(json.dumps(manifest["spec"]))
    rules, _ = fit(default_book(), whole)
    asked = rules.asked_for | set(manifest["inputs"])
    assert set(spec.names) == set(whole.names) & asked
    assert feature_hashes(spec).items() >= manifest["features"].items()
    other = ringfence("evaluate", "models/w", "--against", "models/log", "--json")
    assert other.code == 0, other.err
    assert len(other.json["metrics"]) == 3


def test_training_without_labels_says_what_can_be_done(ringfence, payments, project):
    text = (payments / "till.csv").read_text().splitlines()
    (project / "good.csv").write_text("\n".join([text[0], *(line[:-1] + "0" for line in text[1:])]))
    source = (project / "good.csv", "-m", payments / "till.toml")
    ended = ringfence("train", *source, *QUICK)
    assert ended.code == 2
    assert "isolation_forest" in ended.err
    ended = ringfence("train", *source, "--algorithm", "isolation_forest", *QUICK)
    assert ended.code == 0, ended.err
    assert "no labels were used" in ended.out


def test_a_folder_that_is_there_is_not_written_over(trained, ringfence, payments):
    ended = ringfence("train", payments / "till.csv", "-m", payments / "till.toml", "--out", "m")
    assert ended.code == 2
    assert "another --out" in ended.err


def test_ten_rows_are_not_enough(ringfence, payments, project):
    (project / "ten.csv").write_text(
        "".join((payments / "till.csv").read_text().splitlines(keepends=True)[:11])
    )
    ended = ringfence("train", "ten.csv", "-m", payments / "till.toml")
    assert ended.code == 2
    assert "payments to learn from" in ended.err


def test_two_models_are_compared_on_the_same_payments_of_the_log(ringfence, payments, project):
    ringfence("run", payments / "till.csv", "-m", payments / "till.toml")
    for name, more in (("good", ()), ("poor", ("--algorithm", "isolation_forest"))):
        assert ringfence("train", "--name", name, *more, *QUICK).code == 0
        assert ringfence("models", "import", f"models/{name}").code == 0
    found = ringfence("models", "compare", "poor", "good", "--on-log", "--json")
    assert found.code == 0, found.err
    gain = found.json["difference"]["average_precision"]
    values = [one["average_precision"]["value"] for one in found.json["metrics"].values()]
    assert gain["value"] == pytest.approx(values[1] - values[0])
    assert gain["low"] <= gain["value"] <= gain["high"]
    assert found.json["frauds"] < 10  # so few that nothing is certain, and that is said
    assert "Beyond chance: nothing" in ringfence("models", "compare", "poor", "good", "--on-log").out
