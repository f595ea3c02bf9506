"""The rule book and the lists, changed by a browser while payments are decided."""

import re

import httpx
import pytest
from playwright.sync_api import expect
from tests.web.conftest import make_the_change, serving
from tests.web.sample import DAY_MS, HOSTILE, START_MS, fill, payment
from tests.web.test_pages import violations

from ringfence.access.principal import Role

RULE = """- id: large
  title: Large
  when: amount > 40
  outcome: review
  reason: LARGE
  analyst: A large payment.
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A server whose rules these tests change."""
    with serving(tmp_path_factory.mktemp("rules") / "data") as served:
        fill(served.url)
        yield served


def decide(served, number, **fields):
    time_ms = START_MS + 60 * DAY_MS + number * 60_000
    return httpx.post(
        f"{served.url}/v1/decisions", json=payment(number, time_ms, **fields), timeout=60
    ).json()


def write(page, text):
    """Put another text into the editor, as typing would."""
    page.locator("#text").fill(text)
    page.locator("#text").press("End")


def test_a_rule_is_written_checked_tried_and_put_in_force_without_a_restart(own, watched):
    before = decide(own, 8001, amount="45.00")
    page = watched.open(f"{own.url}/rules")
    expect(page.locator("main")).to_contain_text("card_testing")
    page.get_by_role("link", name="Edit the book").click()
    expect(page.locator("#checked")).to_contain_text("valid")
    text = page.locator("#text").input_value()
    write(page, text.replace("rules:\n", "rules:\n" + RULE.replace("amount > 40", "amont > 40"), 1))
    fault = page.locator("#checked button").first
    expect(fault).to_contain_text("amont")
    fault.click()
    expect(page.locator("#place")).to_contain_text("line 2")
    write(page, text.replace("rules:\n", "rules:\n" + RULE, 1))
    expect(page.locator("#checked")).to_contain_text("valid")
    page.get_by_role("button", name="Backtest").click()
    expect(page.locator("#trial")).to_contain_text("Alerts a day", timeout=60_000)
    page.get_by_label("Activate now").check()
    page.get_by_label("Change note").fill(f"Larger than usual {HOSTILE}")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/rules/impact?*")
    assert decide(own, 8003, amount="45.00")["outcome"] == "approve"
    expect(page.locator("#sheet")).to_contain_text("to confirm")  # it stops most of these payments
    make_the_change(page, "Activate")
    page.wait_for_url("**/rules/versions/*")
    expect(page.locator(".diff .add").filter(has_text="id: large")).to_be_visible()
    expect(page.get_by_text("active", exact=True)).to_be_visible()
    assert page.evaluate("window.hacked") is None
    assert violations(page) == []
    after = decide(own, 8002, amount="45.00")
    assert (before["outcome"], after["outcome"]) == ("approve", "review")
    assert after["versions"]["rules"] == page.url.rsplit("/", 1)[1]


def test_an_edit_on_an_old_version_is_a_conflict_that_shows_what_changed_and_loses_nothing(own, watched):
    one, other = (watched.open(f"{own.url}/rules/edit") for _ in range(2))
    for page, rule in ((one, "first"), (other, "second")):
        text = page.locator("#text").input_value()
        write(page, text.replace("rules:\n", "rules:\n" + RULE.replace("id: large", f"id: {rule}"), 1))
        page.get_by_label("Change note").fill(rule)
    one.get_by_role("button", name="Save").click()
    one.wait_for_url("**/rules/versions/*")
    other.get_by_role("button", name="Save").click()
    conflict = other.locator("#answer")
    expect(conflict).to_contain_text("not the newest any more")
    expect(conflict).to_contain_text("first")
    assert "id: second" in other.locator("#text").input_value()
    conflict.get_by_role("button").click()
    other.wait_for_url("**/rules/versions/*")
    expect(other.locator(".diff .del").filter(has_text="id: first")).to_be_visible()
    watched.faults.clear()  # the browser notes the 409


def test_a_rule_goes_into_shadow_and_the_change_is_rolled_back(own, watched):
    page = watched.open(f"{own.url}/rules")
    page.get_by_label("Mode of card_testing").select_option("shadow")
    expect(page.locator("main")).to_contain_text("nothing has changed yet")
    assert violations(page) == []
    make_the_change(page, "Set to shadow")
    expect(page.locator("#rulebook select.mode.shadow")).to_have_count(2)  # one ships so
    decide(own, 8010)
    page.goto(f"{own.url}/rules/shadow")
    expect(page.locator("main")).to_contain_text("More alerts a day")
    assert violations(page) == []
    page.goto(f"{own.url}/rules/versions")
    page.get_by_role("region", name="Changes").get_by_role("link").nth(1).click()
    page.locator("main a.button", has_text="…").click()
    make_the_change(page, re.compile("Activate|Roll back"))
    expect(page.get_by_text("active", exact=True)).to_be_visible()
    page.goto(f"{own.url}/rules")
    expect(page.get_by_label("Mode of card_testing")).to_have_value("active")
    assert violations(page) == []


def test_a_backtest_shows_its_progress_and_its_result(own, watched):
    page = watched.open(f"{own.url}/rules/backtest")
    page.get_by_role("button", name="Run backtest").click()
    expect(page.locator("#trial")).to_contain_text("Good customers hit", timeout=60_000)
    assert violations(page) == []
    page.get_by_label("From").fill("2040-01-01T00:00")
    page.get_by_role("button", name="Run backtest").click()
    expect(page.locator("#trial")).to_contain_text("no decided payment", timeout=60_000)


def test_somebody_is_put_on_a_list_stopped_and_taken_off(own, watched):
    page = watched.open(f"{own.url}/lists")
    assert violations(page) == []
    page.get_by_label("List", exact=True).fill(f"stolen {HOSTILE[:20]}")
    page.get_by_label("Kind").select_option("block")
    page.get_by_label("Id (a card number is stored as a token)").fill("4111 1111 1111 1111")
    page.get_by_label("Note").fill(HOSTILE)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("stolen")
    assert not any(written in page.content() for written in ("411111", "4111 11"))
    fields = payment(8020, START_MS + 71 * DAY_MS, card_number="4111111111111111")
    del fields["card_id"]
    answer = httpx.post(f"{own.url}/v1/decisions", json=fields, timeout=60).json()
    assert answer["outcome"] == "decline"
    page.get_by_label("CSV").fill("entity_type,entity_id\ndevice,d-1\nplanet,x\n")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("status").filter(has_text="1 imported")).to_contain_text("line 3")
    page.get_by_role("button", name="Remove d-1").click()
    expect(page.get_by_role("button", name="Remove d-1")).to_have_count(0)
    assert page.evaluate("window.hacked") is None
    assert violations(page) == []


def test_a_decision_is_taken_apart_part_by_part(own, watched):
    page = watched.open(f"{own.url}/decisions/tx-0311")
    why = page.locator("#why")
    expect(why).to_contain_text("card.count_small_10m is 12, needs >= 5")
    expect(why).to_contain_text("It would not have fired with")
    page.get_by_role("button", name="When would this stop triggering?").click()
    expect(why).to_contain_text("Stops triggering", timeout=60_000)
    assert violations(page) == []


def test_nobody_approves_their_own_change_where_two_are_asked_for(tmp_path, visitor):
    with serving(tmp_path / "data", with_keys=True, require_approval=True) as served:
        writer, reviewer = visitor(served, Role.ANALYST), visitor(served, Role.ADMIN)
        desk = served.server.desk
        text = desk.state().text.replace("rules:\n", "rules:\n" + RULE, 1)
        saved = writer.post("/rules/save", data={"text": text, "based_on": "head", "note": "why"})
        assert saved.status_code == 204, saved.text
        version = saved.headers["hx-redirect"]
        for deed in ("approve", "activate"):
            refused = writer.post(f"{version}/{deed}")
            assert (refused.status_code, "supervisor or admin" in refused.text) == (403, True)
        assert "awaiting approval" in writer.get(version).text
        assert reviewer.post(f"{version}/approve").status_code == 303
        assert reviewer.post(f"{version}/activate").status_code == 303
        assert desk.state().active == version.rsplit("/", 1)[1]
        for path in (version, "/rules/versions"):
            shown = re.sub("<[^>]*>", "", reviewer.get(path).text)
            assert "tester" in shown
            assert "key:" not in shown
