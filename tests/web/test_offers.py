"""Every page offers each role what the table of permissions lets it do, and nothing else."""

from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from starlette.routing import compile_path
from tests.web.conftest import serving
from tests.web.test_cases import prepared

from ringfence.access.principal import Role
from ringfence.access.roles import PERMITTED, Permission
from ringfence.access.table import NEEDED
from ringfence.compose.messaging.messages import outbox_of
from ringfence.follow import catch_up

NAVIGATION = """
/home?as=analyst /home?as=manager /home?as=engineer /cases /alerts / /decisions /graph /sql /rules /lists
/models /approvals /performance /streams /streams/events /bus /quarantine /system /sessions /notifications
/rules/shadow /rules/backtest /rules/versions /lists/stolen /rules/lab /performance/kpis /rule/velocity
"""
MATCHERS = [(method, compile_path(path.replace(":id", ""))[0], path) for method, path in NEEDED]
READERS = [role for role in Role if Permission.READ in PERMITTED[role]]


class Offers(HTMLParser):
    """What a page can be made to ask for: method and path."""

    def __init__(self, text):
        super().__init__()
        self.found, self._method = set(), "GET"
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "form":
            self._method = (given.get("method") or "get").upper()
            self._note(self._method, given.get("action"))
        self._note(self._method, given.get("formaction"))
        self._note("GET", given.get("hx-get"))
        self._note("POST", given.get("hx-post"))
        self._note("POST", given.get("data-attaches"))
        if tag == "a":
            self._note("GET", given.get("href"))

    def _note(self, method, address):
        if address and address.startswith("/") and not address.startswith(("/static/", "/asyncapi")):
            self.found.add((method, urlsplit(address).path))


def needed(method, path):
    exact = NEEDED.get((method, path), "")
    if exact != "":
        return exact
    return next(NEEDED[one, name] for one, like, name in MATCHERS if one == method and like.match(path))


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("offers") / "data", with_keys=True) as served:
        prepared(served, {"authorization": f"Bearer {served.key(Role.ADMIN)}"})
        catch_up(served.dashboard.store.log, outbox_of(served.dashboard.store))
        yield served


@pytest.mark.parametrize("role", READERS)
def test_a_role_is_offered_what_the_table_permits(office, visitor, role):
    client = visitor(office, role)
    pages = {path: client.get(path) for path in (*NAVIGATION.split(), "/cases/C-1", "/decisions/tx-0700")}
    for path in [path for path in Offers(pages["/rules/versions"].text).found if "/versions/" in path[1]]:
        pages[path[1]] = client.get(path[1])
    for page, answer in pages.items():
        method = "GET"
        may = needed(method, urlsplit(page).path)
        assert (answer.status_code == 403) == (may not in PERMITTED[role]), (page, answer.status_code)
        if answer.status_code != 200:
            continue
        for offer in Offers(answer.text).found:
            asked = needed(*offer)
            assert asked is None or asked in PERMITTED[role], f"{page} offers {offer} to the role {role}"


def test_a_model_that_there_is_not_is_told_in_words(office, visitor):
    answer = visitor(office, Role.VIEWER).get("/models/nope")
    assert (answer.status_code, "There is no model" in answer.text) == (404, True)
    assert "pattern" not in answer.text


def test_who_may_work_is_offered_the_work(office, visitor):
    client = visitor(office, Role.SUPERVISOR)
    cases, alerts = Offers(client.get("/cases").text).found, Offers(client.get("/alerts").text).found
    one, bus = Offers(client.get("/cases/C-1").text).found, Offers(client.get("/bus").text).found
    assert {("POST", "/cases/next"), ("POST", "/cases/bulk")} <= cases
    assert ("POST", "/alerts/acknowledge") in alerts
    assert {("POST", "/cases/C-1"), ("POST", "/cases/next")} <= one
    assert ("POST", "/bus/test") in bus
    assert ("POST", "/bus/subscribe") not in bus
    assert ("GET", "/rules/lab") in Offers(client.get("/rules").text).found
    assert ("POST", "/bus/subscribe") in Offers(visitor(office, Role.ADMIN).get("/bus").text).found
