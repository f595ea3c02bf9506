"""Data sets that nobody prepared: no ids, numbers as text, seconds since some start, labels in words."""

import csv
import json

import numpy as np
import pytest

QUICK = ("--search-seconds", "0", "--json")


def written(path, columns):
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))
    return path


@pytest.fixture(scope="module")
def anonymous(tmp_path_factory):
    """Components of a rotation, as published where nothing else may be: Time, V1 to V6, Amount, Class."""
    rng = np.random.default_rng(3)
    fraud = rng.random(6000) < 0.01
    parts = {f"V{n}": rng.normal(size=6000) + (3.0 if n == 3 else 0.0) * fraud for n in range(1, 7)}
    return written(
        tmp_path_factory.mktemp("anonymous") / "rotated.csv",
        {
            "Time": np.sort(rng.integers(0, 172_800, 6000)),
            **parts,
            "Amount": np.round(rng.exponential(80, 6000), 2),
            "Class": fraud.astype(int),
        },
    )


def test_a_set_without_any_id_is_drafted_learned_from_and_evaluated(ringfence, anonymous, project):
    drafted = ringfence("sources", "--sniff", anonymous, "--draft", "mine.toml")
    assert drafted.code == 0, drafted.err
    assert "seconds from some beginning" in drafted.err
    source = (anonymous, "-m", "mine.toml", "--label-delay", "0s")
    trained = ringfence("train", *source, "--out", "m", *QUICK)
    assert trained.code == 0, trained.err
    assert trained.json["metrics"]["model"]["average_precision"]["value"] > 0.4
    inputs = json.loads((project / "m" / "manifest.json").read_text())["inputs"]
    assert {f"attributes.V{n}" for n in range(1, 7)} < set(inputs)
    again = ringfence("evaluate", "m", *source, "--json")
    assert again.json["metrics"]["model"]["auc"]["value"] == pytest.approx(
        trained.json["metrics"]["model"]["auc"]["value"], abs=1e-5
    )


def test_numbers_that_csv_has_as_text_are_learned_from_as_numbers(ringfence, anonymous, project):
    (project / "star.toml").write_text(
        """
[[records]]
attributes = "*"
label = { column = "Class", delay = "0s" }
[records.fields]
transaction_id = { row_number = true }
event_time = { column = "Time", format = "epoch_s", offset_s = 1577836800 }
amount = "Amount"
"""
    )
    trained = ringfence("train", anonymous, "-m", "star.toml", "--out", "m", *QUICK)
    assert trained.code == 0, trained.err
    assert trained.json["metrics"]["model"]["average_precision"]["value"] > 0.4
    assert "attributes.V3" in json.loads((project / "m" / "manifest.json").read_text())["inputs"]


def test_labels_that_come_too_late_for_the_history_are_said(ringfence, anonymous, project):
    assert ringfence("sources", "--sniff", anonymous, "--draft", "mine.toml").code == 0
    trained = ringfence("train", anonymous, "-m", "mine.toml", "--out", "m")
    assert trained.code == 2
    assert "--label-delay" in trained.err


def test_labels_in_words_and_categories_are_taken_and_unclear_ones_are_set_apart(ringfence, project):
    rng = np.random.default_rng(5)
    fraud = rng.random(4000) < 0.05
    brand = np.where(fraud & (rng.random(4000) < 0.7), "elder", rng.choice(["visa", "master"], 4000))
    said = np.where(fraud, "stolen", "paid").astype(object)
    said[7] = ""
    file = written(
        project / "wide.csv",
        {
            "TransactionID": np.arange(4000),
            "TransactionDT": np.sort(rng.integers(86_400, 5_000_000, 4000)),
            "TransactionAmt": rng.integers(1, 900, 4000),
            "card4": brand,
            "verdict": said,
        },
    )
    mapping = """
[[records]]
attributes = ["card4"]
label = {{ column = "verdict", delay = "1d"{} }}
[records.fields]
transaction_id = "TransactionID"
event_time = {{ column = "TransactionDT", format = "epoch_s", offset_s = 1577836800 }}
amount = "TransactionAmt"
"""
    (project / "words.toml").write_text(mapping.format(', fraud = ["stolen"]'))
    trained = ringfence("train", file, "-m", "words.toml", "--out", "m", *QUICK)
    assert trained.code == 0, trained.err
    assert trained.json["metrics"]["model"]["auc"]["value"] > 0.75
    (project / "none.toml").write_text(mapping.format(""))
    unclear = ringfence("run", file, "-m", "none.toml", "--json")
    assert unclear.code == 4
    assert "fraud = [...]" in ringfence("quarantine", "list", "--limit", "1", "--json").out
