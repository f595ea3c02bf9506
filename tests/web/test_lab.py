"""The rule lab and a rule's own page, in a browser."""

import re

import httpx
import pytest
from playwright.sync_api import expect
from tests.web.conftest import make_the_change, serving
from tests.web.sample import fill
from tests.web.test_pages import violations


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A server whose rules these tests change."""
    with serving(tmp_path_factory.mktemp("lab") / "data") as served:
        fill(served.url)
        yield served


def typed(page, text):
    """Replace the condition, as typing would."""
    page.locator("[data-pane=form] .CodeMirror").click()
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def test_a_new_rule_is_completed_tried_and_taken_through_its_life(own, watched):
    page = watched.open(f"{own.url}/rules")
    page.get_by_role("link", name="New rule").click()
    expect(page.locator("#lab-said")).to_contain_text("fires on")
    typed(page, "card.count_1")
    expect(page.locator(".CodeMirror-hints")).to_contain_text("card.count_1h")
    expect(page.locator(".CodeMirror-hints")).to_contain_text("median")
    page.keyboard.press("Escape")
    typed(page, "amont > 40")
    expect(page.locator("#lab-said")).to_contain_text("did you mean amount?")
    expect(page.locator(".CodeMirror .wrong").first).to_be_visible()
    typed(page, "amount > 90")
    expect(page.locator("#lab-said")).to_contain_text("Valid")
    expect(page.locator("[data-lab-numbers]")).to_contain_text("Extra stopped a day", timeout=60_000)
    expect(page.locator("#tried figure canvas").first).to_be_visible()
    slider = page.get_by_role("slider")
    slider.fill("12")
    expect(page.locator("output")).to_contain_text("recall")
    tried = "document.getElementById('settings').dataset.when"
    page.evaluate(f"{tried} = 'amount > 80'")  # figures of another condition have other places
    page.get_by_role("button", name="Use").click()
    expect(page.locator("[data-pane=form] .CodeMirror-code")).to_contain_text("amount > 90")
    page.evaluate(f"{tried} = 'amount > 90'")
    page.get_by_role("button", name="Use").click()
    expect(page.locator("[data-pane=form] .CodeMirror-code")).to_contain_text("amount > 270")
    told = "title: T\nwhen: x\nanalyst: |-\n  a\n\n  b\nmode: draft\ntags:\n- a\nparameters:\n  y: 3\n"
    assert page.evaluate("deciding", told) == "when: x\nparameters:\n  y: 3\n"
    page.get_by_role("button", name="YAML").click()
    expect(page.locator("[data-pane=yaml] .CodeMirror-code")).to_contain_text("when: amount > 270")
    assert violations(page) == []
    page.get_by_role("button", name="Theme").click()
    assert violations(page) == []
    page.get_by_role("button", name="Form").click()
    page.get_by_label("Id", exact=True).fill("from_the_lab")
    expect(page.locator("#lab-text")).to_have_value(re.compile("id: from_the_lab"))
    kept = len(httpx.get(f"{own.url}/v1/rules").json()["changes"])
    page.get_by_label("Id", exact=True).press("Enter")  # saves nothing: no stage was chosen
    page.get_by_role("button", name="Run in shadow").click()
    make_the_change(page.locator("#answer"), "Run in shadow")
    page.wait_for_url("**/rule/from_the_lab")
    assert len(httpx.get(f"{own.url}/v1/rules").json()["changes"]) == kept + 1
    expect(page.locator(".life [aria-current]")).to_have_text("shadow")
    expect(page.locator("main")).to_contain_text("It has not fired on any stored payment.")
    page.get_by_role("link", name="Edit in the lab").click()
    page.get_by_role("button", name="Activate for 10 %").click()
    make_the_change(page.locator("#answer"), "Activate for 10 %")
    page.wait_for_url("**/rule/from_the_lab")
    expect(page.locator(".life [aria-current]")).to_have_text("10 %")
    book = httpx.get(f"{own.url}/v1/rules").json()
    rule = next(one for one in book["rules"]["rules"] if one["id"] == "from_the_lab")
    assert (rule["when"], rule["rollout"], book["active"]) == ("amount > 270", {"share": 0.1}, book["head"])
    page.get_by_role("link", name="Edit in the lab").click()
    expect(page.get_by_role("button", name="Take out of force: draft")).to_be_visible()
    assert violations(page) == []


def test_a_stage_shows_its_impact_before_it_takes_effect(own, watched):
    def in_force():
        return httpx.get(f"{own.url}/v1/rules").json()["active"]

    page = watched.open(f"{own.url}/rules/lab?template=amount")
    typed(page, "amount > 40")
    page.get_by_label("Id", exact=True).fill("shown_first")
    expect(page.locator("#lab-text")).to_have_value(re.compile("id: shown_first\n(.*\n)*when: amount > 40"))
    before, sheet = in_force(), page.locator("#answer")
    page.get_by_role("group", name="Stage").get_by_role("button", name="Activate…", exact=True).click()
    expect(sheet).to_contain_text("Outcome changes")
    expect(sheet).to_contain_text("nothing has changed yet")
    expect(sheet.locator("#confirm")).to_be_visible()  # it stops far more than a twentieth of these payments
    assert in_force() == before
    assert violations(page) == []
    sheet.get_by_role("link", name="Cancel").click()
    expect(sheet).to_be_empty()
    expect(page.locator("[data-pane=form] .CodeMirror-code")).to_contain_text("amount > 40")
    page.get_by_role("group", name="Stage").get_by_role("button", name="Activate…", exact=True).click()
    make_the_change(sheet, "Activate")
    page.wait_for_url("**/rule/shown_first")
    expect(page.locator(".life [aria-current]")).to_have_text("active")
    assert in_force() != before
    after = in_force()
    page.goto(f"{own.url}/rules/lab?template=amount")
    page.get_by_label("Id", exact=True).fill("only_a_draft")
    expect(page.locator("#lab-text")).to_have_value(re.compile("id: only_a_draft"))
    page.get_by_role("button", name="Save as draft").click()  # it decides nothing: no sheet
    page.wait_for_url("**/rule/only_a_draft")
    assert in_force() != after


def test_the_page_of_a_rule_says_what_its_sql_says(own, watched):
    page = watched.open(f"{own.url}/rule/card_testing")
    table = page.locator("table[data-figures=stages]")
    expect(table).to_contain_text("active (actual)")
    statement = page.locator("[data-sql=stages]").text_content()
    [row] = own.server.lake.sql(statement).to_pylist()
    shown = table.locator("tbody tr td").all_inner_texts()
    assert row["payments"] > 0
    assert [shown[1], shown[3], shown[4]] == [str(row[name]) for name in ("payments", "fraud", "labelled")]
    decided = httpx.get(f"{own.url}/v1/decisions?rule=card_testing&limit=200").json()["decisions"]
    assert row["payments"] == len(decided)
    days = "SELECT count(DISTINCT event_time::DATE) AS days FROM decisions"  # it is in every version
    assert [row["days"]] == own.server.lake.sql(days).column("days").to_pylist()
    assert shown[2] == f"{row['payments'] / row['days']:.1f}"
    expect(page.locator("figure[data-measure=weeks] canvas")).to_be_visible()
    assert violations(page) == []


def test_a_check_that_could_not_be_made_says_why_and_is_made_again(own, watched):
    page = watched.open(f"{own.url}/rules/lab?template=amount")
    expect(page.locator("#lab-said")).to_contain_text("Valid")
    checks = own.server.pools.checks
    was, checks.busy = checks.busy, 1000
    try:
        typed(page, "amount > 70")
        expect(page.locator("#lab-said")).to_contain_text("too many requests for checks of rules")
        assert violations(page) == []
    finally:
        checks.busy = was
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#lab-said")).to_contain_text("Valid")
    watched.faults.clear()  # the browser notes the 503
