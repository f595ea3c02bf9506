"""What is known of a card, a customer, a merchant: as it stands at the moment of asking."""

import time
from dataclasses import replace

from tests.api.conftest import DEFINITIONS, Api, payment

from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.rulesets.rules import RuleSet, compile_rules

HOUR_MS = 3_600_000


def test_features_are_those_of_now_without_what_has_left_the_windows(tmp_path):
    """
    payments   -25 h   -2 h     now
    1 h                      (────]   none
    1 d              (────────────]   the later one
    7 d   (───────────────────────]   both
    """
    card = entity("merchant")
    spec = FeatureSpec.of(
        card.count("1h"), card.count("1d"), card.sum("amount", "7d"), card.ratio("amount", "7d")
    )
    rules = compile_rules(RuleSet(rules=()), spec)
    api = Api(tmp_path / "data", replace(DEFINITIONS, spec=spec, rules=rules))
    now_ms = time.time_ns() // 1_000_000

    async def talk(client):
        for name, hours, amount in (("t1", 25, "40.00"), ("t2", 2, "2.50")):
            body = payment(name, event_time=now_ms - hours * HOUR_MS, amount=amount)
            assert (await client.post("/v1/decisions", json=body)).status_code == 200
        known = [await client.get("/v1/entities/merchant/m1") for _ in range(2)]
        unknown = await client.get("/v1/entities/merchant/nobody")
        unmeasured = await client.get("/v1/entities/device/d1")
        after = await client.post("/v1/decisions", json=payment("t3"))
        details = await client.get("/v1/decisions/t3")
        return [answer.json() for answer in (*known, unknown, unmeasured, after, details)]

    known, again, unknown, unmeasured, after, details = api(talk)
    expected = {"count_1h": 0, "count_1d": 1, "sum_amount_7d": 42.5, "ratio_amount_7d_before": None}
    assert known["features"] == {f"merchant.{name}": value for name, value in expected.items()}
    assert known["as_of_ms"] >= now_ms
    assert again["features"] == known["features"]
    assert unknown["features"] == dict.fromkeys(known["features"], 0) | {
        "merchant.ratio_amount_7d_before": None
    }
    assert unmeasured["features"] == {}
    assert after["outcome"] == "approve"
    assert details["features"]["merchant.sum_amount_7d"] == 55.0
