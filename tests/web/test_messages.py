"""Records of the log in which a text stands."""

import re

from playwright.sync_api import expect

from ringfence.api.services import RecordServices
from ringfence.web.pages.operation.streams import _found as found
from ringfence.web.parts import messages


def test_a_text_is_looked_for_from_the_end_unless_an_offset_says_where(site):
    log = site.server.session.store.log
    start, end = log.start_offset("events"), log.end_offset("events")
    every = messages.page(site.dashboard.of(RecordServices), "events", str(start), "", end - start).messages
    oracle = [number for number, message in every if "transaction" in str(message).lower()]
    assert len(oracle) > 25
    shown = found(site.dashboard, "events", "", "", "Transaction")
    assert [number for number, _ in shown.messages] == oracle[-25:]
    assert (shown.first, shown.problem) == (oracle[-25], "")
    seen, half = oracle[-40:-20], oracle[-20]  # as if nobody had looked at what came later
    again = found(site.dashboard, "events", "", "", "transaction", (half, seen))
    assert [number for number, _ in again.messages] == oracle[-25:]
    alone = found(site.dashboard, "events", "", "", "transaction", (end, seen[-3:]))
    assert [number for number, _ in alone.messages] == seen[-3:]
    forwards = found(site.dashboard, "events", str(start), "", "transaction")
    assert [number for number, _ in forwards.messages] == oracle[:25]
    nowhere = found(site.dashboard, "events", "", "", "stands nowhere")
    assert (nowhere.messages, "0 of the last" in nowhere.problem) == ([], True)


def test_who_follows_a_text_goes_on_from_where_it_was(site, visitor):
    client = visitor(site)
    ask = {"follow": "true", "match": "transaction"}
    page = client.get("/streams/events", params=ask)
    end = site.server.session.store.log.end_offset("events")
    assert f"since={end}&amp;seen=" in page.text
    assert client.get("/streams/events", params=ask | {"seen": "1,x"}).status_code == 422


def test_a_decision_is_listed_with_amount_and_entity_of_its_payment(site, visitor):
    text = visitor(site).get("/streams/decisions?key=tx-0311").text
    payment = visitor(site).get("/streams/events?key=tx-0311").text
    row = re.compile(r'<td class="r num nowrap">(.*?)</td><td class="id">(.*?)</td>')
    [(amount, entity)] = row.findall(text)
    assert amount
    assert entity
    assert row.findall(payment) == [(amount, entity)]


def test_messages_are_filtered_followed_and_exported_with_keys_and_mouse(site, watched):
    page = watched.open(f"{site.url}/streams/decisions")
    rows = page.locator("#messages tbody tr")
    expect(rows).to_have_count(25)
    page.get_by_label("Contains").fill("CARD_TESTING")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**match=CARD_TESTING**")
    shown = rows.all_text_contents()
    assert shown
    assert all("CARD_TESTING" in one for one in shown)
    with page.expect_download() as export:
        page.get_by_role("link", name="Export NDJSON").click()
    lines = export.value.path().read_text().splitlines()
    assert lines
    assert all("CARD_TESTING" in one for one in lines)
    page.keyboard.press("f")
    page.wait_for_url("**follow=true**")
    with page.expect_response(lambda answer: "since=" in answer.url) as again:
        expect(page.get_by_text("newest first, every two seconds")).to_be_visible()
    assert again.value.ok
    page.keyboard.press("p")
    expect(page.get_by_text("newest first, every two seconds")).to_have_count(0)
