"""The bus through a running server: subscriptions and messages over HTTP and on a page, and its stream."""

import json
import re
from contextlib import contextmanager
from hashlib import sha256
from html import escape

import httpx
import pytest
from tests.api.conftest import payment
from tests.web.conftest import serving

from ringfence.access.principal import Role
from ringfence.adapters.audit.trail import SqliteTrail
from ringfence.adapters.outbox import Bus, OutboxFollower
from ringfence.follow import catch_up

pytestmark = pytest.mark.slow
DECLINES = {"name": "declines", "to": "https://hooks.example/a?token=s3cret", "pattern": "score >= 0"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("bus") / "data", with_keys=True, most_streams=4) as served:
        yield served


@pytest.fixture
def asking(site):
    """A client by role."""
    made = []

    def as_a(role):
        headers = {"authorization": f"Bearer {site.key(role)}"}
        made.append(httpx.Client(base_url=site.url, headers=headers, timeout=60))
        return made[-1]

    yield as_a
    for one in made:
        one.close()


def test_subscriptions_are_made_tried_and_taken_away_by_an_admin(site, asking):
    analyst, admin, till = asking(Role.ANALYST), asking(Role.ADMIN), asking(Role.DECIDE)
    assert till.post("/v1/decisions", json=payment("s1")).status_code == 200
    for path, body in (
        ("/v1/bus/subscriptions", DECLINES),
        ("/v1/bus/subscriptions/declines/remove", {}),
        ("/v1/outbox/purge", {"all": True}),
    ):
        assert analyst.post(path, json=body).status_code == 403
    assert analyst.get("/v1/outbox").status_code == 403
    tried = analyst.post("/v1/bus/test", json={"pattern": "scores >= 0"})
    assert tried.status_code == 422
    assert "did you mean score" in tried.json()["detail"]
    found = analyst.post("/v1/bus/test", json={"pattern": "card.nothing_1h > 2"}).json()
    assert found["matched"] == 0
    assert "no event of the last day has a field card.nothing_1h" in found["remarks"][0]
    assert "none of the last day's" in found["remarks"][1]
    made = admin.post("/v1/bus/subscriptions", json=DECLINES).json()
    assert made["secret"].startswith("whsec_")
    assert made["to"] == "https://hooks.example/a?…"
    assert made["last_day"]["matched"] == 1
    assert "every one of the last day's" in str(made["last_day"]["remarks"])
    other = admin.post("/v1/bus/subscriptions", json=DECLINES | {"to": "console:"})
    assert other.status_code == 409
    bad = admin.post("/v1/bus/subscriptions", json=DECLINES | {"name": "x", "to": "pager:1"})
    assert bad.status_code == 422
    assert "is no destination" in bad.json()["detail"]
    for what, paused in (("pause", True), ("resume", False)):
        admin.post(f"/v1/bus/subscriptions/declines/{what}").raise_for_status()
        assert analyst.get("/v1/bus").json()["subscriptions"][0]["paused"] is paused
    assert admin.post("/v1/bus/subscriptions/nobody/remove").status_code == 404
    letters(site)
    (waiting,) = admin.get("/v1/outbox", params={"state": "waiting"}).json()["messages"]
    assert "s3cret" not in str(waiting)
    assert admin.post("/v1/outbox/retry", json={"ids": [waiting["id"]]}).json()["messages"] == 1
    assert admin.post("/v1/outbox/purge", json={"ids": [waiting["id"]]}).json()["messages"] == 0
    assert admin.post("/v1/outbox/retry", json={}).status_code == 422
    for path in ("/v1/outbox/retry", "/v1/outbox/purge"):
        refused = admin.post(path, json={"ids": [waiting["id"], "nobody's"]})
        assert refused.status_code == 422
        assert """has no message "nobody's\"""" in refused.json()["detail"]
    gone = admin.post("/v1/bus/subscriptions/declines/remove").json()
    assert gone["messages"] == 1
    assert analyst.get("/v1/bus").json() == {"subscriptions": [], "destinations": []}


def letters(site, identity="s2"):
    """The message of a decision that comes now."""
    store = site.dashboard.store
    with httpx.Client(
        base_url=site.url, headers={"authorization": f"Bearer {site.key(Role.DECIDE)}"}
    ) as till:
        till.post("/v1/decisions", json=payment(identity)).raise_for_status()
    follower = OutboxFollower(store.log, store.folder, store.meta.store_id, site.server.clock.now_ms)
    catch_up(store.log, follower)
    follower.close()


@contextmanager
def signed_in(site, role):
    with httpx.Client(base_url=site.url, timeout=60, follow_redirects=True) as browser:
        page = browser.get("/sign-in")
        browser.post("/sign-in", data={"csrf": csrf(page), "key": site.key(role), "next": "/bus"})
        yield browser


def csrf(page):
    return re.search(r'name="csrf" value="([^"]+)"', page.text)[1]


def test_the_page_subscribes_tests_pauses_and_throws_away(site):
    with signed_in(site, Role.ADMIN) as admin:
        page = admin.get("/bus")
        form = {"csrf": csrf(page), "name": "page", "to": "console:", "pattern": "score >= 0"}
        assert "events match" in admin.post("/bus/test", data=form).text
        for path, wrong, said in (
            ("subscribe", {"name": "never", "pattern": "scor >= 0"}, "did you mean score"),
            ("subscribe", {"name": "never", "to": "pager:7"}, "is no destination"),
            ("test", {"pattern": "scor >= 0"}, "did you mean score"),
        ):
            refused = admin.post(f"/bus/{path}", data=form | {"ordered": "true"} | wrong)
            assert refused.status_code == 422
            assert said in refused.text
            filled = form | wrong
            assert all(escape(value) in refused.text for name, value in filled.items() if name != "csrf")
            assert "checked" in refused.text
        made = admin.post("/bus/subscribe", data=form)
        assert "page is subscribed" in made.text
        assert "paused" in admin.post("/bus/pause", data=form).text
        letters(site, "s3")
        waiting = admin.get("/bus").text
        assert "waiting: subscription paused" in waiting
        shown = admin.get(re.search(r'href="(/outbox/[^"]+)"', waiting)[1]).text
        assert "Held by" in shown
        assert "subscription paused" in shown
        assert "Outbox: 1 waiting, 0 dead" in waiting
        assert "all dead letters" not in waiting
        bus = Bus(site.dashboard.store.folder)
        with bus.database.transaction() as connection:
            connection.execute("UPDATE message SET state = 'dead'")
        bus.change("console:", failing=7, failing_since_ms=1_750_000_000_000)
        bus.close()
        dead = admin.get("/bus").text
        assert re.search("failing</span> since", dead)
        (message_id,) = set(re.findall(r'name="message_id" value="([^"]+)"', dead))
        assert "Delete all dead letters" in dead
        after = admin.post("/outbox/purge", data={"csrf": form["csrf"], "message_id": message_id})
        assert "Everything is delivered" in after.text
        assert admin.post("/bus/shout", data=form).status_code == 404
        assert "No subscriptions yet." in admin.post("/bus/remove", data=form).text
    with signed_in(site, Role.ANALYST) as analyst:
        page = analyst.get("/bus")
        assert page.status_code == 200
        form = {"csrf": csrf(page), "name": "x", "to": "console:"}
        for path in ("/bus/subscribe", "/bus/remove", "/outbox/retry"):
            assert analyst.post(path, data=form).status_code == 403
    trail = SqliteTrail(site.dashboard.store.folder)
    told = [one.act for one in trail.records(action="bus.changed") if one.act.channel == "dashboard"]
    told = [act for act in told if act.object != "never"]
    trail.close()
    assert [act.object for act in told[:4]] == ["page"] * 4
    assert [act.outcome for act in told] == [*["done"] * 2, "refused", "done", *["refused"] * 2]


HOOK = "https://hooks.example/gone?token=s3cret"


def gone(site):
    """A destination that answered 410, gone; its secret."""
    bus = Bus(site.dashboard.store.folder)
    bus.change(HOOK, disabled="410 Gone", failing=0)
    (secret, *_) = bus.destination(HOOK).secrets
    bus.close()
    return secret


def test_a_card_number_in_a_pattern_is_refused_and_shown_to_nobody(site, asking):
    """Whoever may read sees subscriptions, and no event has the number of a card."""
    number = "4111111111111111"
    forms = {"pattern": number}, {"pattern": f"card_id = '{number}'"}, {"name": number, "to": f"sms:{number}"}
    with signed_in(site, Role.ADMIN) as admin:
        form = {"csrf": csrf(admin.get("/bus")), "name": "cards", "to": "console:", "pattern": "score >= 0"}
        for path, wrong in [(path, wrong) for path in ("test", "subscribe") for wrong in forms[:2]] + [
            ("subscribe", forms[2])
        ]:
            refused = admin.post(f"/bus/{path}", data=form | wrong)
            assert refused.status_code == 422
            assert number not in refused.text
            assert "****1111" in refused.text
    for path, more in ("/v1/bus/test", {}), ("/v1/bus/subscriptions", DECLINES):
        refused = asking(Role.ADMIN).post(path, json=more | {"pattern": f"card_id = '{number}'"})
        assert refused.status_code == 422
        assert "the pattern has a card number" in refused.json()["detail"]
        assert number not in refused.text


def test_a_destination_that_was_gone_is_enabled_and_gets_a_new_secret_over_http(site, asking):
    analyst, admin = asking(Role.ANALYST), asking(Role.ADMIN)
    admin.post("/v1/bus/subscriptions", json={"name": "gone", "to": HOOK}).raise_for_status()
    first = gone(site)
    (shown,) = admin.get("/v1/bus").json()["destinations"]
    less = shown | {"id": "", "disabled": "gone", "said": ""}
    assert analyst.get("/v1/bus").json()["destinations"] == [less]
    assert shown["id"] != sha256(HOOK.encode()).hexdigest()[:12]  # which addresses could be tried against
    assert (shown["address"], shown["disabled"]) == ("https://hooks.example/gone?…", "410 Gone")
    path = f"/v1/bus/destinations/{shown['id']}"
    for change in ("enable", "rotate"):
        assert analyst.post(f"{path}/{change}").status_code == 403
        assert admin.post(f"/v1/bus/destinations/0123456789ab/{change}").status_code == 404
        assert admin.post(f"/v1/bus/destinations/{HOOK}/{change}").status_code in (404, 422)
    assert shown["health"] == "disabled"
    assert admin.post(f"{path}/enable").json() == shown | {"disabled": "", "health": "healthy"}
    found = admin.post(f"{path}/rotate").json()
    assert found["secret"].startswith("whsec_")
    again = admin.post(f"{path}/rotate")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    bus = Bus(site.dashboard.store.folder)
    assert bus.destination(HOOK).secrets == (found["secret"], first)
    bus.close()
    admin.post("/v1/bus/subscriptions/gone/remove").raise_for_status()
    admin.post("/v1/bus/subscriptions", json={"name": "plain", "to": "console:"}).raise_for_status()
    (plain,) = admin.get("/v1/bus").json()["destinations"]
    refused = admin.post(f"/v1/bus/destinations/{plain['id']}/rotate")
    assert refused.status_code == 422
    assert "only messages to webhooks are signed" in refused.json()["detail"]
    admin.post("/v1/bus/subscriptions/plain/remove").raise_for_status()
    trail = SqliteTrail(site.dashboard.store.folder)
    told = [one.act for one in trail.records(action="bus.changed") if one.act.details.get("does") == "rotate"]
    trail.close()
    assert ("done", "https://hooks.example/gone?…") in [(act.outcome, act.object) for act in told]
    assert "s3cret" not in str(told)


def test_the_page_enables_a_destination_and_shows_a_new_secret(site):
    with signed_in(site, Role.ADMIN) as admin:
        form = {"csrf": csrf(admin.get("/bus")), "name": "gone", "to": HOOK}
        admin.post("/bus/subscribe", data=form)
        first = gone(site)
        page = admin.get("/bus").text
        (destination,) = set(re.findall(r'name="destination" value="([^"]+)"', page))
        assert "Enable https://hooks.example/gone?…" in page
        chosen = {"csrf": form["csrf"], "destination": destination}
        assert "410 Gone" not in admin.post("/bus/destinations/enable", data=chosen).text
        rotated = admin.post("/bus/destinations/rotate", data=chosen).text
        (secret,) = set(re.findall(r"whsec_[A-Za-z0-9+/=]+", rotated.replace("&#43;", "+")))
        again = admin.post("/bus/destinations/rotate", data=chosen)  # as a browser that loads it again
        assert (again.status_code, "less than ten minutes ago" in again.text) == (409, True)
        bus = Bus(site.dashboard.store.folder)
        assert bus.destination(HOOK).secrets == (secret, first)
        bus.close()
        assert secret not in admin.get("/bus").text
        assert admin.post("/bus/destinations/paint", data=chosen).status_code == 404
        assert admin.post("/bus/destinations/enable", data=chosen | {"destination": "x"}).status_code == 422
        admin.post("/bus/remove", data=form)


def test_a_message_is_shown_with_its_event_and_leads_back(site):
    with signed_in(site, Role.ADMIN) as admin:
        form = {"csrf": csrf(admin.get("/bus")), "name": "seen", "to": "console:", "pattern": "score >= 0"}
        admin.post("/bus/subscribe", data=form)
        letters(site, "s4")
        (link,) = set(re.findall(r'href="(/outbox/[^"]+)"', admin.get("/bus").text))
        page = admin.get(link)
        assert page.status_code == 200
        for told in ('href="/bus"', "com.ringfence.decision.made.v1", "seen", "console:", "waiting"):
            assert told in page.text
        assert 'href="/decisions/s4"' in page.text
        bus = Bus(site.dashboard.store.folder)
        with bus.database.transaction() as connection:
            connection.execute("UPDATE message SET state = 'delivered', done_ms = made_ms, said = 'taken'")
        bus.close()
        assert link in admin.get("/bus").text
        with signed_in(site, Role.ANALYST) as analyst:
            assert "Delivered last" not in analyst.get("/bus").text
        assert "Retry" not in admin.get(link).text
        assert admin.get("/outbox/nothing").status_code == 404
        admin.post("/bus/remove", data=form)
    with signed_in(site, Role.ANALYST) as analyst:
        assert "/outbox/" not in re.sub(r'action="[^"]*"', "", analyst.get("/bus").text)
        assert analyst.get(link).status_code == 403
    trail = SqliteTrail(site.dashboard.store.folder)
    seen = [one.act for one in trail.records(action="message.seen")]
    trail.close()
    assert {act.outcome for act in seen} == {"done", "refused"}
    assert all(act.object.endswith((":seen", ":page")) or act.object == "nothing" for act in seen)


def test_ids_of_messages_and_words_of_receivers_are_for_those_who_change_the_bus(site, asking):
    """The page showed everybody who may look what the API keeps for admins."""
    admin, analyst = asking(Role.ADMIN), asking(Role.ANALYST)
    admin.post("/v1/bus/subscriptions", json=DECLINES | {"name": "quoting"}).raise_for_status()
    letters(site, "s5")
    bus = Bus(site.dashboard.store.folder)
    (letter,) = bus.letters(state="waiting")
    with bus.database.transaction() as connection:
        connection.execute("UPDATE message SET said = '500 ada@mail.example', state = 'dead'")
        connection.execute("UPDATE destination SET body = json_set(body, '$.said', '500 ada@mail.example')")
    bus.close()
    assert analyst.get("/v1/bus").json()["destinations"][0]["said"] == ""
    assert admin.get("/v1/bus").json()["destinations"][0]["said"] == "500 ada@mail.example"
    with signed_in(site, Role.ADMIN) as browser:
        page = browser.get("/bus").text
        assert letter.id in page
        assert page.count("500 ada@mail.example") >= 2
    with signed_in(site, Role.ANALYST) as browser:
        page = browser.get("/bus").text
        assert letter.id not in page
        assert "ada@mail.example" not in page
        assert re.search(r"<td>webhook</td><td[^>]*>0</td><td[^>]*>1</td>", page)
    admin.post("/v1/bus/subscriptions/quoting/remove").raise_for_status()
    admin.post("/v1/outbox/purge", json={"all": True}).raise_for_status()


class Stream:
    """Events of `/v1/events/stream`."""

    def __init__(self, client, last="", **params):
        headers = {"last-event-id": last} if last else {}
        self.context = client.stream("GET", "/v1/events/stream", params=params, headers=headers)

    def __enter__(self):
        self.answer = self.context.__enter__()
        self.lines = self.answer.iter_lines() if self.answer.status_code == 200 else iter(())
        if self.answer.status_code == 200:
            assert next(self.lines).startswith(":")
        return self

    def __exit__(self, *_):
        self.context.__exit__(None, None, None)

    def take(self, count):
        found, fields = [], {}
        for line in self.lines:
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                found.append((fields["id"], fields["event"], json.loads(fields["data"])))
                fields = {}
                if len(found) == count:
                    return found
        return found


def test_the_stream_pushes_events_and_goes_on_where_it_was(site, asking):
    analyst, till, sender = asking(Role.ANALYST), asking(Role.DECIDE), asking(Role.INGEST)
    with Stream(analyst, pattern="type like '%.decision.%' or label") as every:
        assert every.answer.headers["content-type"].startswith("text/event-stream")
        till.post("/v1/decisions", json=payment("e1")).raise_for_status()
        first = every.take(1)[0]
    assert (first[1], first[2]["subject"]) == ("com.ringfence.decision.made.v1", "e1")
    label = {"kind": "label", "event_id": "l1", "transaction_id": "e1", "label": True}
    sender.post("/v1/events", json=label | {"event_time": payment()["event_time"]}).raise_for_status()
    for number in (2, 3):
        till.post("/v1/decisions", json=payment(f"e{number}")).raise_for_status()
    with Stream(analyst, last=first[0]) as rest:
        found = rest.take(3)
    assert sorted(event["subject"] for _, _, event in found) == ["e1", "e2", "e3"]
    with Stream(analyst, last=found[1][0]) as last:
        assert last.take(1)[0][2]["id"] == found[2][2]["id"]
    place = first[0].rpartition("-")[0]
    with Stream(analyst, last=f"{place}-elsewhere") as other:  # the same offsets, in another log
        assert other.answer.status_code == 422
    with Stream(analyst, begin="beginning", pattern="subject = 'e1' and label") as again:
        assert again.take(1)[0][2]["data"]["label"] is True


def test_streams_are_bounded_and_their_questions_checked(site, asking):
    analyst, till = asking(Role.ANALYST), asking(Role.DECIDE)
    for params, last in (({}, "soon"), ({"pattern": "{"}, ""), ({"begin": "never"}, "")):
        with Stream(analyst, last=last, **params) as refused:
            assert refused.answer.status_code == 422
    with Stream(till) as other:
        assert other.answer.status_code == 403
    streams = [Stream(analyst) for _ in range(4)]
    for one in streams:
        one.__enter__()
    assert "event: closed" in list(streams[0].lines)  # its caller has more than a share of all places
    for one in streams:
        one.__exit__()
