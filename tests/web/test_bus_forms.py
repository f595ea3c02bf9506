"""Forms of the bus's page: what is deleted is confirmed, and what is refused stays as it was filled in."""

import re
from html import escape

import httpx
import pytest
from tests.web.conftest import serving
from tests.web.test_bus_page import csrf, signed_in

from ringfence.access.principal import Role
from ringfence.access.restriction import Restriction
from ringfence.adapters.outbox import Bus

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("forms") / "data", with_keys=True) as served:
        yield served


def put_dead(site, *ids):
    bus = Bus(site.dashboard.store.folder)
    with bus.database.transaction() as connection:
        connection.executemany(
            "INSERT INTO message "
            "(id, subscription, destination, key, ordered, event, state, due_ms, made_ms) "
            "VALUES (?, 'x', 'console:', 'k', 0, X'7B7D', 'dead', 0, 0)",
            [(one,) for one in ids],
        )
        connection.execute(
            'INSERT INTO destination VALUES (\'console:\', \'{"address":"console:","kind":"console"}\') '
            "ON CONFLICT DO NOTHING"
        )
    bus.close()


def test_all_dead_letters_go_only_when_somebody_confirms_how_many_there_are(site):
    put_dead(site, "d1", "d2")
    with signed_in(site, Role.ADMIN) as admin:
        page = admin.get("/bus")
        asked = {"csrf": csrf(page)}
        assert 'href="/bus?purging=true#purge"' in page.text
        assert 'name="count"' not in page.text
        refused = admin.post("/outbox/purge", data=asked)
        assert (refused.status_code, 'name="count" value="2"' in refused.text) == (422, True)
        assert "Confirm the number below." in refused.text
        page = admin.get("/bus?purging=true").text
        assert "Delete 2 dead letters" in page
        put_dead(site, "d3")  # while somebody reads the question
        other = admin.post("/outbox/purge", data=asked | {"count": "2"})
        assert other.status_code == 409
        assert "there are 3 dead letters now, and 2 were confirmed. Nothing was deleted" in other.text
        assert 'name="count" value="3"' in other.text
        for _ in range(2):  # a double click
            done = admin.post("/outbox/purge", data=asked | {"count": "3"})
            assert done.status_code == 200
            assert "Everything is delivered" in done.text
        wrong = admin.post("/outbox/purge", data=asked | {"count": "many"})
        assert wrong.status_code == 422
        assert 'role="alert">count: Input should be a valid integer' in wrong.text
        assert "<h2>Subscriptions" in wrong.text


def test_a_form_that_cannot_be_read_comes_again_as_it_was_filled_in(site):
    with signed_in(site, Role.ADMIN) as admin:
        form = {"csrf": csrf(admin.get("/bus")), "to": "pager:9", "pattern": "scor >= 1", "ordered": "true"}
        for wrong, field, said in (
            ({}, "name", "is missing"),
            ({"name": "x" * 64}, "name", "at most 63"),
            ({"name": "no spaces"}, "name", "cannot name a subscription"),
            ({"name": "good"}, "to", "is no destination"),
            ({"name": "good"}, "pattern", "did you mean score"),
            ({"name": "good", "ordered": "perhaps"}, "ordered", "should be a valid boolean"),
        ):
            page = admin.post("/bus/subscribe", data=form | wrong)
            assert page.status_code == 422
            found = re.search(f'id="bus-{field}-wrong" role="alert">([^<]+)<', page.text)
            assert said in found[1].replace("&#39;", "'")
            assert f'aria-describedby="bus-{field}-wrong"' in page.text
            for text in (form["to"], escape(form["pattern"]), wrong.get("name", "")):
                assert text in page.text
            assert "<h2>Destinations" in page.text
        for path in ("/bus/pause", "/outbox/retry", "/bus/destinations/enable"):
            name = "message_id" if "outbox" in path else "name"
            page = admin.post(path, data={"csrf": form["csrf"], name: "x" * 9000})
            assert page.status_code == 422
            assert f'role="alert">{"destination" if "enable" in path else name}: ' in page.text
            assert "<h2>Subscriptions" in page.text
        tried = admin.post("/bus/test", data=form | {"name": "mine", "pattern": "score >= 0"})
        assert tried.status_code == 200
        assert 'value="mine"' in tried.text
        assert 'value="pager:9"' in tried.text


@pytest.mark.parametrize(
    "restriction", [Restriction(regions=frozenset({"DE"})), Restriction(queues=frozenset({"q"}))]
)
def test_who_may_not_see_a_page_does_not_get_it_by_a_refused_form(site, restriction):
    """Not that of the bus, nor that of alerts: the refusal alone."""
    put_dead(site, f"secret-{bool(restriction.regions)}")
    roles = frozenset({Role.ANALYST})
    key = site.keys.create("kept", roles, 0, restriction=restriction)
    narrowed = restriction.narrows_payments
    with httpx.Client(base_url=site.url, timeout=60, follow_redirects=True) as analyst:
        page = analyst.get("/sign-in")
        page = analyst.post("/sign-in", data={"csrf": csrf(page), "key": key, "next": "/rules"})
        token = {"csrf": csrf(page)}
        for path in ("/alerts/acknowledge", "/alerts/mute", "/alerts/unmute", "/bus/test"):
            refused = analyst.post(path, data=token | {"alert_id": "alert-999", "pattern": "scor >= 1"})
            assert refused.status_code == (403 if narrowed else 422)
            assert ("<h2>Destinations" in refused.text or "<h1>Alerts" in refused.text) != narrowed
        for path in (
            "/bus/subscribe",
            "/bus/pause",
            "/bus/destinations/enable",
            "/outbox/retry",
            "/outbox/purge",
        ):
            refused = analyst.post(path, data=token)
            assert (refused.status_code, "<h2>Destinations" in refused.text) == (403, False)
