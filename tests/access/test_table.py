"""Each route and page, for each role: what the table permits is answered, everything else is refused."""

import asyncio
import re
from contextlib import closing

import httpx
import pytest
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from tests.api.conftest import DEFINITIONS

from ringfence.access.authoriser import Authoriser
from ringfence.access.roles import PERMITTED, Permission, Role, holders
from ringfence.access.sessions import COOKIE
from ringfence.access.table import NEEDED
from ringfence.adapters.access.keys import ApiKeys
from ringfence.api.app import build
from ringfence.api.server import Server
from ringfence.api.services import Surroundings
from ringfence.api.settings import ServeSettings
from ringfence.compose.deciding.session import open_session
from ringfence.saving import Snapshotting
from ringfence.web import Site

FILLED = {"entity_type": "card", "case_id": "C-1", "digest": "abcd", "transaction_id": "t", "topic": "events"}
ROUTES = sorted(NEEDED)


def inner(app):
    while not isinstance(app, FastAPI):
        app = app._app
    return app


def served(app):
    paths = get_openapi(title="all", version="1", routes=inner(app).routes)["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


def filled(path):
    return re.sub(r"{(\w+)(:\w+)?}", lambda place: FILLED.get(place[1], "x1"), path)


def permits(role, route):
    return NEEDED[route] is None or NEEDED[route] in PERMITTED[role]


async def status(client, dashboard, key, route):
    method, path = route
    if path.startswith(("/v1/", "/metrics", "/healthz", "/readyz", "/slack/")):
        headers = {"authorization": f"Bearer {key}"}
    else:
        caller = await dashboard.of(Surroundings).authoriser.find(key.encode())
        session = dashboard.sessions.begin(key.encode(), caller)
        headers = {"cookie": f"{COOKIE}={session.id}", "x-csrf-token": session.csrf}
    body = {"content": b"{", "headers": headers | {"content-type": "application/json"}}
    asked = client.request(method, filled(path), **(body if method == "POST" else {"headers": headers}))
    return (await asked).status_code


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Status by role and route, and the routes that are served."""
    folder = tmp_path_factory.mktemp("table")
    with closing(ApiKeys(folder)) as keys:
        made = {role: keys.create(role, frozenset({role}), 0) for role in Role}

    async def whole():
        authoriser = Authoriser(ApiKeys(folder))
        with closing(authoriser), open_session(folder, DEFINITIONS, Snapshotting()) as session:
            server = Server(session, ServeSettings(stream_seconds=0.001), authoriser)
            dashboard = Site(server)
            routes = served(build(server)) | served(dashboard)
            app = build(server, None, dashboard)
            server.start()
            dashboard.stopping.set()  # live pages end at once
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                answers = {}
                for route in ROUTES:
                    # Who may not is asked for every role; one that may stands for all that may.
                    able = [role for role in Role if permits(role, route)]
                    asked = {*(role for role in Role if role not in able), able[len(answers) % len(able)]}
                    for role in sorted(asked):
                        answers[role, route] = await status(client, dashboard, made[role], route)
            await dashboard.stop()
            await server.stop()
            return answers, routes

    return asyncio.run(whole())


def test_every_route_and_page_stands_in_the_table_and_nothing_else_does(found):
    _, routes = found
    plain = {(method, re.sub(r"{(\w+):\w+}", r"{\1}", path)) for method, path in NEEDED}
    assert routes - plain == set()
    assert plain - routes == set()


def test_each_role_gets_what_the_table_permits_and_403_for_everything_else(found):
    answers, _ = found
    wrong = {
        (role, *route): code
        for (role, route), code in answers.items()
        if (code == 403) == permits(role, route) or code == 500 or (code == 401 and NEEDED[route])
    }
    assert wrong == {}


def test_roles_permit_what_their_names_say():
    changing = set(Permission) - {Permission.READ, Permission.ASK, Permission.AUDIT}
    assert PERMITTED[Role.VIEWER] == {Permission.READ}
    assert not PERMITTED[Role.AUDITOR] & changing
    assert Permission.APPROVE in PERMITTED[Role.SUPERVISOR] - PERMITTED[Role.ANALYST]
    assert {Permission.RULE, Permission.MODEL} <= PERMITTED[Role.BUILDER]
    assert PERMITTED[Role.SERVICE] == {Permission.DECIDE, Permission.INGEST}
    assert holders(Permission.REPORT) == "compliance"
    assert all(
        needed is None or any(needed in one for one in PERMITTED.values()) for needed in NEEDED.values()
    )
