"""What a training refuses or says, told from the command line."""

import csv

import numpy as np
import pytest

from ringfence.cli.learning.histories import WantedHistory, take_in
from ringfence.cli.learning.train import taken_in
from ringfence.learning.train import Plan, start_of_test_ms

MAPPING = """
[[records]]
label = {{ column = "fraud", delay = "{delay}" }}
attributes = ["fraud", "kind"]
[records.fields]
transaction_id = "id"
event_time = {{ column = "when", format = "epoch_ms" }}
amount = "amount"
{card}
"""
DAY_MS = 86_400_000


@pytest.fixture
def table(project):
    rng = np.random.default_rng(4)
    size = 1500
    fraud = rng.random(size) < 0.06
    times = 1_700_000_000_000 + np.sort(rng.integers(0, 40 * DAY_MS, size))
    with (project / "t.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "when", "card", "amount", "fraud", "kind"])
        for n in range(size):
            cents = rng.lognormal(3 + 1.5 * fraud[n], 0.6)
            kind = ("debit", "credit")[rng.integers(0, 2)]
            rows.writerow([f"t{n}", times[n], f"c{rng.integers(0, 60)}", f"{cents:.2f}", int(fraud[n]), kind])
    (project / "t.toml").write_text(MAPPING.format(delay="2d", card='card_id = "card"'))
    (project / "nobody.toml").write_text(MAPPING.format(delay="2d", card=""))
    return project


def test_a_label_known_at_once_trains_and_its_own_column_is_no_input(ringfence, table):
    ended = ringfence(
        "train", "t.csv", "-m", "t.toml", "--label-delay", "0s", "--quick", "--out", "m", "--json"
    )
    assert ended.code == 0, ended.err
    assert "No input, as the label is read from the same column: attributes.fraud" in ended.err
    assert ended.json["metrics"]["model"]["auc"]["value"] < 0.995


def test_waiting_less_for_labels_than_they_take_is_refused(ringfence, table):
    ended = ringfence("train", "t.csv", "-m", "t.toml", "--maturity", "1d", "--quick", "--out", "m")
    assert ended.code == 2
    assert "95 of 100 come within 2 days" in ended.err


def test_features_of_the_folder_are_said_and_may_import_what_lies_beside_them(ringfence, table):
    (table / "beside.py").write_text("from ringfence.features.spec import entity\nCARD = entity('card')\n")
    (table / "features.py").write_text(
        "from beside import CARD\nfrom ringfence.features.spec import FeatureSpec\n"
        "spec = FeatureSpec.of(CARD.count('1d'))\n"
    )
    ended = ringfence("train", "t.csv", "-m", "t.toml", "--quick", "--out", "m", "--json")
    assert ended.code == 0, ended.err
    assert "Features are those of features.py" in ended.err
    ran = ringfence("run", "t.csv", "-m", "t.toml", "--data", "d", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["labels_not_due"] > 0
    assert sum("left out" in line for line in ran.err.splitlines()) == 1
    assert "CATALOG.with_features" in ran.err


def test_cards_found_a_day_are_told_only_where_there_are_cards(ringfence, table):
    ended = ringfence("train", "t.csv", "-m", "nobody.toml", "--quick", "--out", "m")
    assert ended.code == 0, ended.err
    assert "card precision" not in ended.out
    assert "recall at fpr 0.01" in ended.out


def test_a_budget_of_a_second_trains_and_says_what_it_allowed(ringfence, table):
    ended = ringfence("train", "t.csv", "-m", "t.toml", "--budget", "1", "--out", "m", "--json")
    assert ended.code == 0, ended.err
    assert any("trees of" in note for note in ended.json["notes"])


def test_the_kind_of_a_card_is_no_direction_of_payments(ringfence, table):
    (table / "t.csv").write_text(
        (table / "t.csv").read_text().replace("amount,fraud,kind", "amount,fraud,k6")
    )
    ended = ringfence("sources", "--sniff", "t.csv", "--draft", "drafted.toml")
    assert ended.code == 0, ended.err
    assert "skip" not in (table / "drafted.toml").read_text()


CHARGEBACKS = """
[[records]]
only = { what = "pay" }
[records.fields]
transaction_id = "id"
event_time = { column = "when", format = "epoch_ms" }
card_id = "card"
amount = "amount"
[[records]]
kind = "label"
only = { what = "chargeback" }
[records.fields]
transaction_id = "id"
event_time = { column = "when", format = "epoch_ms" }
label = { constant = true }
"""


@pytest.mark.parametrize("more", [{"end_ms": 1_700_000_000_000 + 15 * DAY_MS}, {"maturity_ms": 25 * DAY_MS}])
def test_what_is_tested_has_no_part_in_the_choice_wherever_the_test_ends(table, more):
    """Three fifths of the file would be looked at, and the test begins before that."""
    plan = Plan(**more)
    wanted = WantedHistory(["t.csv"], mapping="t.toml", wide=True)
    found, data = taken_in(wanted, plan)
    begins_ms = start_of_test_ms(data, plan)
    assert 0 < found.looked_ms == begins_ms
    assert begins_ms < np.quantile(data.time_ms, 0.55)


def test_labels_that_come_in_records_of_their_own_are_waited_for_as_long_as_they_take(project):
    rows = []
    for n in range(400):
        at_ms = 1_700_000_000_000 + n * DAY_MS // 4
        rows.append((at_ms, f"t{n}", f"c{n % 7}", "9.50", "pay"))
        if n % 9 == 0:
            rows.append((at_ms + 20 * DAY_MS, f"t{n}", "", "", "chargeback"))
    with (project / "c.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("when", "id", "card", "amount", "what"), *sorted(rows)])
    (project / "c.toml").write_text(CHARGEBACKS)
    found = take_in(WantedHistory(["c.csv"], mapping="c.toml", wide=True), "measuring")
    assert "card.label_rate_14d_delay_20d" in found.collected.spec.names
