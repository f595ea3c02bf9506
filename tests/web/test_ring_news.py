"""From a payment that is reviewed to flags, an alert and a case, with nobody in between."""

import json
import subprocess
import sys
import time

import httpx
import pytest
from tests.waiting import until
from tests.web.conftest import serving

from ringfence.simulate.micro_macro import RING, micro_macro

FEATURES = """
import ringfence as rf

graph = rf.Graph.of(
    rf.uses("account", "email"), rf.uses("account", "phone"), rf.pays("account", "merchant"), windows=[]
)
spec = rf.FeatureSpec.of(rf.entity("account").sum("amount", "5m")).with_graph(graph)
"""
RULES = """
rules:
  - {id: micro, title: Spree, when: account.sum_amount_5m > 50000, outcome: review, reason: SPREE,
     analyst: "{account.sum_amount_5m} within 5 minutes"}
  - {id: member, title: Of a ring, when: account.flagged, outcome: challenge, reason: RING_MEMBER,
     analyst: "of a ring that was found"}
"""
BEGIN_MS = time.time_ns() // 1_000_000 - 7_200_000  # the state of an entity is asked as of now
MEMBERS = sorted(f"1234-5678-{number}" for number in RING)


def rows():
    """The generator's payments of a day, by canonical names."""
    for number, row in enumerate(next(micro_macro(1, 5, 1_714_521_600_000)).to_pylist()):
        yield {
            "transaction_id": f"t{number}",
            "event_time": BEGIN_MS + number * 10_000,
            "account_id": row["account"],
            "email": row["accountemail"],
            "phone": row["phone"],
            "merchant_id": row["merchant"],
            "amount": row["transaction_amount"],
            "currency": "EUR",
        }


def sent(served, rows):
    kind = {"content-type": "application/x-ndjson"}
    body = "\n".join(map(json.dumps, rows))
    answer = httpx.post(f"{served.url}/v1/decisions/batch", content=body, headers=kind, timeout=60)
    assert answer.status_code == 200, answer.text
    return [json.loads(line)["decision"] for line in answer.text.splitlines()]


@pytest.mark.slow
def test_a_reviewed_payment_leads_to_its_ring_by_itself(tmp_path):
    (tmp_path / "features.py").write_text(FEATURES)
    (tmp_path / "rules.yaml").write_text(RULES)
    data = tmp_path / "data"
    with serving(data, features=tmp_path / "features.py", rules=tmp_path / "rules.yaml") as served:
        follower = subprocess.Popen([sys.executable, "-m", "ringfence.cli", "follow", "--data", str(data)])
        try:
            sent(served, rows())
            case = until(lambda: _of_ring(served))
            assert sorted(one["entity_id"] for one in case["subjects"]) == MEMBERS
            for member in MEMBERS:
                assert until(lambda member=member: _flagged(served, member))
            assert not _flagged(served, "1234-5678-5")
            late = next(one for one in rows() if one["account_id"] in MEMBERS)
            later = late | {"transaction_id": "next", "event_time": BEGIN_MS + 7_000_000, "amount": "100"}
            [answer] = sent(served, [later])
            assert answer["outcome"] == "challenge"
        finally:
            follower.terminate()
            follower.wait()


def _of_ring(served):
    """The case of the whole ring, once all others have been merged into it."""
    found = httpx.get(f"{served.url}/v1/cases").json()["cases"]
    return next((one for one in found if len(one["subjects"]) == len(MEMBERS)), None)


def _flagged(served, account):
    return httpx.get(f"{served.url}/v1/entities/account/{account}").json().get("flagged_since_ms")
