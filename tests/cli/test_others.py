"""Sources, rules, topics, version, and what all commands share."""

import pytest

from ringfence.events.mapping import SHIPPED

BOOK = """
name: mine
rules:
  - id: spree
    title: Spree
    when: amount > 5 and card.cont_1h >= 3
    outcome: review
    reason: SPREE
    analyst: A spree.
"""


def test_the_shipped_mappings_are_listed(ringfence):
    out = ringfence("sources").out
    assert all(name in out for name in SHIPPED)
    assert [item["name"] for item in ringfence("sources", "--json").json] == list(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_each_mapping_is_explained(ringfence, name):
    assert "columns:" in ringfence("sources", name).out


def test_a_mapping_that_does_not_exist_suggests_the_nearest(ringfence):
    assert "did you mean sparkov?" in ringfence("sources", "sparkow").err


def test_a_file_is_sniffed(ringfence, payments):
    found = ringfence("sources", "--sniff", payments, "--json").json
    assert (found["format"], found["mapping"]) == ("ndjson", "canonical")
    assert "mapping: canonical" in ringfence("sources", "--sniff", payments).out


def test_a_rule_book_with_a_misspelt_feature_points_at_it(ringfence, project):
    (project / "book.yaml").write_text(BOOK)
    ended = ringfence("rules", "check", "book.yaml")
    assert ended.code == 2
    line, caret = ended.err.splitlines()[1:3]
    assert line[caret.index("^") :].startswith("card.cont_1h")
    assert "did you mean card.count_1h" in ended.err


def test_a_good_rule_book_is_said_to_compile(ringfence, project):
    (project / "book.yaml").write_text(BOOK.replace("cont_1h", "count_1h"))
    ended = ringfence("rules", "check", "book.yaml")
    assert ended.code == 0
    assert "1 active" in ended.out


def test_the_rules_in_use_are_listed_with_those_left_out(ringfence, project):
    assert "card_testing" in ringfence("rules", "list").out
    (project / "features.py").write_text(
        "import ringfence as rf\nspec = rf.FeatureSpec.of(rf.entity('card').count('1h'))\n"
    )
    rows = {row["id"]: row for row in ringfence("rules", "list", "--json").json_lines}
    assert rows["blocked"]["left_out"] is None
    assert "card.count_small_10m" in rows["card_testing"]["left_out"]
    assert "left out" in ringfence("rules", "list").out


def test_topics_are_listed_with_their_readers(ringfence, payments):
    ringfence("run", payments)
    ringfence("decisions")
    found = ringfence("topics", "--json").json
    assert {"topic": "events", "start": 0, "end": 8} in found["topics"]
    assert {"topic": "decisions", "start": 0, "end": 8} in found["topics"]
    assert "events" in ringfence("topics").out


def test_the_version_is_said(ringfence):
    assert ringfence("version").out.startswith("ringfence ")
    assert set(ringfence("version", "--json").json) == {"ringfence"}


def test_an_unknown_option_is_a_usage_error(ringfence):
    ended = ringfence("run", "--no-such-option")
    assert ended.code == 2
    assert "no-such-option" in ended.err
