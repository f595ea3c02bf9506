"""What pages say while the index of a large store is being made."""

import httpx

TOLD = "stored decisions are not on these pages yet"


def test_pages_say_how_many_decisions_are_not_in_the_index_yet(site, monkeypatch):
    """Nobody makes the index here: so many decisions are read from the log, and what is beyond is counted."""
    assert TOLD not in httpx.get(f"{site.url}/rules/edit").text
    decided = site.dashboard.store.log.end_offset("decisions")
    monkeypatch.setattr(site.dashboard.finder, "_live_rows", decided - 3)
    assert f"3 {TOLD}" in httpx.get(f"{site.url}/rules/edit").text
    monkeypatch.undo()
    assert TOLD not in httpx.get(f"{site.url}/decisions").text
