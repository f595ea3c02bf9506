"""What an analyst does with several cases at once, in a real browser."""

import re

import httpx
from playwright.sync_api import expect
from tests.web.test_cases import guarded, office  # noqa: F401 (fixtures)

from ringfence.access.principal import Role
from ringfence.access.sessions import COOKIE
from ringfence.cases import wire
from ringfence.cases.model import SYSTEM, Alerted, CaseEvent, CaseState, Disposition
from ringfence.cases.policy import CasePolicy
from ringfence.desks.cases import CaseDesk
from ringfence.rulebook.desk import Who
from ringfence.web.investigate.case_workup import _alerts


def test_a_merged_case_still_compares_its_payment_with_what_is_usual(office, watched):  # noqa: F811
    desk, now = office.server.cases.desk, office.server.clock.now_ms()
    for other in ("C-2", "C-3", "C-4"):  # the subject of the last comes before that of the payment
        seen = [desk.book.case(one).version for one in ("C-1", other)]
        desk.act("C-1", wire.Merge(version=seen[0], other=other, other_version=seen[1]), Who("anna", now))
    page = watched.open(f"{office.url}/cases/C-1")
    expect(page.locator(".timeline").first).to_contain_text("added the payments of 3 cases: C-2, C-3, C-4")
    expect(page.locator(".strip")).to_contain_text("Amount")
    ours = page.locator("summary", has_text="Assign, move, snooze or merge").bounding_box()
    assert ours["y"] < page.locator(".timeline").first.bounding_box()["y"]
    host = desk.book.case("C-1")
    one = [desk.book.payments("C-1")[0].transaction_id]
    part = desk.act("C-1", wire.Split(version=host.version, payments=one), Who("anna", now))
    page.goto(f"{office.url}/cases/{part.id}")
    expect(page.locator(".timeline").first).to_contain_text("added payments from C-1")
    expect(page.locator(".head")).to_contain_text("split payments")


def test_all_cases_of_a_page_are_selected_by_one_tick(office, watched):  # noqa: F811
    page = watched.open(f"{office.url}/cases")
    page.get_by_label("Select all on this page").check()
    every = page.locator("tbody input[name=chosen]")
    assert every.count() == page.locator("tbody input[name=chosen]:checked").count() > 1
    page.get_by_label("Action", exact=True).select_option("escalate")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#bulk")).to_contain_text(re.compile(r"(\d+) of \1 done"))


def test_what_waits_for_a_second_person_is_approved_in_bulk(office, watched):  # noqa: F811
    cases = office.server.cases.desk
    strict = CaseDesk(cases.book, CasePolicy(four_eyes_above=1), lambda text: text)
    seen = cases.book.case("C-1")
    asked = wire.Close(version=seen.version, disposition=Disposition.FALSE_POSITIVE)
    strict.act("C-1", asked, Who("anna", office.server.clock.now_ms()))
    page = watched.open(f"{office.url}/notifications")
    page.get_by_role("link", name="a case to approve").click()
    expect(page.get_by_label("Action", exact=True).locator("option")).to_have_text(["Approve"])
    page.get_by_label("Select C-1").check()
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#bulk")).to_contain_text("1 of 1 done")
    assert cases.book.case("C-1").state is CaseState.CLOSED


def test_a_sheet_says_where_its_rules_could_not_be_checked(office, watched):  # noqa: F811
    """Whoever activates a version has to know that the warnings on it never came."""
    with httpx.Client(base_url=office.url, timeout=60) as client:
        head = client.get("/v1/rules").json()["active"]
    page = watched.open(office.url)
    page.route("**/rules/impact/warnings*", lambda route: route.fulfill(status=503, body="too busy"))
    page.goto(f"{office.url}/rules/impact?version={head}")
    expect(page.locator("[data-failed]")).to_contain_text("could not be checked")
    watched.faults.clear()  # the browser notes the 503


def test_a_note_is_still_there_when_the_session_ends_while_it_is_written(guarded, watched, visitor):  # noqa: F811
    page = watched.open(f"{guarded.url}/cases/C-1")
    page.get_by_label("API key").fill(guarded.key(Role.ANALYST))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/cases/C-1")
    page.get_by_label("Note", exact=True).last.fill("She knows the shop.")
    page.context.clear_cookies()
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("#session-over")).to_be_visible()
    assert guarded.server.cases.desk.book.case("C-1").notes == 0
    fresh = visitor(guarded, Role.ANALYST)
    page.context.add_cookies([{"name": COOKIE, "value": fresh.cookies[COOKIE], "url": guarded.url}])
    page.get_by_role("button", name="I have signed in").click()
    expect(page.locator("#session-over")).to_be_hidden()
    page.get_by_role("button", name="Add note").click()
    expect(page.locator(".reason .said")).to_have_text("She knows the shop.")
    watched.faults.clear()  # the browser notes the 401


def test_a_reopened_case_still_says_how_it_was_closed(office, watched):  # noqa: F811
    desk, now = office.server.cases.desk, office.server.clock.now_ms()
    seen = desk.book.case("C-1").version
    found = wire.Close(version=seen, disposition=Disposition.INCONCLUSIVE)
    closed = desk.act("C-1", found, Who("anna", now))
    page = watched.open(f"{office.url}/cases/C-1")
    page.get_by_label("Reason").fill("she called back")
    page.get_by_role("button", name="Reopen").click()
    expect(page.locator(".head")).to_contain_text("earlier outcome: inconclusive, anna")
    assert desk.book.case("C-1").version > closed.version
    box, panel = page.locator(".linked th").last, page.locator("section", has=page.locator(".linked"))
    right = panel.bounding_box()["x"] + panel.bounding_box()["width"]
    assert box.bounding_box()["x"] + box.bounding_box()["width"] <= right  # its frauds are on the screen


def test_a_merged_case_leads_to_where_its_payments_are(office, watched):  # noqa: F811
    desk, now = office.server.cases.desk, office.server.clock.now_ms()
    versions = [desk.book.case(one).version for one in ("C-1", "C-2")]
    desk.act("C-1", wire.Merge(version=versions[0], other="C-2", other_version=versions[1]), Who("anna", now))
    page = watched.open(f"{office.url}/cases/C-2")
    expect(page.get_by_text("Its payments are in C-1.")).to_be_visible()


def test_a_line_of_many_alerts_counts_each_kind_apart():
    """Titles have commas of their own: "new device, high, new location, medium (2)" was no list."""
    titles = ["unusual amount, medium", "new device, high", "unusual amount, medium"]
    events = [
        CaseEvent(case="C-1", version=at, at_ms=at, by=SYSTEM, change=Alerted(alert=f"A-{at}", title=title))
        for at, title in enumerate(titles, 1)
    ]
    assert _alerts(events) == "added 3 alerts: 2 × unusual amount, medium; new device, high"
