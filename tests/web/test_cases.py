"""Where analysts work: the queue, one case, the palette and the help, in a real browser."""

import os
import re
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect
from tests.web.conftest import serving
from tests.web.sample import DAY_MS, HOSTILE, START_MS, fill, payment
from tests.web.test_pages import violations

from ringfence.access.principal import Role
from ringfence.adapters.cases import CaseFollower
from ringfence.cases import wire
from ringfence.cases.model import Disposition
from ringfence.follow import catch_up
from ringfence.rulebook.desk import Who

PICTURES = os.environ.get("RINGFENCE_PICTURES")  # a folder for what the pages look like


def follow(served):
    store = served.dashboard.store
    with closing(CaseFollower(store.log, store.folder, served.server.cases.desk.policy)) as follower:
        catch_up(store.log, follower)


def decline(served, number, *, customer, headers=None, **fields):
    """A payment with a card that is on a block list."""
    time_ms = START_MS + 50 * DAY_MS + number * 60_000
    sent = payment(number, time_ms, customer_id=customer, card_id="stolen-card", **fields)
    answer = httpx.post(f"{served.url}/v1/decisions", json=sent, headers=headers, timeout=60).json()
    assert answer["outcome"] == "decline", answer


def prepared(served, headers=None):
    fill(served.url, headers)
    entry = {
        "list": "stolen",
        "kind": "block",
        "entries": [{"entity_id": "stolen-card", "entity_type": "card"}],
    }
    httpx.post(f"{served.url}/v1/lists/entries", json=entry, headers=headers, timeout=60).raise_for_status()
    for number in range(10):
        customer = f"customer-{number % 3}"
        amount = "889.00" if number == 0 else "45.00"
        decline(served, 700 + number, customer=customer, amount=amount, country="BR", headers=headers)
    decline(served, 720, customer=HOSTILE, headers=headers)
    follow(served)


@pytest.fixture
def office(tmp_path):
    with serving(tmp_path / "data") as served:
        prepared(served)
        yield served


@pytest.fixture
def guarded(tmp_path):
    with serving(tmp_path / "data", with_keys=True) as served:
        prepared(served, {"authorization": f"Bearer {served.key(Role.ADMIN)}"})
        yield served


def picture(page, name):
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=False)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_queue_and_a_case_can_be_used_by_all(office, watched, theme):
    page = watched.open(f"{office.url}/cases", color_scheme=theme)
    preview = page.locator("#preview")
    expect(preview.locator(".verdict")).to_contain_text("Declined")
    expect(preview.locator(".strip")).to_contain_text("Amount")
    assert violations(page) == []
    picture(page, f"cases-{theme}")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("tr[aria-selected=true]")).to_have_count(1)
    first = page.locator("table[data-preview] tbody tr").first.locator("a").first
    first.click()
    expect(page.locator(".verdict")).not_to_be_empty()
    expect(page.locator(".strip .odd").first).to_be_visible()
    assert violations(page) == []
    picture(page, f"case-{theme}")
    page.keyboard.press("?")
    help_of_page = page.locator("#shortcuts")
    for does in ("confirm fraud", "close as genuine", "write a note", "next case", "go to a page"):
        expect(help_of_page).to_contain_text(does)
    assert violations(page) == []
    picture(page, f"help-{theme}")


def test_an_analyst_works_the_queue_with_keys_alone(office, watched):
    page = watched.open(f"{office.url}/cases")
    page.keyboard.press("n")
    page.wait_for_url(re.compile(r"/cases/C-\d+$"))
    first = page.url.rpartition("/")[2]
    expect(page.locator(".stats")).to_contain_text("local")
    page.keyboard.press("m")
    page.keyboard.type("<b>asked</b> her, f g b are letters here")
    page.keyboard.press("Control+Enter")
    expect(page.locator("article .said")).to_have_text("<b>asked</b> her, f g b are letters here")
    page.keyboard.press("f")
    page.locator("#typology").select_option("stolen_card")
    page.get_by_label("Block the device").check()
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile(r"done="))
    expect(page.locator(".notice")).to_contain_text(f"{first} is closed")
    second = re.search(r"C-\d+", page.url)[0]
    assert second != first
    page.keyboard.press("Control+f")
    page.keyboard.press("g")
    page.wait_for_url(re.compile(rf"done={second}"))
    expect(page.locator(".notice")).to_contain_text(f"{second} is closed as genuine.")
    page.keyboard.press("u")  # that was a mistake
    page.wait_for_url(re.compile(rf"/cases/{second}$"))
    assert office.server.cases.book.case(second).state == "open"
    expect(page.locator(".notice")).to_contain_text("stay labelled as genuine until you decide it again")
    page.goto(f"{office.url}/cases?done={second}")
    expect(page.locator(".notice")).to_have_text(f"{second} is closed.")
    expect(page.locator("[data-hotkey=u]")).to_have_count(0)
    labels = office.server.annotations.labels_of
    closed = office.server.cases.book.case(first)
    payments = office.server.cases.book.payments(first)
    assert closed.finding.typology == "stolen_card"
    assert payments
    assert all(labels(one.transaction_id)[-1]["label"] for one in payments)
    page.goto(f"{office.url}/lists/confirmed_fraud")
    expect(page.locator("main")).to_contain_text("device-")
    page.goto(f"{office.url}/cases?view=closed")
    expect(page.locator("table.rows")).to_contain_text("confirmed fraud")
    page.goto(f"{office.url}/decisions/{payments[0].transaction_id}")
    page.keyboard.press("c")
    page.wait_for_url(re.compile(rf"/cases/{first}$"))
    expect(page.locator(".timeline .label").first).to_contain_text("labelled fraud by case")


def test_a_case_names_the_payment_that_it_compares_and_folds_what_is_long_ago(office, watched):
    page = watched.open(f"{office.url}/cases/C-1")
    lead = page.locator(".lead a").inner_text()
    amounts = {one.transaction_id: one.amount for one in office.server.cases.book.payments("C-1")}
    expect(page.locator(".lead")).to_contain_text(f"the strictest of {len(amounts)} payments")
    expect(page.locator(".strip")).to_contain_text(f"{amounts[lead]:,.2f} EUR")
    expect(page.locator(".timeline").first.locator("li")).to_have_count(20)
    page.goto(f"{office.url}/cases/C-1?zone=Asia/Tokyo")
    expect(page.locator(".strip")).to_contain_text(" Asia/Tokyo")
    expect(page.locator(".strip")).not_to_contain_text(" UTC")
    earlier = page.locator(".timeline").last
    expect(earlier).not_to_be_visible()
    page.locator("summary").filter(has_text="earlier").click()
    expect(earlier).to_be_visible()


def test_no_next_case_is_told_also_where_none_waits_at_all(office, watched):
    page = watched.open(f"{office.url}/cases")
    for box in page.locator("input[name=chosen]").all():
        box.check()
    page.get_by_label("Action", exact=True).select_option("close")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#bulk")).to_contain_text("done")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Next case").click()
    expect(page.locator(".notice")).to_have_text("No case is ready for you at the moment.")


def test_a_stale_page_says_what_changed_and_keeps_what_was_typed(office, watched):
    page = watched.open(f"{office.url}/cases/C-1")
    case = office.server.cases.book.case("C-1")
    note = {"action": "note", "version": case.version, "text": "the bank called"}
    assert httpx.post(f"{office.url}/v1/cases/C-1", json=note, timeout=60).status_code == 200
    page.locator("#note").fill("my long note")
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_role("alert")).to_contain_text("added a note")
    expect(page.locator("#note")).to_have_value("my long note")
    watched.faults.clear()  # the console names the 409
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("article .said").first).to_have_text("my long note")


def test_the_palette_finds_pages_actions_cases_rules_and_ids(office, watched):
    page = watched.open(f"{office.url}/cases/C-1")
    palette = page.locator("#palette")
    page.keyboard.press("Control+k")
    page.keyboard.type("genu")
    expect(palette.get_by_role("option").first).to_contain_text("close as genuine")
    for text, kind in (
        ("card_test", "rule"),
        ("C-2", "case"),
        ("customer-1", "case"),
        ("customer-", "customer"),  # and not only those that a case is about
        ("stol", "list"),
        ("tx-0311", "decision"),
    ):
        palette.locator("input").fill(text)
        expect(palette.get_by_role("option").filter(has_text=kind).first).to_be_visible()
    assert violations(page) == []
    picture(page, "palette")
    palette.locator("input").fill("card_te")  # merchant_fraud_rate has these letters in this order, too
    expect(palette.get_by_role("option").first).to_contain_text("card_testing")
    palette.locator("input").fill("quarant")
    expect(palette.get_by_role("option").first).to_contain_text("Quarantine")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/quarantine"))


def test_the_beginning_of_a_cases_number_finds_the_case_and_those_that_go_on_with_it(office):
    for number in range(9):
        decline(office, 800 + number, customer=f"other-{number}")
    follow(office)
    with httpx.Client(base_url=office.url, timeout=60) as client:
        client.headers["x-csrf-token"] = client.get("/session").json()["csrf"]
        found = {
            text: [hit["label"].split()[0] for hit in client.post("/find", data={"q": text}).json()]
            for text in ("C-1", "c-2", "C-12")
        }
    assert found == {"C-1": ["C-1", "C-10", "C-11", "C-12", "C-13"], "c-2": ["C-2", "C-20"], "C-12": ["C-12"]}


def test_a_case_is_decided_on_a_phone(office, watched):
    page = watched.open(f"{office.url}/cases", viewport={"width": 390, "height": 844})
    header = page.locator("header.side").bounding_box()
    assert header["height"] < 80
    picture(page, "phone-cases")
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("link", name="Rules", exact=True)).to_be_visible()
    page.goto(f"{office.url}/cases/C-1")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    picture(page, "phone-case")
    page.get_by_role("button", name="Genuine").click()
    page.wait_for_url(re.compile("done=C-1"))


def test_many_cases_are_chosen_and_treated_at_once(office, watched):
    page = watched.open(f"{office.url}/cases")
    for box in page.locator("input[name=chosen]").all()[:2]:
        box.check()
    page.get_by_label("Action", exact=True).select_option("snooze")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#bulk")).to_contain_text("2 of 2 done")
    page.goto(f"{office.url}/cases?view=snoozed")
    expect(page.locator("input[name=chosen]")).to_have_count(2)


def test_pages_of_cases_ask_for_the_role_and_refuse_what_cannot_be(guarded, visitor):
    stranger = visitor(guarded)
    assert stranger.get("/cases").status_code == 303
    for path in ("/cases/C-1", "/cases/C-1/preview"):
        assert stranger.get(path).status_code == 303
    assert stranger.post("/cases/next").status_code == 403
    anna = visitor(guarded, Role.ANALYST)
    page = anna.get("/cases/C-1").text
    assert HOSTILE not in anna.get("/cases").text
    assert "Text for the customer" in page
    version = guarded.server.cases.book.case("C-1").version
    for form, status in (
        ({"action": "note", "version": version, "text": "  "}, 422),
        ({"action": "explode", "version": version}, 422),
        ({"action": "close", "version": version, "disposition": "guilty"}, 422),
        ({"action": "approve", "version": version}, 409),
        ({"action": "note", "version": 1, "text": "kept"}, 409),
        ({"action": "note", "version": version, "text": "x" * 10_001}, 422),
    ):
        answer = anna.post("/cases/C-1", data=form)
        assert answer.status_code == status, (form, answer.text[:300])
    assert "kept" in anna.post("/cases/C-1", data={"action": "note", "version": 1, "text": "kept"}).text
    assert anna.get("/cases/C-99").status_code == 404
    assert anna.get("/cases?view=nothing").status_code == 404
    bare = visitor(guarded, Role.ANALYST)
    bare.headers.pop("x-csrf-token")
    assert bare.post("/cases/C-1", data={"action": "wake", "version": 1}).status_code == 403


def test_the_page_of_a_case_tells_of_a_report_to_the_role_compliance_alone(guarded, visitor, monkeypatch):
    desk = guarded.server.cases.desk
    case = guarded.server.cases.book.case("C-1")
    close = wire.Close(version=case.version, disposition=Disposition.CONFIRMED_FRAUD)
    desk.act("C-1", close, Who("bob", case.changed_ms))
    said = "made a suspicious-activity report"
    carla = visitor(guarded, Role.COMPLIANCE)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "reportlab.lib", None)
        refused = carla.post("/cases/C-1/report", data={"form": "pdf"})
    assert (refused.status_code, "ringfence[reports]" in refused.text) == (422, True)
    assert said not in carla.get("/cases/C-1").text
    assert carla.post("/cases/C-1/report", data={"form": "pdf"}).content.startswith(b"%PDF-")
    seen_by_an_analyst = visitor(guarded, Role.ANALYST).get("/cases/C-1").text
    assert said not in seen_by_an_analyst
    assert "report needs the role compliance" in seen_by_an_analyst
    assert said not in visitor(guarded, Role.ADMIN).get("/cases/C-1").text
    assert said in carla.get("/cases/C-1").text


def test_the_palette_says_where_ids_could_not_be_searched(office, watched):
    page = watched.open(f"{office.url}/cases")
    page.route("**/find", lambda route: route.fulfill(status=503, body="too busy"))
    page.keyboard.press("Control+k")
    page.locator("#palette input").fill("card_te")
    expect(page.locator("#palette").get_by_role("option").last).to_contain_text("could not be searched")
    watched.faults.clear()  # the browser notes the 503
