"""What pages say while the index of a large store is being made."""

import httpx
from tests.web.sample import DAY_MS, START_MS, payment

from ringfence.web import rendering

TOLD = "stored decisions are not on these pages yet"


def test_pages_say_how_many_decisions_are_not_in_the_index_yet(site, monkeypatch):
    site.dashboard.finder.refresh()
    assert TOLD not in httpx.get(f"{site.url}/rules/edit").text
    monkeypatch.setattr(rendering, "FRESH_ROWS", 1)
    with site.dashboard.finder._lock:  # nothing is taken in meanwhile
        for number in range(3):
            made = payment(9500 + number, START_MS + 70 * DAY_MS + number)
            httpx.post(f"{site.url}/v1/decisions", json=made, timeout=30).raise_for_status()
        assert f"3 {TOLD}" in httpx.get(f"{site.url}/rules/edit").text
    httpx.get(f"{site.url}/decisions")  # which takes in the latest
    assert TOLD not in httpx.get(f"{site.url}/rules/edit").text
