"""BINs from the file to the answer: rules, lists, features, SQL, quarantine and replay."""

import pytest
from tests.card_data import leaks_under

from .conftest import payment, write_ndjson

VISA, OTHER, AMEX = "4111111111111111", "5500005555555559", "378282246310005"
FEATURES = """
import ringfence as rf
bins, merchant = rf.entity("bin"), rf.entity("merchant")
spec = rf.FeatureSpec.of(bins.count("1d"), bins.distinct("card", "1d"), merchant.distinct("bin", "1d"))
"""
RULES = """
name: bins
rules:
  - id: range
    title: Range
    when: card_bin in ('411111', '999999')
    outcome: challenge
    reason: RANGE
    analyst: A range of {bin.count_1d} payments a day.
  - id: listed
    title: Listed
    when: card_bin8 in list 'attacked ranges'
    outcome: decline
    reason: LISTED
    analyst: A listed range.
"""


@pytest.fixture
def decided(ringfence, project):
    """A Visa, another that is on the list, a token with its BIN, an Amex, and a Visa without an amount."""
    (project / "features.py").write_text(FEATURES)
    (project / "rules.yaml").write_text(RULES)
    cards = [
        {"card_number": VISA},
        {"card_number": OTHER},
        {"card_id": "t", "card_bin": "411111"},
        {"card_number": AMEX},
    ]
    rows = [payment(n, **({"card_id": None} | card)) for n, card in enumerate(cards)]
    rows.append(payment(9, card_id=None, card_number=VISA, amount=-1))
    ringfence("run", write_ndjson(project / "none.ndjson", []))
    assert ringfence("lists", "add", "attacked ranges", "55000055", "--kind", "watch").code == 0
    file = write_ndjson(project / "a.ndjson", rows)
    ended = ringfence("run", file, "--features", "features.py", "--rules", "rules.yaml", "--json")
    assert ended.json["transactions"] == 4
    return project


def test_rules_lists_features_and_sql_know_the_bin(ringfence, decided):
    told = {row["transaction_id"]: row for row in ringfence("decisions", "--json").json_lines}
    assert {name: row["outcome"] for name, row in told.items()} == {
        "p0": "challenge",
        "p1": "decline",
        "p2": "challenge",
        "p3": "approve",
    }
    shown = ringfence("decision", "p2", "--json").json["features"]
    assert (shown["bin.count_1d"], shown["bin.distinct_card_1d"]) == (2, 2)
    assert shown["merchant.distinct_card_bin_1d"] == 2
    asked = "SELECT transaction_id, card_bin, card_bin8, card_last4 FROM transactions ORDER BY 1"
    assert ringfence("sql", asked, "--format", "json").json_lines == [
        {"transaction_id": "p0", "card_bin": "411111", "card_bin8": "41111111", "card_last4": "1111"},
        {"transaction_id": "p1", "card_bin": "550000", "card_bin8": "55000055", "card_last4": "5559"},
        {"transaction_id": "p2", "card_bin": "411111", "card_bin8": None, "card_last4": None},
        {"transaction_id": "p3", "card_bin": "378282", "card_bin8": None, "card_last4": "0005"},
    ]


def test_a_bin_survives_quarantine_and_replay_and_no_number_is_written(ringfence, decided):
    (record,) = ringfence("quarantine", "list", "--json").json_lines
    original = ringfence("quarantine", "show", record["id"], "--json").json["original"]
    assert "/1111/b41111111" in original
    verified = ringfence("replay", "--verify", "--json").json
    assert (verified["compared"], verified["differing"]) == (4, 0)
    assert not leaks_under(decided / "ringfence-data")
