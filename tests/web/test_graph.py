"""Rings over the API and in the browser: the suspect network is found by itself and drawn."""

import json

import httpx
import pytest
from tests.web.conftest import serving

from ringfence.compose.following.followers import bring_links_up

RING = [f"r{number}" for number in range(6)]
FEATURES = """
import ringfence as rf

graph = rf.Graph.of(rf.uses("account", "phone"), rf.pays("account", "counterparty"), windows=["1h"])
spec = rf.FeatureSpec.of(rf.entity("account").count("1h")).with_graph(graph)
"""
RULES = """
rules:
  - {id: large, title: Large, when: graph.component_accounts > 4 AND amount > 500, outcome: review,
     reason: RING, analyst: "{graph.component_accounts} accounts together"}
"""


def rows():
    for number in range(60):
        account = RING[number // 2 % 6] if number % 2 else f"a{number}"
        yield {
            "transaction_id": f"t{number}",
            "event_time": f"2024-05-01T12:{number:02}:00Z",
            "account_id": account,
            "phone": "+4915100000" if account in RING else f"+49152{number:05}",
            "counterparty_id": RING[(number + 2) % 6] if account in RING else "a0",
            "amount": 900 if account in RING and number > 40 else 20,
            "currency": "EUR",
        }
    yield {
        "transaction_id": "alone",
        "event_time": "2024-05-01T13:30:00Z",
        "account_id": "lone",
        "phone": "+4915299999",
        "amount": 20,
        "currency": "EUR",
    }


@pytest.fixture(scope="module")
def ringed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ringed")
    (folder / "features.py").write_text(FEATURES)
    (folder / "rules.yaml").write_text(RULES)
    with serving(folder / "data", features=folder / "features.py", rules=folder / "rules.yaml") as served:
        body = "\n".join(json.dumps(row) for row in rows())
        kind = {"content-type": "application/x-ndjson"}
        answer = httpx.post(f"{served.url}/v1/decisions/batch", content=body, headers=kind, timeout=60)
        assert answer.status_code == 200, answer.text
        bring_links_up(served.dashboard.store)
        yield served


def test_the_ring_around_a_member_has_all_and_only_its_members(ringed):
    found = httpx.get(f"{ringed.url}/v1/graph/ring/account/r3", timeout=60).json()
    assert sorted(one["id"] for one in found["members"] if one["kind"] == "account") == RING
    assert found["score"] > 30
    assert found["payments"]
    near = httpx.get(f"{ringed.url}/v1/graph/neighbours/account/r3", timeout=60).json()
    assert {one["type"] for one in near["links"]} == {"account uses phone", "account pays counterparty"}
    assert near["cut"] == []
    fewer = httpx.get(f"{ringed.url}/v1/graph/neighbours/phone/%2B4915100000?limit=1", timeout=60).json()
    assert (len(fewer["links"]), fewer["cut"]) == (1, ["account uses phone"])


def test_a_stopped_payment_has_its_ring_found_by_itself(ringed):
    (found,) = httpx.get(f"{ringed.url}/v1/graph/rings", timeout=60).json()["rings"]
    assert found["members"] == len(RING)
    assert any("reviewed or declined" in reason for reason in found["why"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/graph/ring/account/nobody", 404),
        ("/v1/graph/ring/card/4111111111111111", 422),
        ("/v1/graph/ring/wallet/x", 422),
        ("/v1/graph/ring/account/r3?most=100000", 422),
        ("/graph/account/nobody", 404),
    ],
)
def test_what_cannot_be_asked_is_refused(ringed, path, status):
    assert httpx.get(ringed.url + path, timeout=60).status_code == status


def shared_ids(page):
    return page.locator("dl.stats div", has_text="Shared ids").locator("dd").inner_text()


def test_who_is_linked_to_nobody_is_called_no_ring(ringed, watched):
    page = watched.open(f"{ringed.url}/graph/account/lone")
    assert page.get_by_role("heading", name="No ring at present").is_visible()
    assert page.get_by_text("No live link leads to another entity").is_visible()
    assert shared_ids(page) == "0"  # the phone is only theirs


def test_the_network_is_drawn_and_a_click_leads_to_it(ringed, watched):
    page = watched.open(f"{ringed.url}/graph")
    page.get_by_role("link", name="account r").first.click()
    page.wait_for_selector("#ring canvas")
    assert page.get_by_role("heading", name="Why this is a ring").is_visible()
    assert shared_ids(page) == "1"
    assert page.locator("#ring-until-text").inner_text().endswith("UTC")
    page.locator("#ring-until").fill("0")
    assert page.get_by_role("table", name="Members").locator("tbody tr").count() == len(RING) + 1
