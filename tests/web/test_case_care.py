"""What the page of a case does so that nothing is lost, sent twice or decided unseen, in a real browser."""

import re

import pytest
from playwright.sync_api import expect
from tests.waiting import until
from tests.web.test_cases import guarded, office  # noqa: F401 (fixtures)

from ringfence.access.principal import Role
from ringfence.cases import wire
from ringfence.cases.actions import take_payment
from ringfence.cases.book import CaseQuery
from ringfence.cases.model import CaseState, Disposition, Noted, Payment
from ringfence.cases.policy import CasePolicy
from ringfence.desks.cases import CaseDesk
from ringfence.rulebook.desk import Who
from ringfence.scoring.rulesets.rules import Outcome


def notes(served, case):
    events = served.server.cases.desk.book.events(case)
    return [one.change.text for one in events if isinstance(one.change, Noted)]


def test_a_case_that_was_split_off_says_whom_its_payments_are_of(office, watched):  # noqa: F811
    desk, now = office.server.cases.desk, office.server.clock.now_ms()
    host = desk.book.case("C-1")
    one = desk.book.payments("C-1")[0]
    subject = host.subjects[0]
    part = desk.act("C-1", wire.Split(version=host.version, payments=[one.transaction_id]), Who("anna", now))
    page = watched.open(f"{office.url}/cases/{part.id}")
    head = page.locator(".head")
    expect(head).to_contain_text(f"split payments of {subject.entity_type} {subject.entity_id}")
    expect(page.locator(".places, [id=places], section:has(h2:text('Last places'))").first).to_be_visible()
    expect(page.locator(".linked")).not_to_contain_text(f"{subject.entity_type} {subject.entity_id}")
    page.goto(f"{office.url}/cases?q={part.id}")
    row = page.locator("table[data-preview] tbody tr")
    expect(row).to_contain_text(subject.entity_id)
    expect(row).to_contain_text("1 split payment")
    expect(page.locator("#preview")).to_contain_text(f"split payments of {subject.entity_type}")


def test_a_note_that_is_typed_goes_with_the_case_that_is_closed(office, watched):  # noqa: F811
    page = watched.open(f"{office.url}/cases/C-1")
    page.locator("#note").fill("She was in Brazil.")
    page.get_by_role("button", name="Genuine").click()
    page.wait_for_url(re.compile("done=C-1"))
    assert notes(office, "C-1") == ["She was in Brazil."]
    page.goto(f"{office.url}/cases/C-1")
    many = office.server.cases.desk.book.case("C-1").totals.payments
    expect(page.locator(".timeline .label")).to_have_text(
        [re.compile(f"{many} payments labelled genuine by case")]
    )
    expect(page.locator("#note")).to_have_value("")


def test_a_note_that_nobody_has_sent_is_there_again_and_never_for_somebody_else(guarded, watched):  # noqa: F811
    def enter(key, case):
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url(f"**/cases/{case}")

    anna, bob = (guarded.keys.create(name, frozenset({Role.ANALYST}), 0) for name in ("anna", "bob"))
    page = watched.open(f"{guarded.url}/cases/C-1")
    enter(anna, "C-1")
    page.locator("#note").fill("half a sent")
    page.get_by_role("button", name="Escalate").click()
    expect(page.locator(".head")).to_contain_text("escalated")
    expect(page.locator("#note")).to_have_value("half a sent")
    page.context.clear_cookies()
    page.goto(f"{guarded.url}/cases/C-1")
    enter(bob, "C-1")
    expect(page.locator("#note")).to_have_value("")
    page.context.clear_cookies()
    page.goto(f"{guarded.url}/cases/C-1")
    enter(anna, "C-1")
    expect(page.locator("#note")).to_have_value("half a sent")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("article .said")).to_have_text("half a sent")
    expect(page.locator("#note")).to_have_value("")
    page.locator("#note").fill("another")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in*")
    page.goto(f"{guarded.url}/cases/C-1")
    enter(anna, "C-1")
    expect(page.locator("#note")).to_have_value("")


def test_a_key_that_is_pressed_twice_does_it_once(office, watched):  # noqa: F811
    page = watched.open(f"{office.url}/cases/C-1")
    press = "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'g', bubbles: true }))"
    page.evaluate(f"{press}; {press}")
    page.wait_for_url(re.compile("done=C-1"))
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("key", ["Shift+f", "Control+g", "Alt+g", "Meta+b", "Control+Shift+e", "Alt+n"])
def test_no_shortcut_fires_while_a_modifier_is_held(office, watched, key):  # noqa: F811
    page = watched.open(f"{office.url}/cases/C-1")
    before = office.server.cases.desk.book.case("C-1").version
    page.keyboard.press(key)
    page.keyboard.press("?")  # what comes after it has been seen
    expect(page.locator("#shortcuts")).to_be_visible()
    expect(page.locator("#fraud")).to_be_hidden()
    assert office.server.cases.desk.book.case("C-1").version == before


def test_a_reason_survives_a_session_that_ends(guarded, watched):  # noqa: F811
    desk, now = guarded.server.cases.desk, guarded.server.clock.now_ms()
    seen = desk.book.case("C-1").version
    desk.act("C-1", wire.Close(version=seen, disposition=Disposition.INCONCLUSIVE), Who("anna", now))
    page = watched.open(f"{guarded.url}/cases/C-1")
    page.get_by_label("API key").fill(guarded.key(Role.ANALYST))
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/cases/C-1")
    page.get_by_label("Reason").fill("she called back")
    page.context.clear_cookies()
    page.get_by_role("button", name="Reopen").click()
    expect(page.locator("#session-over")).to_be_visible()
    expect(page.get_by_label("Reason")).to_have_value("she called back")
    assert desk.book.case("C-1").state is CaseState.CLOSED


def test_a_key_in_a_session_that_has_ended_does_nothing_and_says_so(guarded, watched):  # noqa: F811
    page = watched.open(f"{guarded.url}/cases/C-1")
    page.get_by_label("API key").fill(guarded.key(Role.ANALYST))
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/cases/C-1")
    expect(page.locator(".verbs")).to_be_visible()
    page.context.clear_cookies()
    page.keyboard.press("e")
    expect(page.locator("#session-over")).to_be_visible()
    expect(page.get_by_role("heading", name="C-1")).to_be_attached()
    assert not guarded.server.cases.desk.book.case("C-1").escalated


def test_a_second_person_sees_all_that_they_agree_to(office, watched):  # noqa: F811
    cases = office.server.cases.desk
    strict = CaseDesk(cases.book, CasePolicy(four_eyes_above=1), lambda text: text)
    seen = cases.book.case("C-1")
    asked = wire.Close(
        version=seen.version,
        disposition=Disposition.CONFIRMED_FRAUD,
        typology="stolen_card",
        payments=[cases.book.payments("C-1")[0].transaction_id],
        block=["card", "device"],
    )
    strict.act("C-1", asked, Who("anna", office.server.clock.now_ms()))
    page = watched.open(f"{office.url}/cases/C-1")
    verbs = page.locator(".verbs")
    expect(verbs).to_contain_text("anna proposes to close this case as confirmed fraud, stolen card")
    expect(verbs).to_contain_text(f"1 of {seen.totals.payments} payments labelled, card and device blocked")


def test_only_selected_payments_are_split_or_labelled(office, watched):  # noqa: F811
    desk = office.server.cases.desk
    page = watched.open(f"{office.url}/cases/C-1")

    def unfold():
        page.locator("summary", has_text="Payments of this case").click()

    unfold()
    page.get_by_role("button", name="Close the case").click()
    expect(page.get_by_role("alert")).to_contain_text("No payment is selected")
    assert desk.book.case("C-1").state is CaseState.OPEN
    unfold()
    page.get_by_role("button", name="Split off the selected").click()
    until(lambda: page.wait_for_timeout(20) or len(watched.faults) >= 2)  # the page before has the same alert
    expect(page.get_by_role("alert")).to_contain_text("No payment is selected")
    watched.faults.clear()  # the browser notes the 422s
    unfold()
    box = page.locator("input[name=payments]").first
    chosen = box.get_attribute("value")
    box.check()
    page.get_by_role("button", name="Close the case").click()
    expect(page.locator(".head")).to_contain_text("closed as confirmed fraud")
    assert desk.book.events("C-1")[-1].change.payments == [chosen]


def test_a_case_that_rests_says_until_when_and_why(office, watched):  # noqa: F811
    desk, now = office.server.cases.desk, office.server.clock.now_ms()
    asked = wire.Snooze(version=desk.book.case("C-1").version, minutes=60, reason="awaiting customer")
    desk.act("C-1", asked, Who("anna", now))
    one = Payment(
        transaction_id="tx-held",
        offset=0,
        event_time_ms=now,
        decided_at_ms=now,
        outcome=Outcome.REVIEW,
        score=50.0,
        entities={"customer": "customer-held"},
    )
    with desk.book.work() as work:
        held = take_payment(work, CasePolicy(hold_minutes=60), one)
    page = watched.open(f"{office.url}/cases?view=snoozed")
    row = page.locator("table[data-preview] tbody tr")
    expect(row.filter(has_text="snoozed until")).to_contain_text("awaiting customer")
    expect(row.filter(has_text="customer-held")).to_contain_text("held until")
    page.goto(f"{office.url}/cases/{held.id}")
    expect(page.locator(".head")).to_contain_text("held until")


def test_snoozed_cases_are_woken_in_bulk(office, watched):  # noqa: F811
    desk, now = office.server.cases.desk, office.server.clock.now_ms()
    for case in ("C-1", "C-2"):
        desk.act(case, wire.Snooze(version=desk.book.case(case).version, minutes=60), Who("anna", now))
    page = watched.open(f"{office.url}/cases?view=snoozed")
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#bulk")).to_contain_text("2 of 2 done")
    assert desk.book.case("C-1").snoozed_until_ms is None


def test_who_asks_for_a_case_in_vain_is_told_why(guarded, visitor):  # noqa: F811
    desk, now = guarded.server.cases.desk, guarded.server.clock.now_ms()
    for case in desk.page(CaseQuery(), now).cases:
        desk.act(case.id, wire.Assign(version=case.version), Who("bob", now))
    anna = visitor(guarded, Role.ANALYST)
    answer = anna.post("/cases/next", follow_redirects=True)
    assert "No case is ready for you" in answer.text


def test_a_heading_of_the_cases_sorts_all_of_them_and_others_say_that_they_sort_the_page(office, watched):  # noqa: F811
    """By the address, so that the order holds on the next page, after a reload and for a colleague."""
    book, now_ms = office.server.cases.book, office.server.clock.now_ms()
    every = CaseQuery(limit=200)
    losses = sorted((one.totals.loss for one in book.cases(every, now_ms)), reverse=True)
    page = watched.open(f"{office.url}/cases")
    table = page.locator("table[data-preview]")
    expect(page.locator(".bulk")).to_contain_text("the most urgent first")
    table.get_by_role("link", name="Expected loss").click()
    page.wait_for_url(re.compile("order=loss"))
    expect(table.locator("th[aria-sort=descending]")).to_contain_text("Expected loss")
    expect(page.locator(".bulk")).to_contain_text("the highest expected loss first")
    ids = [one.strip() for one in table.locator("tbody td a").all_inner_texts() if one.startswith("C-")]
    assert [book.case(one).totals.loss for one in ids] == losses[: len(ids)]
    table.get_by_role("link", name="Due").click()
    page.wait_for_url(re.compile("order=due"))
    expect(table.locator("th[aria-sort]")).to_have_count(1)
    expect(table.locator("th[aria-sort=ascending]")).to_contain_text("Due")
    table.get_by_role("link", name="Due").click()
    expect(page.locator(".bulk")).to_contain_text("the most urgent first")
    assert page.request.get(f"{office.url}/cases?order=nonsense").status == 422


def test_on_a_phone_the_note_stands_before_the_timeline(office, watched):  # noqa: F811
    page = watched.open(f"{office.url}/cases/C-1", viewport={"width": 390, "height": 844})
    note, timeline = page.locator("#note").bounding_box(), page.locator(".timeline").first.bounding_box()
    assert note["y"] < timeline["y"]
    assert note["width"] <= 390
    page.set_viewport_size({"width": 1280, "height": 800})
    note, timeline = page.locator("#note").bounding_box(), page.locator(".timeline").first.bounding_box()
    assert note["x"] > timeline["x"]


def test_a_note_is_kept_until_the_server_has_it(office, watched):  # noqa: F811
    """Whether the answer is an error or the server is gone between two requests."""
    page = watched.open(f"{office.url}/cases/C-1")

    def refuse(route):
        if route.request.method == "POST":
            route.fulfill(status=503, body="too busy", content_type="text/plain")
        else:
            route.continue_()

    page.locator("#note").fill("She was in Brazil.")
    page.route("**/cases/C-1", refuse)
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_text("too busy")).to_be_visible()
    page.unroute("**/cases/C-1")
    page.goto(f"{office.url}/cases/C-1")
    expect(page.locator("#note")).to_have_value("She was in Brazil.")
    assert notes(office, "C-1") == []
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("article .said")).to_have_text("She was in Brazil.")
    expect(page.locator("#note")).to_have_value("")
    watched.faults.clear()  # the 503


def test_a_note_that_was_changed_after_a_try_goes_as_it_is_now(office, watched):  # noqa: F811
    page = watched.open(f"{office.url}/cases/C-1")
    page.locator("#note").fill("She was in Brazil.")
    page.route("**/session", lambda route: route.abort())
    page.get_by_role("button", name="Genuine").click()
    expect(page.get_by_text("The server cannot be reached")).to_be_visible()
    page.unroute("**/session")
    page.locator("#note").fill("She was in Brazil until May.")
    page.get_by_role("button", name="Genuine").click()
    page.wait_for_url(re.compile("done=C-1"))
    assert notes(office, "C-1") == ["She was in Brazil until May."]
    page.goto(f"{office.url}/cases/C-1")
    expect(page.locator("#note")).to_have_value("")
    watched.faults.clear()  # the request that failed
