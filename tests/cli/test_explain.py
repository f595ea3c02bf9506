import pytest

from .conftest import payment, write_ndjson


@pytest.fixture
def decided(ringfence, project):
    ringfence("run", write_ndjson(project / "rows.ndjson", [payment(n, amount=2.0) for n in range(5)]))


@pytest.mark.usefixtures("decided")
def test_a_decision_is_taken_apart(ringfence):
    ended = ringfence("explain", "p4")
    assert ended.code == 0, ended.err
    assert "✓ card.count_small_10m is 5, needs >= 5" in ended.out
    assert "card.count_small_10m < 5 (was 5)" in ended.out
    assert "without this rule: approve" in ended.out
    assert "stops triggering 2024-05-01 12:11:00 UTC" in ended.out
    assert "Typology card_testing: score 50, acts at 60" in ended.out


@pytest.mark.usefixtures("decided")
def test_as_json_it_holds_every_part(ringfence):
    told = ringfence("explain", "p4", "--json").json
    [rule] = [one for one in told["rules"] if one["id"] == "card_testing"]
    assert rule["condition"]["kind"] == "all"
    assert rule["condition"]["parts"][0]["values"] == {"card.count_small_10m": 5.0}
    assert rule["clears"] == {"at_ms": 1_714_565_460_000, "exact": True}


@pytest.mark.usefixtures("decided")
def test_rules_that_did_not_fire_are_shown_on_request(ringfence):
    assert "No rule fired" in ringfence("explain", "p0").out
    assert "it would have fired with" in ringfence("explain", "p0", "--all").out


@pytest.mark.usefixtures("decided")
def test_an_unknown_transaction_is_a_clear_error(ringfence):
    ended = ringfence("explain", "nothing")
    assert ended.code == 2
    assert "no decision on transaction 'nothing'" in ended.err
