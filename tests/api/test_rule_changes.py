"""Rules change under load, through a server as it is run in production."""

from benchmarks.rule_changes import attempt


def test_rules_change_under_load_and_nothing_fails(tmp_path):
    told = attempt(tmp_path, seconds=4)
    assert told["changes of rules"] >= 1  # as many as a busy machine gets to
    assert told["versions named"] >= 1
    assert told["payments"] == told["compared by replay"] > 0
