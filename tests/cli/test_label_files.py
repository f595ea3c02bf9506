"""Labels in a file of their own take their place in time; a note tells where they are of other payments."""

import csv
import json

import numpy as np
import pytest

DAY_MS = 86_400_000
MAPPING = """
[[records]]
[records.fields]
transaction_id = "id"
event_time = { column = "when", format = "epoch_ms" }
amount = "amount"
card_id = "card"
merchant_id = "merchant"
"""


@pytest.fixture
def table(project):
    rng = np.random.default_rng(4)
    size = 1500
    merchant = rng.integers(0, 12, size)
    fraud = rng.random(size) < np.where(merchant == 3, 0.4, 0.03)
    times = 1_700_000_000_000 + np.sort(rng.integers(0, 60 * DAY_MS, size))
    cents = rng.lognormal(3 + fraud, 0.6)
    write(
        project / "t.csv",
        ["id", "when", "card", "merchant", "amount"],
        ([f"t{n}", times[n], f"c{n % 60}", f"m{merchant[n]}", f"{cents[n]:.2f}"] for n in range(size)),
    )
    (project / "t.toml").write_text(MAPPING)
    head = ["transaction_id", "reported_at"]
    reports = [(f"t{n}", np.datetime64(int(times[n]) + 4 * DAY_MS, "ms")) for n in np.flatnonzero(fraud)]
    write(project / "reports.csv", head, ([one, f"{time}Z"] for one, time in reports))
    write(project / "others.csv", head, ([f"shop-{one}", f"{time}Z"] for one, time in reports))
    write(project / "soon.csv", head, ([one, "soon"] for one, _ in reports))
    return project


def write(path, head, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def test_labels_of_a_file_of_their_own_enter_when_each_became_known(ringfence, table):
    ended = ringfence(
        "train", "t.csv", "-m", "t.toml", "--labels", "reports.csv", "--quick", "--out", "m", "--json"
    )
    assert ended.code == 0, ended.err
    assert "a payment without a report counts as good after 4 days" in ended.json["notes"]
    assert not any("came behind payments" in note for note in ended.json["notes"])
    inputs = json.loads((table / "m" / "manifest.json").read_text())["inputs"]
    assert any(name.startswith("merchant.label_rate") for name in inputs)
    judged = ringfence("evaluate", "m", "t.csv", "-m", "t.toml", "--labels", "reports.csv", "--json")
    assert judged.code == 0, judged.err
    assert judged.json["metrics"]["model"] == ended.json["metrics"]["model"]


def test_labels_of_other_payments_and_unreadable_ones_are_told(ringfence, table):
    ended = ringfence("train", "t.csv", "-m", "t.toml", "--labels", "others.csv", "--quick", "--out", "m")
    assert ended.code == 2
    assert "labels name transactions that are not in this history" in ended.err
    ended = ringfence("train", "t.csv", "-m", "t.toml", "--labels", "soon.csv", "--quick", "--out", "m")
    assert ended.code == 2
    assert "records of soon.csv are no labels and are left out, the first because" in ended.err
    assert "'soon'" in ended.err
    assert "soon.csv holds no label that could be read" in " ".join(ended.err.split())
    ended = ringfence("train", "--labels", "reports.csv", "--out", "m")
    assert "--labels belong to files of payments" in ended.err


def test_labels_that_were_taken_in_after_all_payments_are_told(ringfence, table):
    assert ringfence("run", "t.csv", "-m", "t.toml", "--data", "d").code == 0
    assert ringfence("run", "reports.csv", "-m", "labels", "--data", "d").code == 0
    ended = ringfence("train", "--data", "d", "--wide", "--quick", "--out", "m", "--json")
    assert ended.code == 0, ended.err
    assert any("labels came behind payments made after they were known" in one for one in ended.json["notes"])


def test_a_label_column_of_a_file_of_labels_counts_and_its_other_rows_are_told(ringfence, table):
    (table / "l.toml").write_text(MAPPING + '[records.label]\ncolumn = "fraud"\ndelay = "30d"\n')
    with (table / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (table / "reports.csv").open() as file:
        frauds = {row["transaction_id"] for row in csv.DictReader(file)}
    labelled = ([*row.values(), int(row["id"] in frauds)] for row in rows)
    write(table / "l.csv", [*rows[0], "fraud"], labelled)
    given = ["--labels", "l.csv", "--labels-mapping", "l.toml", "--label-delay", "3d"]
    ended = ringfence("train", "t.csv", "-m", "t.toml", *given, "--quick", "--out", "m", "--json")
    assert ended.code == 0, ended.err
    assert "a payment without a report counts as good after 3 days" in ended.json["notes"]
    left_out = f"{len(rows) - len(frauds):,} of {len(rows):,} records of l.csv that could be read hold no"
    assert left_out in " ".join(ended.err.split())


def test_reports_that_are_older_than_their_payments_are_told_and_kept(ringfence, table):
    with (table / "reports.csv").open() as file:
        reports = [list(row.values()) for row in csv.DictReader(file)]
    for row in reports[::5]:
        row[1] = "2020-01-01"
    write(table / "old.csv", ["transaction_id", "reported_at"], reports)
    ended = ringfence(
        "train", "t.csv", "-m", "t.toml", "--labels", "old.csv", "--quick", "--out", "m", "--json"
    )
    assert ended.code == 0, ended.err
    old = len(reports[::5])
    assert any(one.startswith(f"{old} payments have a label that is older") for one in ended.json["notes"])
