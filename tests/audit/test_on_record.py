"""Every way to change something, or to see a payment, leaves a record before it is answered."""

import asyncio
import re
from contextlib import closing

import httpx
import pytest
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ringfence.access.authoriser import Authoriser
from ringfence.access.principal import Role
from ringfence.adapters.access.keys import ApiKeys
from ringfence.adapters.audit.trail import SqliteTrail
from ringfence.api import audited as api_audited
from ringfence.api.app import build
from ringfence.api.server import Server
from ringfence.api.settings import ServeSettings
from ringfence.cli import app as program
from ringfence.cli.audited import ACTIONS as COMMANDS
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.errors import StoreError
from ringfence.saving import Snapshotting
from ringfence.web import Site
from ringfence.web.audited import ACTIONS as PAGES

DEFINITIONS = load_definitions(None, None)
LOOKING = frozenset(
    {
        "alerts check", "alerts preview", "approvals list", "audit checkpoint", "audit key",
        "audit list", "audit verify", "backtest", "bus describe", "bus list", "bus test", "cases queues",
        "doctor", "drift", "evaluate", "features", "flink check",
        "follow", "followers list", "init", "keys list", "labels status", "land ddl",
        "model serve", "models compare", "models list", "models show", "models watch", "outbox list",
        "quarantine list", "replay", "rules check", "rules diff", "rules import",
        "rules list",
        "rules shadow", "rules show", "rules tune", "rules typologies", "rules versions", "run",
        "sessions end", "sessions list", "simulate", "sources", "store check",
        "store init", "store migrate", "train", "verify-backup", "version", "views list", "views show",
    }
)  # fmt: skip
"""Commands that show no person's data and change nothing that the log does not hold."""


class Serving:
    """A server over a folder, the dashboard included; `talk` is given a client and the server."""

    def __init__(self, folder):
        self.folder = folder
        self.keys = None

    def __call__(self, talk):
        return asyncio.run(self._whole(talk))

    async def _whole(self, talk):
        with open_session(self.folder, DEFINITIONS, Snapshotting()) as session:
            server = Server(session, ServeSettings(deadline_ms=60_000), Authoriser(self.keys))
            dashboard = Site(server)
            app = build(server, None, dashboard)
            server.start()
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            try:
                async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                    return await talk(client, server)
            finally:
                await dashboard.stop()
                await server.stop()

    def acts(self):
        with closing(SqliteTrail(self.folder)) as trail:
            return [one.act for one in trail.records()]


@pytest.fixture
def serving(tmp_path):
    return Serving(tmp_path / "data")


def routes(app):
    """Methods and paths of an application, as its own description has them."""
    paths = get_openapi(title="all", version="1", routes=app.routes)["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


def plain(table):
    """Without the converters of paths, of which a description knows nothing."""
    return {(method, re.sub(r"{(\w+):\w+}", r"{\1}", path)) for method, path in table}


def inner(app):
    """The FastAPI application inside the wrappers that stand before it."""
    while not isinstance(app, FastAPI):
        app = app._app
    return app


def test_every_request_that_changes_something_is_in_a_table(serving):
    async def talk(_client, server):
        api, pages = build(server), Site(server)
        return routes(inner(api)), routes(inner(pages))

    of_api, of_pages = serving(talk)
    for found, table in ((of_api, api_audited.ACTIONS), (of_pages, PAGES)):
        changing = {one for one in found if one[0] not in ("GET", "HEAD")} - api_audited.IN_THE_LOG
        assert changing
        assert changing - plain(table) == set()
        assert plain(table) - found == set()


def commands(app, path=""):
    for one in app.registered_commands:
        yield f"{path}{one.name or one.callback.__name__}"
    for group in app.registered_groups:
        yield from commands(group.typer_instance, f"{path}{group.name} ")


def test_every_command_is_in_a_table_or_known_to_change_and_show_nothing():
    found = set(commands(program))
    assert found - set(COMMANDS) - LOOKING == set()
    assert set(COMMANDS) - found == set()


ENTRY = {"list": "stolen", "kind": "block", "entries": [{"entity_id": "c1"}]}


def test_who_changes_a_list_over_the_api_is_on_record_before_the_answer(serving):
    async def talk(client, server):
        answer = await client.post("/v1/lists/entries", json=ENTRY)
        return answer.status_code, [one.act for one in server.trail.records()]

    status, acts = serving(talk)
    assert status == 200
    assert [(one.actor, one.channel, one.action, one.outcome) for one in acts] == [
        ("local", "api", "list.added", "done")
    ]


def test_looking_at_the_same_again_is_one_record_and_changing_again_is_two(serving):
    async def talk(client, _server):
        for _ in range(3):
            await client.get("/v1/decisions/nobody")
            await client.get("/decisions/nobody")
        for _ in range(2):
            await client.post("/v1/lists/entries", json=ENTRY)

    serving(talk)
    assert sorted((one.channel, one.action, one.object, one.outcome) for one in serving.acts()) == [
        ("api", "list.added", "stolen", "done"),
        ("api", "list.added", "stolen", "done"),
        ("api", "payment.seen", "nobody", "refused"),
        ("dashboard", "payment.seen", "nobody", "refused"),
    ]


def test_another_question_is_another_record(serving):
    async def talk(client, _server):
        for query in ("outcome=decline", "outcome=decline", "outcome=review"):
            await client.get(f"/v1/decisions?{query}")

    serving(talk)
    first, second = (one.details["query"] for one in serving.acts())
    assert first != second
    assert first.split()[0] == second.split()[0] == "outcome"
    assert "decline" not in first


def test_a_card_number_in_an_address_is_not_on_record(serving):
    serving(lambda client, _server: client.get("/v1/decisions/4111111111111111"))
    acts = serving.acts()
    assert [one.action for one in acts] == ["payment.seen"]
    assert "4111111111111111" not in acts[0].object


def test_the_trail_is_read_in_pages_and_its_head_is_that_of_the_file(serving):
    async def talk(client, _server):
        for number in range(5):
            await client.post("/v1/lists/entries", json=ENTRY | {"list": f"l{number}"})
        first = (await client.get("/v1/audit", params={"action": "list", "limit": 3})).json()
        rest = (await client.get("/v1/audit", params={"action": "list", "after": first["after"]})).json()
        return first, rest, (await client.get("/v1/audit/head")).json()

    first, rest, head = serving(talk)
    assert [one["act"]["object"] for one in (*first["records"], *rest["records"])] == [
        f"l{n}" for n in range(5)
    ]
    assert rest["after"] is None
    with closing(SqliteTrail(serving.folder)) as trail:
        assert (head["trail"], head["number"]) == (trail.id, 7)
        assert head["hash"] == trail.head().hash


def test_an_analyst_may_not_read_the_trail(serving):
    serving.folder.mkdir()
    with closing(ApiKeys(serving.folder)) as keys:
        analyst, admin = (keys.create("a", frozenset({role}), 0) for role in (Role.ANALYST, Role.ADMIN))
    serving.keys = ApiKeys(serving.folder)

    async def talk(client, _server):
        asked = [
            ("/v1/audit", analyst),
            ("/v1/audit/head", analyst),
            ("/v1/audit", admin),
            ("/v1/audit/head", admin),
        ]
        return [
            (await client.get(path, headers={"authorization": f"Bearer {key}"})).status_code
            for path, key in asked
        ]

    assert serving(talk) == [403, 403, 200, 200]


def test_nothing_is_shown_that_cannot_be_put_on_record(serving, monkeypatch):
    def full(*_):
        raise StoreError("no room")

    async def talk(client, server):
        monkeypatch.setattr(server.trail, "write", full)
        return [
            await client.get("/v1/decisions"),
            await client.get("/v1/decisions"),  # the second try is no better off than the first
            await client.get("/decisions"),
            await client.get("/decisions"),
            await client.post("/v1/lists/entries", json=ENTRY),
            await client.get("/v1/rules"),
        ]

    *kept_back, rules = serving(talk)
    for answer in kept_back:
        assert answer.status_code == 503
        assert "on record" in answer.json()["detail"]
    assert rules.status_code == 200


def test_who_signs_in_and_who_fails_to_are_on_record(serving):
    serving.folder.mkdir()
    with closing(ApiKeys(serving.folder)) as keys:
        key = keys.create("ada", frozenset({Role.ANALYST}), 0)
    serving.keys = ApiKeys(serving.folder)

    async def talk(client, _server):
        client.headers["sec-fetch-site"] = "same-origin"
        page = await client.get("/sign-in")
        csrf = (await client.get("/session")).json()["csrf"]
        assert page.status_code == 200
        for given in ("rf_wrong_key", "rf_wrong_key", key):
            answer = await client.post("/sign-in", data={"key": given, "csrf": csrf, "next": "/"})
        return answer.status_code

    assert serving(talk) == 303
    acts = [(one.actor, one.action, one.outcome) for one in serving.acts()]
    assert acts == [
        ("nobody", "access.signed_in", "refused"),
        (f"key:{key.split('_')[1]}", "access.signed_in", "done"),
    ]
