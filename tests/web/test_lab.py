"""The rule lab and a rule's own page, in a browser."""

import re

import httpx
import pytest
from playwright.sync_api import expect
from tests.waiting import until
from tests.web.conftest import make_the_change, serving
from tests.web.sample import START_MS, fill, payment
from tests.web.test_pages import violations


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A server whose rules these tests change."""
    with serving(tmp_path_factory.mktemp("lab") / "data") as served:
        fill(served.url)
        yield served


WALKED = """id: walked
title: Walked
when: amount > 70
outcome: review
reason: WALKED
analyst: Above 70.
"""


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
    expect(table).to_contain_text("active")
    statement = page.locator("[data-sql=stages]").text_content()
    [row] = own.server.lake.sql(statement).to_pylist()
    shown = table.locator("tbody tr td").all_inner_texts()
    assert row["payments"] > 0
    assert [shown[3], *shown[5:7]] == [str(row[name]) for name in ("payments", "fraud", "labelled")]
    decided = httpx.get(f"{own.url}/v1/decisions?rule=card_testing&limit=200").json()["decisions"]
    assert row["payments"] == len(decided)
    every = "SELECT count(*) AS decided FROM decisions"  # it is in every version
    assert [row["decided"]] == own.server.lake.sql(every).column("decided").to_pylist()
    assert (shown[2], shown[4]) == (f"{row['decided']:,}", "–")  # it was never in shadow
    expect(page.locator("figure[data-measure=weeks] canvas")).to_be_visible()
    assert violations(page) == []


def at_stage(served, stage):
    """Put the rule that fires above 70 EUR at a stage, once its sheet has been seen."""
    form = {"text": WALKED, "stage": stage}
    with httpx.Client(base_url=served.url, timeout=60) as client:
        csrf = re.search('data-csrf="([^"]*)"', client.get("/rules/lab").text)[1]
        client.headers["x-csrf-token"] = csrf
        sheet = client.post("/rules/lab/impact", data=form).text
        seal = re.search('name="seal" value="([^"]+)"', sheet)[1]
        made = client.post("/rules/lab/save", data=form | {"seal": seal, "confirm": seal[:8]})
    assert made.status_code == 303


def test_the_page_of_a_rule_sets_what_shadow_predicts_beside_what_it_finds(tmp_path, watched):
    """
    payments   1 ····· 90     91 ···· 180      181 ··· 270
               shadow         10 %             active          each third of them above 70 EUR
    """
    with serving(tmp_path / "data") as served:
        at, acted = iter(range(1000, 2000)), []
        for decided, stage in enumerate(("shadow", "tenth", "active"), 1):
            at_stage(served, stage)
            some = [
                payment(
                    number := next(at), START_MS + number * 60_000, amount="90.00" if number % 3 else "20.00"
                )
                | {"customer_id": f"customer-{number}", "card_id": f"card-{number}"}
                for _ in range(90)
            ]
            told = [httpx.post(f"{served.url}/v1/decisions", json=one, timeout=60).json() for one in some]
            acted.append(sum("walked" in str(one["reasons"]) for one in told))
            counted = "SELECT count(*) AS payments FROM decisions"
            until(lambda: served.server.lake.sql(counted).to_pylist() == [{"payments": 90 * decided}])  # noqa: B023
        page = watched.open(f"{served.url}/rule/walked")
        rows = page.locator("table[data-figures=stages] tbody tr")
        expect(rows).to_have_count(3)
        shown = [row.locator("td").all_inner_texts() for row in rows.all()]
        assert [row[0] for row in shown] == ["shadow", "10 %", "active"]
        assert [row[2] for row in shown] == ["90"] * 3
        assert [row[4] for row in shown] == ["–", "6.0", "60.0"]  # two thirds match
        assert [row[3] for row in shown] == ["60", str(acted[1]), "60"]
        assert (acted[0], acted[2]) == (0, 60)
        assert violations(page) == []


def test_a_stage_is_of_what_was_typed_last_even_before_it_is_checked(own, watched):
    page = watched.open(f"{own.url}/rules/lab?template=amount")
    expect(page.locator("#lab-said")).to_contain_text("Valid")
    held, is_open = [], []
    page.route("**/rules/lab/check", lambda route: route.continue_() if is_open else held.append(route))
    page.get_by_label("Id", exact=True).fill("typed_last")
    page.get_by_role("group", name="Stage").get_by_role("button", name="Run in shadow").click()
    page.wait_for_function("checks > 1")
    is_open.append(True)
    while not held:
        page.wait_for_timeout(10)
    for route in held:
        route.continue_()
    expect(page.locator("#answer input[name=text]")).to_have_value(re.compile("id: typed_last"))


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
