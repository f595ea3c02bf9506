"""Takes the pictures of the documentation from a running server, whose address is the argument.

A page over Kafka needs a server that reads from it: `screenshots.py URL PAGE...` takes only these pages.
"""

from __future__ import annotations

import re
import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from browser import found
from PIL import Image
from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES = Path(__file__).parents[1] / "docs" / "images"
PATIENCE_MS = 120_000  # an impact sheet measures recent payments
WORKING = re.compile(  # parts on their way
    "(Loading|Counting|Checking|payments)…|trying the rule|tried on the last"
)
SIZE = {"width": 1280, "height": 800}
PRESSED = {"sql": ("Run", "#answer table")}  # a button of a page, and what appears
COLOURS = 256  # of a picture, the rare ones too: a third of the size, and no difference to see
BOTH: Final = {
    "live": "/",
    "cases": "/cases",
    "alerts": "/alerts",
    "decisions": "/decisions?outcome=decline&outcome=review",
    "rings": "/graph",
    "sql": "/sql",
    "rules": "/rules",
    "rules-edit": "/rules/edit",
    "lists": "/lists",
    "models": "/models",
    "approvals": "/approvals",
    "performance": "/performance",
    "streams": "/streams",
    "bus": "/bus",
    "quarantine": "/quarantine",
    "system": "/system",
    "notifications": "/notifications",
    "home-analyst": "/home?as=analyst",
    "home-manager": "/home?as=manager",
    "home-engineer": "/home?as=engineer",
    "rule-lab": "/rules/lab?template=amount",
    "rule": "/rule/card_testing",
    "impact": "/rules/impact?rule=unusual_amount_customer&mode=paused",
    "topic": "/streams/events",
}
"""Pages, as are a case, a payment, an entity and a model. Each is taken in both colour schemes."""

NAMED: Final = {"streams-kafka": "/streams"}
"""Pages that are taken where they are named: the server has to read from Kafka."""


def main(url: str, *only: str) -> int:
    """0 once all are taken, or those named."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found(), args=["--no-sandbox", "--disable-gpu"])
        for scheme in ("light", "dark"):
            page = browser.new_context(viewport=SIZE, color_scheme=scheme).new_page()
            page.set_default_timeout(PATIENCE_MS)
            both = {name: path for name, path in NAMED.items() if name in only}
            if set(only) - set(NAMED) or not only:
                both |= {**BOTH, **of_a_case(page, url), **of_a_fraud(page, url), **of_a_model(page, url)}
            for name, path in both.items():
                if not only or name in only:
                    take(page, url + path, IMAGES / f"{name}{'-dark' if scheme == 'dark' else ''}.png")
        browser.close()
    return 0


def of_a_case(page: Page, url: str) -> dict[str, str]:
    """The page of the most urgent case."""
    page.goto(f"{url}/cases")
    links = links_in(page, "#case-list tbody a")
    return {"case": links[0]} if links else {}


def of_a_fraud(page: Page, url: str) -> dict[str, str]:
    """Pages of the newest declined payment."""
    page.goto(f"{url}/decisions?outcome=decline")
    links = links_in(page, "#results tbody a")
    decisions = [link for link in links if re.match("/decisions/", link)]
    cards = [link for link in links if re.match("/entities/card/", link)]
    return {"decision": decisions[0], "entity": cards[0]} if decisions and cards else {}


def of_a_model(page: Page, url: str) -> dict[str, str]:
    """The page of the newest model."""
    page.goto(f"{url}/models")
    links = links_in(page, "main tbody td:first-child a")
    return {"model": links[0]} if links else {}


def links_in(page: Page, selector: str) -> list[str]:
    """The addresses of links of a page, once the first of them is there."""
    page.locator(selector).first.wait_for()
    found: list[str] = page.locator(selector).evaluate_all("all => all.map(a => a.getAttribute('href'))")
    return found


def take(page: Page, address: str, file: Path) -> None:
    """One picture, once the page has settled."""
    page.goto(address)
    name = file.stem.removesuffix("-dark")
    if name in PRESSED:
        button, shown = PRESSED[name]
        page.get_by_role("button", name=button).first.click()
        page.locator(shown).first.wait_for()
    page.wait_for_timeout(4000)
    expect(page.locator("main")).not_to_contain_text(WORKING, use_inner_text=True, timeout=PATIENCE_MS)
    page.wait_for_timeout(1000)  # charts draw themselves in
    taken = Image.open(BytesIO(page.screenshot())).convert("RGB")
    taken.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.name}: {file.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].rstrip("/"), *sys.argv[2:]))
