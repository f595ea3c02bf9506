"""Every role asks a running server for every route and page; what it may is what the docs' table says."""

import re
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from benchmarks.serving import ALONE, Process

from ringfence.access.roles import Role
from ringfence.access.sessions import COOKIE
from ringfence.adapters.access.keys import ApiKeys

DOCUMENTED = Path(__file__).parents[2] / "docs/reference/permissions.md"
ROLE = re.compile(r"^\| `(\w+)` \| (`[a-z`, ]+) \|$", re.MULTILINE)
ROUTE = re.compile(r"^\| `([A-Z]+)` \| `(/[^`]*)` \| (?:`(\w+)`|no key) \|$", re.MULTILINE)
OF_KEYS = ("/v1/", "/metrics", "/healthz", "/readyz", "/slack/")
FILLED = {"entity_type": "card", "case_id": "C-1", "digest": "abcd", "topic": "events", "sha256": "a" * 64}
REFUSED = {401, 403}
TRIES = 5  # of what a busy server tells to ask again

pytestmark = pytest.mark.slow


def filled(path):
    return re.sub(r"{(\w+)}", lambda place: FILLED.get(place[1], "x1"), path)


def documented():
    """What each role permits, and what each route asks for, None for nothing."""
    text = DOCUMENTED.read_text()
    roles = {role: set(re.findall(r"\w+", permitted)) for role, permitted in ROLE.findall(text)}
    routes = {(method, path): needed or None for method, path, needed in ROUTE.findall(text)}
    return roles, routes


class Somebody:
    """A role at the server: its key for the API, and a session for pages where it may sign in."""

    def __init__(self, http, key):
        self.http, self.key, self.cookie, self.csrf = http, key, "", ""

    def sign_in(self):
        self.cookie = self.http.get("/sign-in").cookies[COOKIE]
        form = {"key": self.key, "csrf": self.token()}
        answer = self.http.post("/sign-in", data=form, headers=self.headers("/"))
        self.cookie = answer.cookies.get(COOKIE, self.cookie)
        self.http.cookies.clear()
        self.csrf = self.token()
        return answer.status_code

    def token(self):
        found = self.http.get("/session", headers=self.headers("/")).json()["csrf"]
        self.http.cookies.clear()
        return found

    def headers(self, path):
        if path.startswith(OF_KEYS):
            return {"authorization": f"Bearer {self.key}"}
        return {"cookie": f"{COOKIE}={self.cookie}", "x-csrf-token": self.csrf}

    def status(self, method, path):
        """Of the answer's head: streams do not end. A page that sends to the door counts as 401."""
        headers = self.headers(path)
        if method == "POST":
            headers["content-type"] = (
                "application/json" if path.startswith(OF_KEYS) else "application/x-www-form-urlencoded"
            )
        body = b"{" if method == "POST" else None
        for _ in range(TRIES):
            with self.http.stream(method, filled(path), headers=headers, content=body) as answer:
                self.http.cookies.clear()
                to_the_door = answer.headers.get("location", "").startswith("/sign-in?next=")
                status, later = answer.status_code, answer.headers.get("retry-after")
            if status != 503 or later is None:
                break
            time.sleep(min(int(later), 2))
        return 401 if to_the_door else status


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Statuses by role, method and path."""
    folder = tmp_path_factory.mktemp("served") / "data"
    folder.mkdir(mode=0o700)
    with closing(ApiKeys(folder)) as keys:
        made = {role: keys.create(role, frozenset({role}), 0) for role in Role}
    process, found = Process(folder, RINGFENCE_SERVE_STREAM_SECONDS="0.02", **ALONE), {}
    _, routes = documented()
    in_order = sorted(routes, key=lambda route: (routes[route] is None, route))  # who signs out is out
    try:
        with httpx.Client(base_url=process.url, timeout=60) as http:
            for role in Role:
                somebody = Somebody(http, made[role])
                somebody.sign_in()
                for route in in_order:
                    found[role, *route] = somebody.status(*route)
    finally:
        code = process.end()
    assert code == 0
    return found


def test_the_docs_name_every_role_and_what_it_may(answers):
    roles, routes = documented()
    assert set(roles) == set(Role)
    assert len(answers) == len(Role) * len(routes) > 2000
    wrong = {
        told: status
        for told, status in answers.items()
        for needed in [routes[told[1:]]]
        if needed is not None and (status in REFUSED) == (needed in roles[told[0]])
    }
    assert wrong == {}


def test_no_role_makes_a_route_fail(answers):
    failed = {told: status for told, status in answers.items() if status >= 500}
    assert failed == {}
