"""The three edges over a store of its own each: command line, API, dashboard."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest

from ringfence.access.authoriser import Authoriser
from ringfence.api.app import build
from ringfence.api.server import Server
from ringfence.api.settings import ServeSettings
from ringfence.cli import execute
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.saving import Snapshotting
from ringfence.web import Site

DEFINITIONS = load_definitions(None, None)


class Edges:
    """Ways to the same desk; each call is a process of its own on the folder that it is given."""

    def __init__(self, folder, capsys):
        self.folder, self.capsys = folder, capsys

    def store(self, edge):
        return self.folder / edge

    def command(self, *words, edge="cli"):
        """Exit code and what was printed, as JSON where it is."""
        self.capsys.readouterr()
        code = execute([*map(str, words), "--data", str(self.store(edge)), "--json"])
        lines = self.capsys.readouterr().out.splitlines()
        return code, [json.loads(line) for line in lines]

    def serve(self, edge, talk, **options):
        """A conversation with a server over the folder of an edge, dashboard included."""

        async def whole():
            with open_session(self.store(edge), DEFINITIONS, Snapshotting(), **options) as session:
                async with _running(session) as client:
                    return await talk(client)

        return asyncio.run(whole())

    def look(self, edge, ask, **options):
        """What `ask` says of the store that an edge left."""
        with open_session(self.store(edge), DEFINITIONS, Snapshotting(), **options) as session:
            return ask(session)


@asynccontextmanager
async def _running(session):
    server = Server(session, ServeSettings(deadline_ms=60_000), Authoriser())
    dashboard = Site(server)
    app = build(server, None, dashboard)
    server.start()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
        client.server = server
        await client.get("/sign-in")  # forms prove by a token that a page of this site sent them
        client.headers["x-csrf-token"] = (await client.get("/session")).json()["csrf"]
        yield client
    server.end_streams()
    await server.stop()


@pytest.fixture
def edges(tmp_path, capsys):
    return Edges(tmp_path, capsys)
