"""Every page in a real browser: it shows what it should, all can use it, and it asks nothing of others."""

from pathlib import Path
from urllib.parse import quote

import pytest
from tests.web.sample import CARD, HOSTILE

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
PAGES = {
    "/": ["Decisions per second", "Rules that fire most"],
    "/decisions?until=2025-02-10T00:00": ["decisions", "card-7", "tx-0500"],
    "/decisions?outcome=decline": ["CARD_TESTING"],
    "/decisions/tx-0311": ["Many small amounts on one card", "count_small_10m", "chargeback"],
    f"/decisions/{quote(f'tx/{HOSTILE}', safe='')}": [HOSTILE],
    f"/entities/card/{CARD}": ["watch list", "count_1d", "device-2"],
    "/entities/customer/customer-7": ["44", HOSTILE],
    f"/entities/merchant/{quote(HOSTILE, safe='')}": [HOSTILE],
    "/streams": ["decisions"],
    "/alerts": ["Alerts"],
    "/bus": ["Outbox"],
    "/streams/events?offset=0": ["profile", "list_entry", "transaction_id"],
    "/streams/decisions?key=tx-0311": ["CARD_TESTING"],
    "/rules": ["card_testing", "watched"],
    "/rules/edit": ["Save version"],
    "/rules/versions": ["Activations"],
    "/rules/shadow": ["Would have changed"],
    "/rules/backtest": ["compared with the active version"],
    "/lists": [HOSTILE],
    f"/lists/{quote(HOSTILE, safe='')}": [CARD],
    "/models": ["no model is active"],
    "/quarantine": ["unparsable_time", "malformed"],
    "/notifications": ["Notifications", "quarantined records"],
    "/system": ["Events per second", "late_event", "commit"],
}


SETTLED = """() => !document.querySelector(".htmx-request") && document.getAnimations().every(
  one => one.playState !== "running" || one.effect.getComputedTiming().endTime === Infinity)"""


def settle(page):
    """Until its parts are there and nothing fades in any more: colours in between have other contrasts."""
    page.wait_for_load_state("load")
    page.wait_for_function(SETTLED)


def violations(page):
    """What axe-core finds, told shortly."""
    page.evaluate(AXE)
    found = page.evaluate("rules => axe.run(document, rules)", RULES)
    return [
        (one["id"], [f"{node['target']} {node['failureSummary']}" for node in one["nodes"][:3]])
        for one in found["violations"]
    ]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_shows_what_it_should_and_no_name_becomes_part_of_it(site, watched, path):
    page = watched.open(site.url + path)
    page.wait_for_load_state("networkidle") if path != "/" else page.wait_for_selector("#feed tr")
    text = page.locator("main").inner_text()
    assert [part for part in PAGES[path] if part.lower() not in text.lower()] == []
    assert page.evaluate("window.hacked") is None
    assert page.locator("main script, main img").count() == 0


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/decisions",
        "/decisions/tx-0311",
        f"/entities/card/{CARD}",
        "/streams",
        "/streams/events?offset=0",
        "/rules",
        "/rules/edit",
        "/models",
        "/quarantine",
        "/system",
        "/nothing/here",
    ],
)
def test_everybody_can_use_it_in_light_and_dark(site, watched, path):
    page = watched.open(site.url + path, color_scheme="light")
    settle(page)
    assert violations(page) == []
    page.get_by_role("button", name="Theme").click()
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    settle(page)
    assert violations(page) == []
    if path == "/nothing/here":
        watched.faults.clear()  # the browser notes the 404


def test_the_door_can_be_used_by_everybody_too(locked, watched):
    for scheme in ("light", "dark"):
        assert violations(watched.open(locked.url, color_scheme=scheme)) == []


def test_a_narrow_screen_scrolls_in_one_direction_only(site, watched):
    page = watched.open(f"{site.url}/decisions", viewport={"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_no_figure_of_the_system_page_is_cut(site, watched):
    """Within a narrow window the line with p95 and p99 ended in dots."""
    page = watched.open(f"{site.url}/system", viewport={"width": 1280, "height": 800})
    filled = """all => {
        all.forEach(one => one.textContent = 'p95 1,234.56 · p99 12,345.67');
        return [all.length, all.filter(one => one.scrollWidth > one.clientWidth).length];
    }"""  # in one step: the page renews itself
    notes, cut = page.locator(".stat dd.note").evaluate_all(filled)
    assert notes > 3
    assert cut == 0


def test_a_name_of_a_feature_breaks_at_its_underscores_only(site, watched):
    """It broke within its words, `seconds_since_firs t`, and two columns were squeezed into a phone."""
    page = watched.open(f"{site.url}/entities/card/{CARD}", viewport={"width": 390, "height": 800})
    names = page.locator(".two-up th")
    assert "<wbr>" in names.first.evaluate("one => one.innerHTML")
    places = names.evaluate_all("all => new Set(all.map(one => one.getBoundingClientRect().left)).size")
    assert places == 1
    assert names.evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth).length") == 0


def test_the_switch_of_a_record_stays_on_one_line_on_a_phone(site, watched):
    page = watched.open(f"{site.url}/streams/events", viewport={"width": 390, "height": 800})
    switches = page.locator(".rows td summary")
    switches.first.wait_for()
    lines = switches.evaluate_all(
        "all => all.map(one => one.clientHeight / parseFloat(getComputedStyle(one).lineHeight))"
    )
    assert max(lines) < 1.5
