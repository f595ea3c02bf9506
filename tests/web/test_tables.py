"""Tables, streams and the tour, in a browser."""

import csv
import io
import json

from playwright.sync_api import expect
from tests.web.test_pages import violations


def column(page, name):
    heads = page.locator("#results thead th").all_inner_texts()
    at = [one.strip(" ↑↓") for one in heads].index(name)
    return page.locator(f"#results tbody tr td:nth-child({at + 1})").all_inner_texts()


def test_a_list_is_sorted_trimmed_exported_and_kept_as_a_view(site, watched):
    page = watched.open(f"{site.url}/decisions")
    page.get_by_role("button", name="Amount").click()
    amounts = [float(one.split()[0].replace(",", "")) for one in column(page, "Amount")]
    assert amounts == sorted(amounts)
    page.get_by_role("button", name="Amount").click()
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Amount")
    page.locator("summary", has_text="Columns").click()
    page.get_by_label("Merchant", exact=True).uncheck()
    expect(page.locator("#results th", has_text="Merchant")).to_be_hidden()
    page.get_by_role("button", name="Compact").click()
    page.locator("summary", has_text="Views").click()
    page.get_by_label("Name of the view").fill("small ones")
    page.get_by_label("Name of the view").press("Enter")
    expect(page.get_by_role("link", name="small ones")).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("link", name="small ones")).to_have_count(0)
    assert violations(page) == []
    with page.expect_download() as told:
        page.get_by_role("button", name="CSV").click()
    rows = list(csv.reader(io.StringIO(told.value.path().read_text("utf-8"))))
    assert "Merchant" not in rows[0]
    assert [row[rows[0].index("Amount")] for row in rows[1:]] == column(page, "Amount")
    expect(page.locator("#results .table-bar")).to_contain_text("sort the rows of this page")
    page.reload()
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Amount")
    expect(page.locator("#results th", has_text="Merchant")).to_be_hidden()


def test_from_a_list_one_goes_on_to_the_next_record(site, watched):
    page = watched.open(f"{site.url}/decisions?rule=card_testing")
    links = page.locator("#results tbody td:first-child a")
    expect(links.first).to_be_in_viewport(ratio=1)
    [first, second] = [links.nth(at).inner_text() for at in (0, 1)]
    links.first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(first)
    expect(page.locator(".neighbours")).to_contain_text("1 of")
    page.keyboard.press("j")
    expect(page.get_by_role("heading", level=1)).to_have_text(second)
    page.keyboard.press("k")
    expect(page.get_by_role("heading", level=1)).to_have_text(first)


def test_a_topic_is_filtered_followed_and_exported(site, watched):
    page = watched.open(f"{site.url}/streams/events?offset=0")
    table = page.get_by_role("region", name="Messages")
    expect(table).to_contain_text("EUR")
    expect(table).to_contain_text("2025-01-01 00:00:00")
    page.get_by_label("Contains").fill("tx-0123")
    page.get_by_role("button", name="Show").click()
    expect(table.locator("tbody tr")).to_have_count(1)
    expect(table).to_contain_text("customer-3")
    page.get_by_label("Contains").fill("nowhere to be found")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("status").filter(has_text="0 of the")).to_be_visible()
    page.goto(f"{site.url}/streams/decisions")
    page.get_by_role("link", name="Follow").click()
    expect(page.locator("#messages")).to_contain_text("newest first")
    assert violations(page) == []
    page.goto(f"{site.url}/streams/events?match=tx-0123")
    with page.expect_download() as told:
        page.get_by_role("link", name="Export NDJSON").click()
    [line] = told.value.path().read_text("utf-8").splitlines()
    assert json.loads(line)["transaction_id"] == "tx-0123"
    answer = page.request.get(f"{site.url}/streams/events/export?offset=310")
    lines = [json.loads(line) for line in answer.text().splitlines()]
    assert [one["log_offset"] for one in lines] == list(range(310, 310 + len(lines)))


def test_the_tour_has_five_steps(site, watched):
    page = watched.open(f"{site.url}/home?tour=1")
    for step in range(1, 6):
        expect(page.locator(".tour")).to_contain_text(f"Step {step} of 5")
        if step in (1, 5):
            assert violations(page) == []
        if step < 5:
            page.get_by_role("link", name="Next step").click()
    page.get_by_role("link", name="Done").click()
    expect(page.locator(".tour")).to_have_count(0)


def test_a_view_is_there_in_another_browser_and_one_from_before_is_taken_over(site, watched):
    page = watched.open(f"{site.url}/decisions?outcome=decline")
    old = {
        "name": "from before",
        "href": "/decisions?outcome=review",
        "kept": {"hidden": ["Merchant"], "dense": True},
    }
    page.evaluate("one => localStorage.setItem('ringfence_views:/decisions', JSON.stringify([one]))", old)
    page.locator("summary", has_text="Views").click()
    expect(page.get_by_role("link", name="from before")).to_be_visible()
    page.get_by_label("Name of the view").fill("declined")
    page.get_by_label("Share with everybody").check()
    page.get_by_role("button", name="Save view").click()
    expect(page.get_by_role("link", name="declined")).to_be_visible()
    assert json.loads(page.evaluate("localStorage.getItem('ringfence_views:/decisions')")) == []
    page.evaluate("localStorage.clear()")
    page.goto(f"{site.url}/decisions")
    page.locator("summary", has_text="Views").click()
    expect(page.locator(".view", has_text="declined")).to_contain_text("shared by")
    page.get_by_role("link", name="from before").click()
    page.wait_for_url("**/decisions?outcome=review")
    expect(page.locator("#results th", has_text="Merchant")).to_be_hidden()
    page.locator("summary", has_text="Views").click()
    for left in (1, 0):
        page.locator(".view").get_by_role("button", name="Remove").first.click()
        expect(page.locator(".view")).to_have_count(left)


def remember_views(page, *views):
    page.evaluate("views => localStorage.setItem('ringfence_views:/decisions', JSON.stringify(views))", views)


def test_an_old_view_leaves_the_newer_one_on_the_server_as_it_is(site, watched):
    page = watched.open(f"{site.url}/decisions?outcome=decline")
    page.locator("summary", has_text="Views").click()
    page.get_by_label("Name of the view").fill("both")
    page.get_by_label("Share with everybody").check()
    page.get_by_role("button", name="Save view").click()
    expect(page.locator(".view", has_text="both")).to_contain_text("shared by")
    remember_views(page, {"name": "both", "href": "/decisions?outcome=review", "kept": {}})
    page.reload()
    page.locator("summary", has_text="Views").click()
    kept = page.locator(".view", has_text="both")
    expect(kept).to_contain_text("shared by")
    expect(kept.get_by_role("link")).to_have_attribute("href", "/decisions?outcome=decline")
    assert json.loads(page.evaluate("localStorage.getItem('ringfence_views:/decisions')")) == []
    kept.get_by_role("button", name="Remove").click()
    expect(page.locator(".view")).to_have_count(0)


def test_a_view_is_renamed_and_replaced_and_stays_shared(site, watched):
    page = watched.open(f"{site.url}/decisions?outcome=decline")
    page.locator("summary", has_text="Views").click()
    page.get_by_label("Name of the view").fill("first")
    page.get_by_label("Share with everybody").check()
    page.get_by_role("button", name="Save view").click()
    page.locator(".view", has_text="first").get_by_role("button", name="Rename").click()
    page.get_by_label("New name of first").fill("second")
    page.get_by_label("New name of first").press("Enter")
    kept = page.locator(".view", has_text="second")
    expect(kept).to_contain_text("shared by you")
    expect(kept.get_by_role("link")).to_have_attribute("href", "/decisions?outcome=decline")
    expect(page.locator(".view")).to_have_count(1)
    kept.get_by_role("button", name="Rename").click()
    page.get_by_label("New name of second").press("Escape")
    expect(kept.get_by_role("button", name="Rename")).to_be_visible()
    page.goto(f"{site.url}/decisions?outcome=review")
    page.locator("summary", has_text="Views").click()
    page.get_by_label("Name of the view").fill("second")
    expect(page.get_by_label("Share with everybody")).to_be_checked()
    page.get_by_role("button", name="Replace view").click()
    expect(kept.get_by_role("link")).to_have_attribute("href", "/decisions?outcome=review")
    expect(kept).to_contain_text("shared by you")
    assert violations(page) == []
    kept.get_by_role("button", name="Remove").click()
    expect(page.locator(".view")).to_have_count(0)


def test_an_old_view_that_is_refused_keeps_no_other_from_being_shown(site, watched):
    page = watched.open(f"{site.url}/decisions")
    refused = {"name": "of a card", "href": "/decisions?q=4111111111111111", "kept": {}}
    broken = {"name": "of nothing", "href": "http://[", "kept": {}}
    remember_views(page, None, refused, broken, {"name": "sound", "href": "/decisions", "kept": None})
    page.locator("summary", has_text="Views").click()
    expect(page.get_by_role("link", name="sound")).to_be_visible()
    expect(page.get_by_label("Name of the view")).to_be_visible()
    expect(page.locator(".view", has_text="of a card")).to_contain_text("token")
    expect(page.locator(".view", has_text="of nothing")).to_contain_text("It cannot be read.")
    assert violations(page) == []
    for left in (3, 2, 1):
        page.locator(".view").get_by_role("button", name="Discard").first.click()
        expect(page.locator(".view")).to_have_count(left)
    assert json.loads(page.evaluate("localStorage.getItem('ringfence_views:/decisions')")) == []
    page.locator(".view").get_by_role("button", name="Remove").click()
    expect(page.locator(".view")).to_have_count(0)
    watched.faults.clear()  # the browser notes the 422s


def test_a_query_is_saved_on_the_server_and_opened_in_another_browser(site, watched):
    page = watched.open(f"{site.url}/sql")
    old = [{"name": "from before", "text": "SELECT 1 AS a\n-- 100 % & more"}]
    page.evaluate("old => localStorage.setItem('ringfence_sql_saved', JSON.stringify(old))", old)
    page.evaluate("document.querySelector('.CodeMirror').CodeMirror.setValue('SELECT 2')")
    page.locator("summary", has_text="Saved queries").click()
    page.get_by_label("Name of the query").fill("two")
    page.get_by_label("Share with everybody").check()
    page.get_by_label("Name of the query").press("Enter")
    expect(page.locator("#saved .view", has_text="two")).to_contain_text("shared by you")
    assert violations(page) == []
    assert page.evaluate("localStorage.getItem('ringfence_sql_saved')") == "[]"
    page.evaluate("localStorage.clear()")
    page.reload()
    page.locator("summary", has_text="Saved queries").click()
    page.get_by_role("link", name="from before").click()
    assert page.locator("#statement").input_value() == old[0]["text"]
    page.locator("summary", has_text="Saved queries").click()
    page.goto(page.get_by_role("link", name="two").evaluate("link => link.href"))
    assert page.locator("#statement").input_value() == "SELECT 2"
    page.locator("summary", has_text="Saved queries").click()
    for left in (1, 0):
        page.locator("#saved .view").get_by_role("button", name="Remove").first.click()
        expect(page.locator("#saved .view")).to_have_count(left)
