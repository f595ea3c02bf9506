"""What an analyst does, done by a browser."""

import httpx
from playwright.sync_api import expect
from tests.waiting import until
from tests.web.sample import CARD, DAY_MS, START_MS, payment

from ringfence.access.principal import Role
from ringfence.access.sessions import COOKIE


def send(served, number, **fields):
    """A payment that is decided now."""
    time_ms = START_MS + 60 * DAY_MS + number * 1000
    answer = httpx.post(f"{served.url}/v1/decisions", json=payment(number, time_ms, **fields), timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_decision_appears_on_the_live_page_when_it_is_made_and_leads_to_its_own(site, watched):
    page = watched.open(site.url)
    expect(page.locator("#stream-state")).to_have_text("connected")
    send(site, 9001)
    link = page.get_by_role("link", name="tx-9001")
    link.wait_for()
    expect(page.locator("[data-f=approve]")).not_to_have_text("–")
    link.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("tx-9001")


def test_the_live_page_pauses_counts_what_passes_by_and_goes_on(site, watched):
    page = watched.open(site.url)
    expect(page.locator("#stream-state")).to_have_text("connected")
    page.keyboard.press("p")
    for number in range(9010, 9013):
        send(site, number)
    expect(page.locator("#sampled")).to_have_text("paused: 3 passed by")
    assert page.get_by_role("link", name="tx-9012").count() == 0
    page.get_by_role("button", name="Go on").click()
    send(site, 9013)
    page.get_by_role("link", name="tx-9013").wait_for()


def test_the_live_page_shows_what_passes_its_filter(site, watched):
    page = watched.open(site.url)
    page.locator("#watched").fill("shop-only")
    page.locator("#sieve select[name=entity]").select_option("merchant")
    expect(page.locator("#stream-state")).to_have_text("connected")
    until(lambda: any(one._sieve.entity == "merchant" for one in site.dashboard.activity._listeners))
    send(site, 9020)
    send(site, 9021, merchant_id="shop-only")
    page.get_by_role("link", name="tx-9021").wait_for()
    assert page.get_by_role("link", name="tx-9020").count() == 0


def test_a_thousand_a_second_are_sampled_and_the_share_is_told(site, watched):
    page = watched.open(site.url)
    expect(page.locator("#stream-state")).to_have_text("connected")
    lines = [payment(20_000 + number, START_MS + 61 * DAY_MS + number) for number in range(1000)]
    answer = httpx.post(f"{site.url}/v1/events/batch", json=lines, timeout=60)
    assert answer.status_code == 200
    expect(page.locator("#sampled")).to_contain_text("showing")
    assert page.locator("#feed tr").count() <= 120


def test_a_filter_narrows_the_list_while_it_is_typed_and_the_address_keeps_it(site, watched):
    page = watched.open(f"{site.url}/decisions")
    page.get_by_label("decline").check()
    expect(page.locator("#results .badge").first).to_have_text("decline")
    page.get_by_label("Id of the entity").press_sequentially(CARD)
    page.wait_for_url(f"**entity_id={CARD}*")
    total = page.locator("#results h2").inner_text()
    page.reload()
    assert page.locator("#results h2").inner_text() == total
    assert page.get_by_label("decline").is_checked()
    page.goto(f"{site.url}/decisions?min_score=999")
    expect(page.get_by_role("alert")).to_contain_text("cannot be used")


def test_page_after_page_leads_back_in_time(site, watched):
    page = watched.open(f"{site.url}/decisions?until=2025-02-10T00:00")
    first = page.locator("#results tbody tr:last-child time").inner_text()
    page.get_by_role("link", name="Older").click()
    second = page.locator("#results tbody tr:first-child time").inner_text()
    assert second <= first
    page.get_by_role("link", name="Newest").click()
    assert page.locator("#results tbody tr:last-child time").inner_text() == first


def test_a_decision_is_made_again_from_the_log_and_is_the_same(site, watched):
    page = watched.open(f"{site.url}/decisions/tx-0311")
    page.get_by_role("button", name="Re-run and verify this decision").click()
    expect(page.locator("#replay")).to_contain_text("bit for bit", timeout=30_000)


def test_the_search_finds_payments_and_entities_and_says_when_there_is_nothing(site, watched):
    page = watched.open(site.url)
    for typed, heading in (("tx-0311", "tx-0311"), (CARD, CARD), ("device-2", "device-2")):
        page.keyboard.press("/")
        page.keyboard.type(typed)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    page.get_by_role("searchbox").fill("nobody")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    watched.faults.clear()  # the browser notes the 404


def test_everything_can_be_reached_by_keyboard(site, watched):
    page = watched.open(site.url)
    for key, path in (
        ("d", "/decisions"),
        ("s", "/streams"),
        ("q", "/quarantine"),
        ("y", "/system"),
        ("l", "/"),
    ):
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(site.url + path)
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.goto(f"{site.url}/decisions")
    page.keyboard.press("j")
    page.keyboard.press("j")
    chosen = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(chosen)
    page.goto(site.url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"


def test_entities_that_share_a_device_are_shown(site, watched):
    page = watched.open(f"{site.url}/entities/card/{CARD}")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="device-2", exact=True)).first
    expect(row).to_contain_text("card-2")


def test_a_bad_record_is_tried_again_and_what_was_put_right_becomes_an_event(site, watched):
    page = watched.open(f"{site.url}/quarantine")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("row", name="malformed").get_by_role("button").click()
    expect(page.get_by_role("status").filter(has_text="Retried")).to_contain_text("1 truncated, 1 malformed")
    page.locator("table[data-rows] tbody tr td:last-child a").first.click()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#record")).to_contain_text("Retried")


def test_messages_are_read_by_offset_and_by_key(site, watched):
    page = watched.open(f"{site.url}/streams/events")
    page.get_by_label("Transaction id").fill("tx-0042")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("details.message pre")).to_contain_text('"transaction_id": "tx-0042"')
    page.get_by_label("From offset").fill("0")
    page.get_by_label("Transaction id").fill("")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("details.message").first).to_contain_text("profile")
    page.get_by_role("link", name="Later").click()
    expect(page.locator("#messages tbody td").first).to_have_text("25")


def test_two_people_at_once_see_the_same_and_one_signing_out_leaves_the_other(locked, watched):
    pages = []
    for role in (Role.ANALYST, Role.ADMIN):
        page = watched.open(f"{locked.url}/decisions?outcome=decline")
        page.get_by_label("API key").fill(locked.key(role))
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/decisions?outcome=decline")
        pages.append(page)
    one, other = pages
    assert one.locator("#results h2").inner_text() == other.locator("#results h2").inner_text()
    one.get_by_role("button", name="Sign out").click()
    one.wait_for_url("**/sign-in")
    other.reload()
    expect(other.locator("#results h2")).to_be_visible()


def test_a_session_that_ends_in_the_middle_loses_nothing_on_the_page(locked, watched, visitor):
    page = watched.open(f"{locked.url}/decisions")
    page.get_by_label("API key").fill(locked.key(Role.ANALYST))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/decisions")
    page.context.clear_cookies()
    page.get_by_label("Reason").fill("CARD_TESTING")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#session-over")).to_be_visible()
    fresh = visitor(locked, Role.ANALYST)
    page.context.add_cookies([{"name": COOKIE, "value": fresh.cookies[COOKIE], "url": locked.url}])
    page.get_by_role("button", name="I have signed in").click()
    expect(page.locator("#session-over")).to_be_hidden()
    assert page.get_by_label("Reason").input_value() == "CARD_TESTING"
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#results .code").first).to_have_text("CARD_TESTING")
    watched.faults.clear()  # the browser notes the 401


def test_a_page_that_is_left_open_leaves_nothing_behind(site, watched):
    pages = [watched.open(site.url) for _ in range(3)]
    for page in pages:
        expect(page.locator("#stream-state")).to_have_text("connected")
    for page in pages:
        page.close()
    until(lambda: not site.dashboard.watchers)
