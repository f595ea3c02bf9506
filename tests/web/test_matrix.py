"""Every page by every outcome, every source of a reason and every role: over HTTP, and once in a browser."""

import html
import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect
from tests.web.test_cases import follow
from tests.web.test_every_outcome import EXPECTED, made
from tests.web.test_offers import NAVIGATION, READERS, needed

from ringfence.access.roles import PERMITTED
from ringfence.compose.following.followers import outbox_of
from ringfence.follow import catch_up

ENTITY = "card/card-1"
MORE = f"""
/rule/asks_review /rule/asks_review/figures /lists/block /rules/impact?rule=asks_review&mode=paused
/entities/{ENTITY} /graph/{ENTITY} /neighbours/{ENTITY} /graph-neighbours/{ENTITY} /places/{ENTITY}
/decisions?rule=asks_review /decisions?degraded=model /decisions?typology=middling /cases?view=overdue
/cases?view=closed /cases?view=mine /alerts?state=all /streams/decisions /streams/decisions?offset=0
/rules/lab?template=amount /rules/edit /notifications/count /?outcome=challenge /home /models/live
/performance/trend?since=2025-01-01T00:00&until=2025-02-01T00:00
"""
NOT_HERE = ("/lists/stolen", "/rule/velocity", "/performance/kpis")
NOT_SHOWN = {  # to whoever may see it: what of `pages_of` is not there, and how that is said
    f"/graph/{ENTITY}": 404,  # no graph is declared
    f"/graph-neighbours/{ENTITY}": 404,
    "/models/*/report": 404,  # no model there came with one
    "/performance/kpis": 422,
    "/rule/velocity": 404,
}
LEFT_OVER = re.compile(r"\bNone\b|\bundefined\b|jinja2|Traceback|<(?:built-in|function|bound) ")
VERDICT = re.compile(r'<p class="verdict">(.+?)</p>', re.DOTALL)
ROW = re.compile(r'<span class="badge (\w+)">\w+</span></td>.*?<td class="why">(.*?)</td>', re.DOTALL)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Each outcome by each source, its cases and its alerts; whoever comes has to sign in."""
    with made(tmp_path_factory.mktemp("matrix"), with_keys=True) as served:
        follow(served)
        catch_up(served.dashboard.store.log, outbox_of(served.dashboard.store))
        yield served


def pages_of(served):
    server = served.server
    names = [name or served.free for name, _, _ in EXPECTED.values()]
    cases = {case.id for name in names for case in [server.cases.book.case_of(name)] if case}
    assert len(cases) > 2
    models = server.models.stored.registry.digests()
    yield from [*NAVIGATION.split(), *MORE.split()]
    yield from (f"/{kind}/{name}" for name in names for kind in ("decisions", "explained", "labels"))
    yield from (f"/cases/{case}{part}" for case in sorted(cases) for part in ("", "/preview"))
    yield from (f"/models/{one}{part}" for one in models for part in ("", "/watched", "/report", "/impact"))


def kind_of(path):
    """A path with `*` for the name of a payment, a case or a model."""
    return re.sub(r"^/(decisions|explained|labels|cases|models)/(?!live$)[^/?]+", r"/\1/*", path)


@pytest.mark.parametrize("role", READERS)
def test_no_page_fails_or_leaves_a_decision_without_a_reason(house, visitor, role):
    client, verdicts, shown, not_shown = visitor(house, role), {}, set(), set()
    for path in pages_of(house):
        answer = client.get(path)
        may = needed("GET", urlsplit(path).path)
        assert (answer.status_code == 403) == (may not in PERMITTED[role]), (path, answer.status_code)
        if answer.status_code == 403:
            continue
        if answer.status_code != 200:
            not_shown.add((kind_of(path), answer.status_code))
            continue
        shown.add(kind_of(path))
        text = re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(script|style).*?</\1>", "", answer.text))
        assert not LEFT_OVER.search(text), (path, LEFT_OVER.search(text))
        for verdict in VERDICT.findall(answer.text):
            assert len(verdict) > 10, path
            verdicts[path] = html.unescape(verdict)
        for outcome, why in ROW.findall(answer.text):
            assert outcome == "approve" or 'class="code' in why, (path, outcome)
    permitted = {
        kind_of(path) for path in pages_of(house) if needed("GET", urlsplit(path).path) in PERMITTED[role]
    }
    assert not_shown == {one for one in NOT_SHOWN.items() if one[0] in permitted}
    assert shown == permitted - set(NOT_SHOWN)
    for name, _, said in EXPECTED.values():
        assert said in verdicts[f"/decisions/{name or house.free}"]
    assert sum(path.startswith("/cases/") for path in verdicts) > 2


@pytest.mark.parametrize("role", READERS)
def test_each_page_works_in_a_browser(house, watched, role):
    """Its parts are loaded, its scripts run: nothing is refused, nothing complains."""
    page = watched.open(f"{house.url}/sign-in")
    page.get_by_label("API key").fill(house.key(role))
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(re.compile(r"/(home)?$"))
    refused = []
    page.on("response", lambda one: refused.append((one.status, one.url)) if one.status >= 400 else None)
    name = house.server.cases.book.case_of("model-review").id
    paths = [*NAVIGATION.split(), f"/cases/{name}", "/decisions/model-decline", f"/entities/{ENTITY}"]
    wanted = [path for path in paths if needed("GET", urlsplit(path).path) in PERMITTED[role]]
    for path in [one for one in wanted if one not in NOT_HERE]:
        page.goto(house.url + path, wait_until="load")
        expect(page.locator("main")).not_to_contain_text(
            re.compile("Loading…|Counting…"), use_inner_text=True
        )
        assert page.locator("main h1").first.inner_text(), path
        assert page.locator("main .problem:not([role=note], #lab-said)").count() == 0, path
        assert (refused, watched.faults) == ([], []), path
