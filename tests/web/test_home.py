"""Where each role begins, and the one time range and zone of all pages."""

import re
from contextlib import closing
from threading import Event

import pytest
from playwright.sync_api import expect
from tests.waiting import until
from tests.web.test_pages import violations

from ringfence.access.principal import Role
from ringfence.adapters.sqlite.roll import SqliteRoll
from ringfence.api.services import RecordServices
from ringfence.decisions.decision import DecisionBatch
from ringfence.errors import CatchingUpError
from ringfence.ports import DECISIONS
from ringfence.web.pages.home import _DAY_MS as DAY_MS
from ringfence.web.pages.home import _engineer


def test_each_role_has_a_home_and_the_choice_is_kept(locked, visitor):
    analyst = visitor(locked, Role.ANALYST)
    assert "Next in the queue" in analyst.get("/home").text
    admin = visitor(locked, Role.ANALYST, Role.ADMIN)
    assert re.search("Followers", admin.get("/home").text)
    assert "Fraud at a glance" in admin.get("/home?as=manager").text
    assert "Fraud at a glance" in admin.get("/home").text


def test_homes_have_no_faults(site, watched):
    page = watched.open(f"{site.url}/home")
    for name in ("Manager", "Engineer", "Analyst"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute("aria-current", "page")
        expect(page.get_by_text("Counting…")).to_have_count(0)
        assert violations(page) == []


def test_degraded_decisions_are_counted_by_when_they_were_decided(site, visitor):
    """Payments of long ago, replayed a moment ago, are decisions of today."""
    log = site.server.session.store.log
    made = int(log.end_offset(DECISIONS))
    newest = max(
        int(DecisionBatch.decode(batch.payload).table.column("decided_at_ms").to_numpy().max())
        for batch in log.read(DECISIONS)
    )
    told = _engineer(site.dashboard, newest + DAY_MS // 2)
    assert 0 < told["decided"] <= made
    assert _engineer(site.dashboard, newest)["decided"] >= told["decided"]
    assert _engineer(site.dashboard, newest + DAY_MS)["decided"] >= 1
    assert _engineer(site.dashboard, newest + DAY_MS + 1)["decided"] == 0
    assert "payments decided in the last 24 hours" in visitor(site).get("/home?as=engineer").text


def test_an_engineer_sees_how_many_answers_the_policy_gave_at_the_deadline(site, visitor, monkeypatch):
    """Such an answer is in no stored decision: it is counted as it is given."""
    client, counts = visitor(site), site.server.metrics.deciding
    for page in ("/home?as=engineer", "/system"):
        before = client.get(page).text
        assert re.search(r'deadline<br>.*?<td class="r num">0</td>', before)
        with monkeypatch.context() as patched:
            patched.setattr(counts, "expired", counts.answered // 2)
            told = client.get(page).text
        row = told[told.index(">deadline<br>") :].partition("</tr>")[0]
        assert f"of {counts.answered:,} single payments" in row
        assert f">{counts.answered // 2:,}</td>" in row


def test_range_and_zone_go_from_page_to_page_in_the_address(site, watched):
    page = watched.open(f"{site.url}/decisions", timezone_id="America/New_York")
    expect(page.locator("#results time").first).to_be_visible()
    last = page.locator("#results time").first.inner_text()
    page.get_by_label("Time range", exact=True).select_option("7d")
    page.wait_for_url("**range=7d**")
    page.get_by_label("Time zone", exact=True).fill("Asia/Tokyo")
    page.get_by_label("Time zone", exact=True).press("Enter")
    page.wait_for_url("**zone=Asia%2FTokyo**")
    expect(page.locator("#results th", has_text="Time")).to_have_text("Time (Asia/Tokyo)")
    there = page.locator("#results time").first.inner_text()
    assert int(there[11:13]) == (int(last[11:13]) + 9) % 24
    page.get_by_role("link", name="Performance", exact=True).click()
    assert "range=7d" in page.url
    expect(page.locator(".head .note")).to_have_text("7 days, times in Asia/Tokyo")
    assert page.locator("#zones option", has_text="this browser").get_attribute("value") == "America/New_York"


def test_a_zone_that_does_not_exist_is_passed_over(site, visitor):
    client = visitor(site)
    for zone in ("Mars/Olympus", "../../etc/passwd", "a" * 5000, "%00"):
        page = client.get(f"/decisions?zone={zone}&range=forever")
        assert page.status_code == 200
        assert "Time (UTC)" in page.text


def test_notifications_are_what_the_callers_role_can_deal_with(locked, visitor):
    analyst, admin = visitor(locked, Role.ANALYST), visitor(locked, Role.ANALYST, Role.ADMIN)
    before = admin.get("/notifications").text
    database = locked.server.outboxes.bus.database
    columns = "id, subscription, destination, key, ordered, event, state, due_ms, made_ms"
    dead = "'x', 's', 'console:', 'k', 0, x'7b7d', 'dead', 0, 0"
    with database.transaction() as connection:
        connection.execute(f"INSERT INTO message ({columns}) VALUES ({dead})")
        connection.execute(
            'INSERT INTO destination VALUES (\'console:\', \'{"address":"console:","kind":"console"}\')'
        )
    try:
        told = "messages that could not be delivered"
        assert told not in before
        assert told in admin.get("/notifications").text
        assert "badge decline" in admin.get("/notifications/count").text
        assert told not in analyst.get("/notifications").text
    finally:
        with database.transaction() as connection:
            connection.execute("DELETE FROM message WHERE id = 'x'")
            connection.execute("DELETE FROM destination WHERE address = 'console:'")


def test_the_zone_goes_along_to_wherever_a_page_leads(site, watched, visitor):
    """Times that were typed in a zone are of that zone: without it, the next page shows other payments."""
    page = watched.open(
        f"{site.url}/performance?since=2025-01-10T09:00&until=2025-01-20T09:00&zone=Asia/Tokyo"
    )
    page.get_by_role("link", name="Previous period").click()
    page.wait_for_url("**since=2024-12-31T09:00**zone=Asia**")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**zone=Asia%2FTokyo**")
    expect(page.locator("main .head")).to_contain_text("times in Asia/Tokyo")
    page.goto(f"{site.url}/decisions?zone=Asia/Tokyo")
    page.locator("table.rows tbody a").first.click()
    page.wait_for_url("**/decisions/*?zone=Asia%2FTokyo")
    page.keyboard.press("j")  # the next of the list
    expect(page.locator(".neighbours")).to_contain_text("2 of ")
    assert page.url.endswith("?zone=Asia%2FTokyo")
    page.locator("#q").fill("tx-0311")
    page.keyboard.press("Enter")  # posted, and led on by the server
    page.wait_for_url("**/decisions/tx-0311?zone=Asia%2FTokyo")
    client = visitor(site)
    client.get("/sign-in")
    client.headers["x-csrf-token"] = client.get("/session").json()["csrf"]
    found = client.post("/search?zone=Asia/Tokyo", data={"q": ""}, follow_redirects=False)
    assert found.headers["location"] == "/decisions?zone=Asia%2FTokyo"
    found = client.post("/search", data={"q": ""}, follow_redirects=False)
    assert found.headers["location"] == "/decisions"


def test_the_live_page_says_when_the_last_payment_came(site, watched):
    page = watched.open(site.url)
    expect(page.locator("#idle")).to_have_text(re.compile(r"^last payment \d+ (s|min) ago"))


def test_a_filter_is_folded_away_on_a_phone_and_opens(site, watched):
    for path in ("/decisions?outcome=decline", "/streams/events"):
        page = watched.open(f"{site.url}{path}", viewport={"width": 390, "height": 844})
        expect(page.locator("form.filter")).to_be_hidden()
        expect(page.locator("table.rows").first).to_be_in_viewport()
        page.locator(".fold > summary").click()
        expect(page.locator("form.filter")).to_be_visible()
        page.set_viewport_size({"width": 1280, "height": 844})
        expect(page.locator(".fold > summary")).to_be_hidden()
        expect(page.locator("form.filter")).to_be_visible()


def test_a_zone_that_does_not_exist_is_told_and_the_page_stays(site, watched):
    page = watched.open(f"{site.url}/decisions?outcome=decline&zone=Asia%2FTokyo")
    zone = page.get_by_label("Time zone", exact=True)
    zone.fill("Mars/Olympus")
    zone.press("Enter")
    expect(page.locator("#notices")).to_contain_text("There is no time zone")
    expect(zone).to_have_value("Asia/Tokyo")
    zone.fill("Europe/Berlin")
    zone.press("Enter")
    page.wait_for_url("**zone=Europe%2FBerlin**")
    assert "outcome=decline" in page.url


def test_the_managers_home_opens_while_currencies_are_counted(site, visitor, monkeypatch):
    counting = Event()

    def slow(*_given):
        assert counting.wait(60)
        return ["EUR"]

    monkeypatch.setattr("ringfence.web.pages.performance.currencies", slow)
    client = visitor(site)
    try:
        page = client.get("/home?as=manager&range=24h")
    finally:
        counting.set()
    assert "data-counting" in page.text
    assert "Queue age" in page.text
    until(lambda: "data-counting" not in client.get("/home?as=manager&range=24h").text)


@pytest.mark.parametrize(
    "path", ["/home?as=manager&range=7d", "/performance?range=7d", "/rule/new_country/figures"]
)
def test_figures_wait_for_tables_that_catch_up_and_come_by_themselves(site, visitor, monkeypatch, path):
    """No page of figures is an error for that; it says how far the tables are behind, and asks again."""
    lake, behind = site.dashboard.of(RecordServices).lake, Event()
    asked, client, store = lake.sql, visitor(site), site.server.session.store

    def sql(text, *given, **named):
        if not behind.is_set():
            raise CatchingUpError("the analysis tables are 405,519 records of events behind the log")
        return asked(text, *given, **named)

    monkeypatch.setattr(lake, "sql", sql)
    monkeypatch.setattr("ringfence.web.parts.catching_up._LATE_SECONDS", -1.0)
    site.dashboard.cache._answers.clear()
    with closing(SqliteRoll(store.folder)) as roll:
        roll.declare("lake", [DECISIONS], 200_000)
        roll.pause("lake")
        page = client.get(path)
        roll.forget("lake")
    assert page.status_code == 200
    assert "Counting…" in page.text
    assert "No figures at the moment: the follower lake is paused" in page.text
    behind.set()
    until(lambda: "<progress" not in client.get(path).text)


def test_a_page_that_cannot_be_shown_now_says_when_and_tries_again(site, visitor, monkeypatch):
    """What needs no figure behind it may need the tables all the same, such as a download."""

    def sql(*_given, **_named):
        raise CatchingUpError("the analysis tables are behind")

    monkeypatch.setattr(site.dashboard.of(RecordServices).lake, "sql", sql)
    page = visitor(site).get("/performance/kpis/csv?since=2025-01-01T00:00&until=2025-02-01T00:00")
    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    assert '<meta http-equiv="refresh" content="5">' in page.text
    assert "catching up with the log" in page.text


def test_a_page_that_is_refused_because_too_much_is_asked_tries_again(site, visitor, monkeypatch):
    monkeypatch.setattr(site.server.pools.pages, "_most", 0)
    page = visitor(site).get("/home?as=manager&range=24h")
    assert (page.status_code, page.headers["retry-after"]) == (503, "2")
    assert '<meta http-equiv="refresh" content="2">' in page.text
    assert "tries again by itself in 2 seconds" in page.text


def test_a_follower_that_waits_for_a_full_file_is_not_called_behind(site, visitor):
    """The analysis tables are written in files of 200,000 rows: that fewer wait is nothing to see to."""
    client, store = visitor(site), site.server.session.store
    with closing(SqliteRoll(store.folder)) as roll:
        roll.declare("lake", [DECISIONS], 200_000)
        roll.report("lake", {DECISIONS: 0}, site.server.clock.now_ms())
        told = client.get("/home?as=engineer").text
        roll.forget("lake")
    lake = told[told.index(">lake ") :].partition("</p>")[0]
    assert "behind" not in lake
    assert f"{store.log.end_offset(DECISIONS):,} wait for its next batch" in lake
