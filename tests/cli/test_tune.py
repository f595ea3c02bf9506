import pytest

from .conftest import payment, write_ndjson


@pytest.fixture
def decided(ringfence, project):
    label = {
        "kind": "label",
        "event_id": "l",
        "transaction_id": "p4",
        "label": True,
        "event_time": "2024-05-01T13:00:00Z",
    }
    rows = [payment(n, amount=2.0) for n in range(8)]
    ringfence("run", write_ndjson(project / "rows.ndjson", [*rows, label]))


@pytest.mark.usefixtures("decided")
def test_a_number_is_tried_over_a_range(ringfence):
    words = (
        "rules",
        "tune",
        "card_testing",
        "--parameter",
        "card.count_small_10m",
        "--low",
        "3",
        "--high",
        "7",
    )
    ended = ringfence(*words, "--json")
    assert ended.code == 0, ended.err
    assert [(point["value"], point["fired"]) for point in ended.json["points"]] == [
        (3, 6),
        (4, 5),
        (5, 4),
        (6, 3),
        (7, 2),
    ]
    shown = ringfence(*words).out
    assert "now 5" in shown
    assert "least cost at" in shown


@pytest.mark.usefixtures("decided")
def test_which_number_must_be_clear(ringfence):
    ended = ringfence("rules", "tune", "card_testing")
    assert ended.code == 2
    assert "name one with --parameter: card.count_small_10m (now 5), amount (now 5)" in ended.err
    assert "above" in ringfence("rules", "tune", "account_velocity", "--low", "9", "--high", "1").err


def test_typologies_are_listed_and_shown(ringfence):
    assert "mule_fan_in" in ringfence("rules", "typologies").out
    shown = ringfence("rules", "typologies", "structuring")
    assert "threshold" in shown.out
    assert ringfence("rules", "typologies", "structuring", "--json").json["reason"] == "STRUCTURING"
    assert "no typology 'x' is shipped" in ringfence("rules", "typologies", "x").err
