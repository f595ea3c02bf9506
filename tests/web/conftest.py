"""Real servers on real sockets, and a real browser that looks at them."""

import os
import runpy
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from tests.web.sample import fill

from ringfence.access.authoriser import Authoriser
from ringfence.access.principal import Role
from ringfence.adapters.access.keys import ApiKeys
from ringfence.api.app import build
from ringfence.api.server import Server
from ringfence.api.settings import ServeSettings
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.saving import Snapshotting
from ringfence.web import Site

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ROOT = Path(__file__).parents[2]


class Served:
    """A running server: its address, and what is behind it."""

    def __init__(self, url, server, dashboard, keys):
        self.url = url
        self.server = server
        self.dashboard = dashboard
        self.keys = keys

    def key(self, *roles):
        return self.keys.create("tester", frozenset(roles), 0)


@contextmanager
def serving(folder, *, with_keys=False, require_approval=False, features=None, rules=None, **options):
    """A server on a free port, until the block is left."""
    keys = ApiKeys(folder) if with_keys else None
    found = load_definitions(features, rules)
    with open_session(folder, found, Snapshotting(), require_approval=require_approval) as session:
        server = Server(session, ServeSettings(deadline_ms=60_000, **options), Authoriser(keys))
        dashboard = Site(server)
        config = uvicorn.Config(
            build(server, None, dashboard),
            port=0,
            proxy_headers=False,
            log_level="critical",
            timeout_graceful_shutdown=2,
        )
        listener = uvicorn.Server(config)
        thread = threading.Thread(target=listener.run)
        thread.start()
        while not listener.started:
            assert thread.is_alive()
            time.sleep(0.02)
        port = listener.servers[0].sockets[0].getsockname()[1]
        try:
            yield Served(f"http://127.0.0.1:{port}", server, dashboard, keys)
        finally:
            listener.should_exit = True
            thread.join()
            if keys is not None:
                keys.close()


@pytest.fixture(scope="package")
def site(tmp_path_factory):
    """A server that is open to this machine, with a month of payments."""
    with serving(tmp_path_factory.mktemp("open") / "data") as served:
        fill(served.url)
        yield served


@pytest.fixture(scope="package")
def locked(tmp_path_factory):
    """A server that asks who is there."""
    with serving(tmp_path_factory.mktemp("locked") / "data", with_keys=True) as served:
        fill(served.url, {"authorization": f"Bearer {served.key(Role.ADMIN)}"})
        yield served


def pytest_collection_modifyitems(items):
    """What looks at pages in a browser takes longest."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="package")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make setup")
    path = runpy.run_path(str(ROOT / "scripts" / "browser.py"))["found"]()
    if path is None:
        pytest.skip("no browser on this machine: `python scripts/browser.py` installs one")
    playwright.expect.set_options(timeout=60_000)  # a busy machine is no fault of a page
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=path, args=FLAGS)
        yield found
        found.close()


class Watched:
    """Opens pages, and notes whatever a page should not do."""

    def __init__(self, browser):
        self._browser = browser
        self._contexts = []
        self.faults = []

    def open(self, url, **options):
        """A browser of its own (cookies, cache) at this address."""
        context = self._browser.new_context(**{"viewport": {"width": 1440, "height": 900}} | options)
        context.set_default_timeout(60_000)
        self._contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda said: self.faults.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda asked: self._check_local(asked.url))
        page.goto(url)
        return page

    def _note(self, said):
        if said.type in ("error", "warning"):
            self.faults.append(said.text)

    def _check_local(self, url):
        if not url.startswith("http://127.0.0.1:"):
            self.faults.append(f"asked for {url}")

    def close(self):
        for context in self._contexts:
            context.close()


@pytest.fixture
def watched(browser):
    """Pages that may not complain, nor ask another host; who expects a complaint clears `faults`."""
    found = Watched(browser)
    yield found
    found.close()
    assert found.faults == []


def make_the_change(page, name):
    """On an impact sheet: confirm where that is asked for, and press the button."""
    page.get_by_text("nothing has changed yet").wait_for()
    if page.locator("#confirm").count():
        page.locator("#confirm").fill(page.locator("strong.id").inner_text())
    page.get_by_role("button", name=name).click()


@pytest.fixture
def visitor():
    """Makes clients of a server: nobody's, or (given roles) signed in. They are closed at the end."""
    clients = []

    def enter(served, *roles, cookies=None):
        client = httpx.Client(base_url=served.url, timeout=60, cookies=cookies)
        clients.append(client)
        if roles:
            client.get("/sign-in")
            form = {"key": served.key(*roles), "csrf": client.get("/session").json()["csrf"]}
            answer = client.post("/sign-in", data=form)
            assert answer.status_code == 303, answer.text
            client.headers["x-csrf-token"] = client.get("/session").json()["csrf"]
        return client

    yield enter
    for client in clients:
        client.close()


os.environ.setdefault("NODE_NO_WARNINGS", "1")  # Playwright's driver
