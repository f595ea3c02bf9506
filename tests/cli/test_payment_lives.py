"""Payments and what becomes of them, from files to the view, in whatever order they come."""

import json

from .conftest import payment, write_ndjson


def action(number, word, amount, on, **more):
    event = {"kind": "lifecycle", "event_id": f"a{number}", "transaction_id": payment(on)["transaction_id"]}
    event |= {"action": word, "amount": amount, "currency": payment(on).get("currency")}
    return event | {"event_time": f"2024-06-0{number}T10:00:00Z"} | more


def test_the_view_shows_the_whole_life_and_only_payments_are_decided(ringfence, project):
    rows = [payment(0, amount="50.00"), payment(1, amount="20.00")]
    rows += [
        action(1, "capture", "30.00", 0),
        action(2, "capture", "15.00", 0),
        action(3, "reversal", "5.00", 0),
        action(4, "refund", "10.00", 0, reason_code="1"),
        action(5, "Chargeback", "35.00", 0),
        action(6, "representment", "35.00", 0),
        action(7, "capture", "1.00", 8),
    ]
    ran = ringfence("run", write_ndjson(project / "rows.ndjson", rows))
    assert ran.code == 0, ran.err
    again = ringfence("run", "rows.ndjson")
    assert again.code == 0
    found = ringfence(
        "sql",
        "SELECT transaction_id, authorised::DOUBLE AS authorised, captured::DOUBLE AS captured, "
        "refunded::DOUBLE AS refunded, net::DOUBLE AS net, actions, last_action "
        "FROM payment_lives ORDER BY 1",
        "--format",
        "json",
    ).json_lines
    assert [tuple(row.values())[1:] for row in found] == [
        (45, 45, 10, 35, 6, "representment"),
        (20, 0, 0, 0, 0, None),
    ]
    counts = ringfence("sql", "SELECT count(*) AS n FROM decisions", "--format", "json").json_lines
    assert counts == [{"n": 2}]
    assert ringfence("sql", "SELECT count(*) AS n FROM lifecycle", "--format", "json").json_lines == [
        {"n": 7}
    ]
    assert ringfence("replay", "--verify").code == 0


def test_an_action_without_amount_or_of_no_known_word_is_quarantined(ringfence, project):
    rows = [payment(0), action(1, "void", "1", 0), action(2, "refund", None, 0), action(3, "refund", "-1", 0)]
    assert ringfence("run", write_ndjson(project / "rows.ndjson", rows)).code == 4
    listed = ringfence("quarantine", "list", "--json").json_lines
    assert sorted(row["reason"] for row in listed) == ["missing_field", "negative_amount", "wrong_type"]
    assert "increment, capture, reversal" in json.dumps(listed)


def test_a_table_of_actions_has_a_kind_column(ringfence, project):
    (project / "actions.csv").write_text(
        "kind,transaction_id,event_time,action,amount,currency,reason_code\n"
        f"lifecycle,{payment(0)['transaction_id']},2024-06-01T10:00:00Z,refund,1.50,EUR,13.1\n"
    )
    assert ringfence("run", "actions.csv").code == 0
    found = ringfence(
        "sql", "SELECT action, amount, reason_code AS why FROM lifecycle", "--format", "json"
    ).json_lines
    assert found == [{"action": "refund", "amount": 1.5, "why": "13.1"}]


def test_features_of_lives_decide_and_replay_alike(ringfence, project):
    (project / "features.py").write_text(
        "import ringfence as rf\n"
        "card = rf.entity('card')\n"
        "spec = rf.FeatureSpec.of(card.sum('refunded', '30d'), card.sum('captures', '30d'))\n"
    )
    rows = [
        payment(0, card_id="c", event_time="2024-06-01T09:00:00Z"),
        action(1, "refund", "7.25", 0),
        action(2, "capture", "1", 0),
        payment(1, card_id="c", event_time="2024-06-03T09:00:00Z"),
    ]
    for row in (rows[0], rows[3]):
        row.pop("card_number", None)
    ran = ringfence("run", write_ndjson(project / "rows.ndjson", rows))
    assert ran.code == 0, ran.err
    asked = "SELECT card.sum_refunded_30d AS refunded, card.sum_captures_30d AS captures FROM features"
    assert ringfence("sql", asked, "--format", "json").json_lines == [
        {"refunded": 0.0, "captures": 0.0},
        {"refunded": 7.25, "captures": 1.0},
    ]
    assert ringfence("replay", "--verify").code == 0
