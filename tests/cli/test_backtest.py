import pytest

from ringfence.scoring.rulesets.books import default_book_text

from .conftest import payment, write_ndjson


@pytest.fixture
def decided(ringfence, project):
    rows = [payment(n, amount=2.0 if n < 6 else 300.0, customer_id="u") for n in range(12)]
    label = {
        "kind": "label",
        "event_id": "l",
        "transaction_id": "p7",
        "label": True,
        "event_time": "2024-05-01T13:00:00Z",
    }
    ringfence("run", write_ndjson(project / "rows.ndjson", [*rows, label]))
    stricter = default_book_text().replace("card.count_small_10m >= 3 and amount >= 100", "amount >= 250")
    (project / "stricter.yaml").write_text(stricter)


@pytest.mark.usefixtures("decided")
def test_a_backtest_prints_what_changes_as_a_table_json_and_a_page(ringfence, project):
    ended = ringfence("backtest", "--rules", "stricter.yaml", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["payments"] == 12
    assert ended.json["new"]["fraud"]["approve"] == 0
    after = next(rule for rule in ended.json["rules"] if rule["id"] == "after_testing")
    assert (after["fired"], after["fraud"], after["change"]) == (6, 1, "changed")
    shown = ringfence("backtest", "--rules", "stricter.yaml", "--html", "report.html")
    assert shown.code == 0
    assert "12 payments from 2024-05-01" in shown.out
    assert "after_testing" in shown.out
    assert "Backtest of stricter.yaml" in (project / "report.html").read_text()


@pytest.mark.usefixtures("decided")
@pytest.mark.parametrize("words", [["backtest"], ["rules", "tune", "never"]])
def test_a_rule_that_can_never_fire_is_an_error_before_anything_is_tried(ringfence, project, words):
    rule = "{id: never, title: A, when: card.count_1h < 0, outcome: review, reason: A, analyst: A.}"
    (project / "never.yaml").write_text(f"rules: [{rule}]")
    ended = ringfence(*words, "--rules", "never.yaml")
    assert ended.code == 2
    assert "rule 'never'" in ended.err
    assert "never" in ended.err


@pytest.mark.usefixtures("decided")
def test_new_features_are_measured_over_the_whole_log(ringfence, project):
    (project / "wider.py").write_text(
        "import ringfence as rf\nspec = rf.CATALOG.with_features(rf.entity('card').count('2h'))\n"
    )
    (project / "new.yaml").write_text(
        "rules: [{id: a, title: A, when: card.count_2h >= 10, outcome: review, reason: A, analyst: A.}]"
    )
    ended = ringfence("backtest", "--rules", "new.yaml", "--features", "wider.py", "--json")
    assert ended.json["measured"] == ["card.count_2h"]
    assert ended.json["new"]["outcomes"]["review"] == 3
    refused = ringfence("backtest", "--rules", "new.yaml")
    assert refused.code == 2
    assert "unknown name 'card.count_2h'" in refused.err


@pytest.mark.usefixtures("decided")
def test_a_time_without_payments_is_a_clear_error(ringfence):
    ended = ringfence("backtest", "--rules", "stricter.yaml", "--from", "2030-01-01")
    assert ended.code == 2
    assert "no decided payment" in ended.err


def test_a_store_without_decisions_is_a_clear_error(ringfence, project):
    (project / "e.ndjson").write_text("")
    ringfence("run", "e.ndjson", "--mapping", "canonical")
    (project / "r.yaml").write_text(
        "rules: [{id: a, title: A, when: amount > 1, points: 5, reason: A, analyst: A.}]"
    )
    assert "nothing has been decided yet" in ringfence("backtest", "--rules", "r.yaml").err
