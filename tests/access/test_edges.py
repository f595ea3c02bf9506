"""Roles, sessions and two pairs of eyes as they are met over HTTP."""

import asyncio
import sqlite3
import time
from contextlib import asynccontextmanager, closing

import httpx
import msgspec
import pytest
from tests.api.conftest import DEFINITIONS, payment

from ringfence.access.approvals import Deed
from ringfence.access.authoriser import Authoriser
from ringfence.access.restriction import parse_restriction
from ringfence.access.roles import Role
from ringfence.adapters.access.keys import ApiKeys
from ringfence.api.app import build
from ringfence.api.server import Server
from ringfence.api.settings import ServeSettings
from ringfence.audit import Act, Record
from ringfence.compose.deciding.session import open_session
from ringfence.rulebook.desk import Who
from ringfence.saving import Snapshotting
from ringfence.web import Site


class Place:
    """A server with its pages, and keys by role."""

    settings = ServeSettings(deadline_ms=60_000)

    def __init__(self, folder):
        self.folder = folder
        with closing(ApiKeys(folder)) as keys:
            self.made = {role: keys.create(role, frozenset({role}), 0) for role in Role}

    def __call__(self, talk):
        async def whole():
            async with self.serving() as (client, server):
                return await talk(client, server)

        return asyncio.run(whole())

    @asynccontextmanager
    async def serving(self):
        authoriser = Authoriser(ApiKeys(self.folder))
        with closing(authoriser), open_session(self.folder, DEFINITIONS, Snapshotting()) as session:
            server = Server(session, self.settings, authoriser)
            dashboard = Site(server)
            app = build(server, None, dashboard)
            server.start()
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                yield client, server
            await dashboard.stop()
            await server.stop()

    def id_of(self, role):
        return self.made[role].split("_")[1]

    def by(self, role, **more):
        return {"headers": {"authorization": f"Bearer {self.made[role]}"}} | more


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


async def signed_in(client, key):
    """Cookies and token of a browser that has just signed in."""
    client.cookies.clear()
    await client.get("/sign-in")
    csrf = (await client.get("/session")).json()["csrf"]
    answer = await client.post("/sign-in", data={"key": key, "csrf": csrf})
    assert answer.status_code == 303
    csrf = (await client.get("/session")).json()["csrf"]
    return dict(client.cookies), {"x-csrf-token": csrf}


def test_a_role_that_widens_itself_is_refused_with_the_reason(place):
    async def talk(client, _server):
        def ask(role, path, **body):
            return client.post(path, json=body, **place.by(role))

        return [
            await ask(Role.ADMIN, "/v1/keys", name="me", roles=["admin", "compliance"]),
            await ask(Role.ADMIN, f"/v1/keys/{place.id_of(Role.ADMIN)}", roles=["admin", "compliance"]),
            await ask(Role.ANALYST, f"/v1/keys/{place.id_of(Role.ANALYST)}", roles=["admin"]),
            await ask(Role.ADMIN, "/v1/keys", name="anna", roles=["analyst"], restrict=["queue=vip"]),
            await ask(Role.ADMIN, "/v1/keys", name="x", roles=["root"]),
            await ask(Role.ADMIN, "/v1/keys", name="x", roles=["viewer"], restrict=["planet=mars"]),
        ]

    made, changed, analyst, fine, unknown, nonsense = place(talk)
    for refused in (made, changed):
        assert (refused.status_code, refused.json()["code"]) == (403, "widening")
        assert "compliance" in refused.json()["detail"]
    assert (analyst.status_code, analyst.json()["code"]) == (403, "forbidden")
    assert fine.status_code == 201
    assert (unknown.status_code, nonsense.status_code) == (422, 422)
    with closing(ApiKeys(place.folder)) as keys:
        assert keys.recognise(fine.json()["key"]).restriction.text() == "queue=vip"
        assert keys.recognise(place.made[Role.ANALYST]).roles == {Role.ANALYST}


def test_a_restricted_admin_makes_no_key_that_is_less_restricted(place):
    with closing(ApiKeys(place.folder)) as keys:
        narrow = keys.create("b", frozenset({Role.ADMIN}), 0, restriction=parse_restriction(["queue=vip"]))

    async def talk(client, _server):
        headers = {"authorization": f"Bearer {narrow}"}
        bodies = [{"name": "x", "roles": ["viewer"], "restrict": one} for one in ([], ["queue=vip"])]
        return [await client.post("/v1/keys", json=body, headers=headers) for body in bodies]

    wide, same = place(talk)
    assert (wide.status_code, same.status_code) == (403, 201)
    assert "restricted to queue=vip" in wide.json()["detail"]


def test_a_session_ends_when_its_roles_change_and_when_an_admin_ends_it(place):
    async def talk(client, server):
        first, _ = await signed_in(client, place.made[Role.ANALYST])
        second, _ = await signed_in(client, place.made[Role.VIEWER])
        listed = (await client.get("/v1/sessions", **place.by(Role.AUDITOR))).json()
        viewers = next(one for one in listed if one["roles"] == ["viewer"])
        ended = await client.post(f"/v1/sessions/{viewers['id']}/end", **place.by(Role.ADMIN))
        again = await client.post(f"/v1/sessions/{viewers['id']}/end", **place.by(Role.ADMIN))

        async def status(cookies):
            client.cookies = cookies
            return (await client.get("/rules")).status_code

        found = [await status(first), await status(second)]
        server.authoriser.keys.change(
            place.id_of(Role.ANALYST), frozenset({Role.VIEWER}), parse_restriction([])
        )
        found.append(await status(first))
        return listed, ended, again, found

    listed, ended, again, found = place(talk)
    assert sorted(one["person"] for one in listed) == ["analyst", "viewer"]
    assert (ended.json(), again.status_code) == ({"caller": f"key:{place.id_of(Role.VIEWER)}"}, 404)
    assert found == [200, 303, 303]


def test_the_page_of_sessions_ends_one(place):
    async def talk(client, _server):
        await signed_in(client, place.made[Role.VIEWER])
        _, form = await signed_in(client, place.made[Role.ADMIN])
        [other] = [
            one["id"]
            for one in (await client.get("/v1/sessions", **place.by(Role.ADMIN))).json()
            if one["person"] == "viewer"
        ]
        page = (await client.get("/sessions")).text
        done = await client.post(f"/sessions/{other}/end", headers=form)
        return other, page, done.status_code, (await client.get("/sessions")).text

    other, before, status, after = place(talk)
    assert status == 303
    assert (other in before, other in after) == (True, False)
    assert "this one" in after


def test_what_waits_is_approved_over_the_api_and_on_the_page(place):
    async def talk(client, server):
        server.approvals.demanded = frozenset({Deed.ERASURE})
        by = Who(f"key:{place.id_of(Role.BUILDER)}", server.clock.now_ms(), "asked to", may_approve=False)

        def act(subject):
            with server.approvals.approved(Deed.ERASURE, subject, {}, by):
                return "done"

        for subject in ("c-1", "c-2"):
            with pytest.raises(Exception, match="second person"):
                act(subject)
        body = {"note": "fine"}
        own = await client.post("/v1/approvals/A-1/approve", json=body, **place.by(Role.BUILDER))
        given = await client.post("/v1/approvals/A-1/approve", json=body, **place.by(Role.SUPERVISOR))
        _, form = await signed_in(client, place.made[Role.SUPERVISOR])
        page = (await client.get("/approvals")).text
        declined = await client.post("/approvals/A-2/decline", data={"note": "no"}, headers=form)
        twice = await client.post("/approvals/A-2/approve", headers=form)
        none = await client.post("/v1/approvals/A-9/approve", json=body, **place.by(Role.SUPERVISOR))
        listed = (await client.get("/v1/approvals", **place.by(Role.VIEWER))).json()
        return own, given, page, declined, (twice, none), listed, act("c-1")

    own, given, page, declined, (twice, none), listed, done = place(talk)
    assert (own.status_code, given.status_code, given.json()["state"]) == (403, 200, "approved")
    assert "c-2" in page
    assert (declined.status_code, twice.status_code) == (303, 409)
    assert (none.status_code, none.json()["code"]) == (404, "not_found")
    assert [(one["id"], one["state"]) for one in listed] == [("A-2", "declined"), ("A-1", "approved")]
    assert done == "done"


def test_nobody_approves_their_own_request_under_a_second_key(place):
    """Neither under one that they made, at whatever remove, nor under one that came after the request."""

    async def talk(client, server):
        server.approvals.demanded = frozenset({Deed.ERASURE})

        async def made(by):
            body = {"name": "x", "roles": ["admin"]}
            answer = await client.post("/v1/keys", json=body, headers={"authorization": f"Bearer {by}"})
            return answer.json()["key"]

        second = await made(place.made[Role.ADMIN])
        third = await made(second)
        by = Who(f"key:{place.id_of(Role.ADMIN)}", server.clock.now_ms() + 60_000, "asked to")
        for asker, subject in ((by, "c-1"), (Who("key:other", late, "asked to"), "c-2")):
            with (
                pytest.raises(Exception, match="second person"),
                server.approvals.approved(Deed.ERASURE, subject, {}, asker),
            ):
                pass
        answers = []
        for request, key in (("A-1", second), ("A-1", third), ("A-2", third)):
            headers = {"authorization": f"Bearer {key}"}
            path = f"/v1/approvals/{request}/approve"
            answers.append(await client.post(path, json={"note": "fine"}, headers=headers))
        shown = (await client.get("/v1/keys", **place.by(Role.ADMIN))).json()
        other = await client.post("/v1/approvals/A-1/approve", json={"note": ""}, **place.by(Role.SUPERVISOR))
        return answers, other, [one["made_by"] for one in shown if one["name"] == "x"]

    late = time.time_ns() // 1_000_000 - 60_000
    answers, other, makers = place(talk)
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(403, "needs_approval")] * 3
    assert ["asked, made the key" in one.json()["detail"] for one in answers] == [True, True, False]
    assert "after this was asked for" in answers[2].json()["detail"]
    assert other.status_code == 200
    assert makers[0] == f"key:{place.id_of(Role.ADMIN)}"


def test_a_restriction_holds_on_what_keeps_to_it_and_closes_everything_else(place):
    """A case in the queue `default` is there for `mine`, and for `vip` it does not exist."""
    with closing(ApiKeys(place.folder)) as keys:
        made = {
            name: keys.create(name, frozenset({Role.ANALYST}), 0, restriction=parse_restriction([word]))
            for name, word in (
                ("mine", "queue=default"),
                ("vip", "queue=vip"),
                ("field", "field=merchant_id"),
            )
        }
    by = {name: {"headers": {"authorization": f"Bearer {key}"}} for name, key in made.items()}

    async def talk(client, server):
        await client.post("/v1/decisions", json=payment("p1", email="a@b.example"), **place.by(Role.DECIDE))
        opened = await client.post("/v1/cases", json={"transaction_id": "p1"}, **place.by(Role.ANALYST))
        case, found = opened.json(), {"queue": opened.json()["queue"]}
        for name in ("mine", "vip"):
            listed = (await client.get("/v1/cases", **by[name])).json()["total"]
            one = (await client.get(f"/v1/cases/{case['id']}", **by[name])).status_code
            note = {"action": "note", "version": case["version"], "text": "x"}
            acted = (await client.post(f"/v1/cases/{case['id']}", json=note, **by[name])).status_code
            handed = (await client.post("/v1/cases/next", json={}, **by[name])).json().get("case")
            other = await client.post("/v1/cases/next", json={"queue": "escalated"}, **by[name])
            bulk = await client.post("/v1/cases/bulk", json={}, **by[name])
            found[name] = (listed, one, acted, handed is not None, other.status_code, bulk.json()["code"])
            await signed_in(client, made[name])
            pages = ("/home", "/cases", f"/cases/{case['id']}", f"/cases/{case['id']}/preview")
            found[f"pages of {name}"] = [(await client.get(path)).status_code for path in pages]
        seen = [(await client.get(path, **by["field"])) for path in ("/v1/decisions", "/v1/decisions/p1")]
        shut = [
            (await client.get(path, **by["field"])).status_code
            for path in ("/v1/cases", "/v1/entities/merchant/m1", "/v1/events", "/v1/stream")
        ]
        await signed_in(client, made["field"])
        shut += [(await client.get(path)).status_code for path in ("/home", "/decisions/p1", "/sql")]
        return found, [one.text for one in seen], shut

    found, seen, shut = place(talk)
    queue = found.pop("queue")
    assert queue == "default"
    assert found["mine"] == (1, 200, 200, True, 403, "restricted")
    assert found["vip"] == (0, 404, 404, False, 403, "restricted")
    assert (found["pages of mine"], found["pages of vip"]) == ([200] * 4, [200, 200, 404, 404])
    assert all("EUR" in one and '"m1"' not in one for one in seen)
    assert shut == [403] * len(shut)


def test_no_way_round_leads_to_a_case_of_another_queue_or_to_a_hidden_field(place):
    words = {
        "mine": "queue=default",
        "vip": "queue=vip",
        "field": "field=merchant_id",
        "who": "field=account_id",
    }
    with closing(ApiKeys(place.folder)) as keys:
        made = {
            name: keys.create(name, frozenset({Role.ANALYST}), 0, restriction=parse_restriction([word]))
            for name, word in words.items()
        }
    by = {name: {"headers": {"authorization": f"Bearer {key}"}} for name, key in made.items()}

    async def talk(client, server):
        await client.post("/v1/decisions", json=payment("p1"), **place.by(Role.DECIDE))
        opened = await client.post("/v1/cases", json={"transaction_id": "p1"}, **place.by(Role.ANALYST))
        case, found = opened.json()["id"], {}
        version = opened.json()["version"]
        for name in ("mine", "vip"):
            events = await client.get("/v1/events", params={"topic": "cases"}, **by[name])
            streamed = await client.get("/v1/events/stream", params={"begin": "beginning"}, **by[name])
            assign = {"action": "assign", "version": version, "to": f"key:{made[name].split('_')[1]}"}
            assigned = await client.post(f"/v1/cases/{case}", json=assign, **place.by(Role.SUPERVISOR))
            version = assigned.json()["version"]
            stale = {"passing": {"id": case, "version": 1}}
            passed = await client.post("/v1/cases/next", json=stale, **by[name])
            await signed_in(client, made[name])
            pages = [(await client.get(path)).text for path in ("/decisions/p1", "/notifications")]
            found[name] = [case in one.text for one in (events, streamed)]
            found[name] += [passed.status_code, case in pages[0], "assigned to you" in pages[1]]
        asked = {"entity": "merchant", "entity_id": "m1"}
        guesses = [
            (await client.get("/v1/decisions", params=asked, **by["field"])).status_code,
            (await client.get("/v1/decisions", params=asked, **by["who"])).status_code,
            (await client.get("/v1/decisions/p1", params={"account_id": "a"}, **by["who"])).status_code,
            (await client.get("/v1/decisions/p1", params={"account_id": "a"}, **by["field"])).status_code,
        ]
        client.cookies.clear()
        paths = ("/sessions", "/session", "/answers")
        return found, guesses, [(await client.get(path)).status_code for path in paths]

    place.settings = ServeSettings(deadline_ms=60_000, stream_seconds=0.001)
    found, guesses, strangers = place(talk)
    assert found["mine"] == [True, True, 409, True, True]
    assert found["vip"] == [False, False, 404, False, False]
    assert guesses == [403, 200, 403, 404]
    assert strangers == [303, 200, 303]


def test_the_audit_trail_tells_of_reports_only_who_may_make_them(place):
    act = Act(actor="key:carla", channel="api", action="case.reported", object="C-1")

    async def talk(client, server):
        before = server.trail.head().number
        server.trail.write([act, Act(actor="key:carla", channel="api", action="list.changed")], 5)
        server.trail.write([act], 6)

        async def records(key, **query):
            headers = {"authorization": f"Bearer {key}"}
            answer = await client.get("/v1/audit", params={"after": before, **query}, headers=headers)
            return [msgspec.convert(one, Record) for one in answer.json()["records"]]

        return [
            (await records(key), await records(key, action="case"), await records(key, actor="key:carla"))
            for key in (place.made[Role.AUDITOR], both)
        ]

    with closing(ApiKeys(place.folder)) as keys:
        both = keys.create("both", frozenset({Role.AUDITOR, Role.COMPLIANCE}), 0)
    (every, of_cases, of_one), seen = place(talk)
    whole = seen[0]
    assert [one.act.action for one in whole[:3]] == ["case.reported", "list.changed", "case.reported"]
    assert [one.act.action for one in every[:3]] == ["withheld", "list.changed", "withheld"]
    assert "carla" not in str(every[0]) + str(of_cases)
    assert [(one.number, one.hash) for one in every[:3]] == [(one.number, one.hash) for one in whole[:3]]
    assert [one.previous for one in every[1:3]] == [one.hash for one in every[:2]]
    assert [one.act.action for one in of_one] == ["list.changed"]
    assert len(seen[1]) == 2


def test_a_key_of_before_roles_and_restrictions_still_lets_its_holder_in(tmp_path):
    with closing(ApiKeys(tmp_path)) as keys:
        token = keys.create("old", frozenset({Role.ANALYST}), 0)
    connection = sqlite3.connect(tmp_path / "access.db")
    for column in ("restriction", "made_by"):
        connection.execute(f"ALTER TABLE api_key DROP COLUMN {column}")
    connection.commit()
    connection.close()
    with closing(ApiKeys(tmp_path)) as keys:
        found = keys.recognise(token)
    assert (found.roles, found.restriction.text()) == ({Role.ANALYST}, "")
