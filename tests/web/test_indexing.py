"""What pages say while the index of a large store is being made."""

from contextlib import closing, contextmanager

import httpx

from ringfence.adapters.sqlite.roll import SqliteRoll
from ringfence.ports import DECISIONS

TOLD = "stored decisions are not on these pages yet"


def test_pages_say_how_many_decisions_are_not_in_the_index_yet(site, monkeypatch):
    """Nobody makes the index here: so many decisions are read from the log, and what is beyond is counted."""
    assert TOLD not in httpx.get(f"{site.url}/rules/edit").text
    decided = site.dashboard.store.log.end_offset("decisions")
    monkeypatch.setattr(site.dashboard.finder, "_live_rows", decided - 3)
    assert f"3 {TOLD}" in httpx.get(f"{site.url}/rules/edit").text
    monkeypatch.undo()
    assert TOLD not in httpx.get(f"{site.url}/decisions").text


class Later:
    """A clock that is three minutes ahead of another one."""

    def __init__(self, clock):
        self._clock = clock

    def now_ms(self):
        return self._clock.now_ms() + 180_000


@contextmanager
def late(site, monkeypatch, *followers):
    """For three minutes these followers have read nothing of what the log has for them."""
    following = site.server.following
    with closing(SqliteRoll(site.server.session.store.folder)) as roll:
        for name in followers:
            roll.declare(name, [DECISIONS], 1)
            roll.report(name, {DECISIONS: 0}, site.server.clock.now_ms())
        following.look()
        with monkeypatch.context() as patched:
            patched.setattr(following, "_clock", Later(following._clock))
            for name in followers:
                roll.report(name, {DECISIONS: 0}, following._clock.now_ms())
            yield
        for name in followers:
            roll.forget(name)


def test_queues_and_alerts_say_that_they_are_still_made_of_the_log(site, monkeypatch):
    told = "being brought up to date"
    pages = ("/cases", "/home?as=analyst", "/alerts")
    assert [told in httpx.get(site.url + page).text for page in pages] == [False] * 3
    decided = site.dashboard.store.log.end_offset(DECISIONS)
    with late(site, monkeypatch, "cases", "outbox"):
        for page in pages:
            assert f"{told}: {decided:,} records" in httpx.get(site.url + page).text
        with closing(SqliteRoll(site.server.session.store.folder)) as roll:
            roll.pause("cases")
        page = httpx.get(f"{site.url}/cases").text
        assert f"the follower cases is paused, and {decided:,} records of the log wait" in page
    assert [told in httpx.get(site.url + page).text for page in pages] == [False] * 3


def test_followers_that_are_late_together_are_one_line(site, monkeypatch):
    with late(site, monkeypatch, "index", "lake"):
        page = httpx.get(f"{site.url}/home?as=engineer").text
    assert page.count('role="alert"') == 1
    assert "Followers index, lake are late by up to " in page
    with late(site, monkeypatch, "lake"):
        assert "Follower lake is late by " in httpx.get(f"{site.url}/home?as=engineer").text
