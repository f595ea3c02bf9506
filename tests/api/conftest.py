"""A server on a store of its own, in this process, and a client that talks to it without a socket."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager, contextmanager
from typing import ClassVar

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from ringfence.access.authoriser import Authoriser
from ringfence.api.app import build
from ringfence.api.direct import DirectProtocol
from ringfence.api.server import Server
from ringfence.api.settings import ServeSettings
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.saving import Snapshotting

NOW_MS = time.time_ns() // 1_000_000
DEFINITIONS = load_definitions(None, None)


@contextmanager
def session_in(folder, definitions=DEFINITIONS, **options):
    with open_session(folder, definitions, Snapshotting(), **options) as session:
        yield session


@asynccontextmanager
async def running(session, *, authoriser=None, log=None, raise_app_exceptions=True, **options):
    """A started server and a client of it."""
    settings = ServeSettings(**{"deadline_ms": 60_000, "most_waiting": 10_000} | options)
    server = Server(session, settings, authoriser or Authoriser())
    app = build(server, log)
    server.start()
    transport = httpx.ASGITransport(app, raise_app_exceptions=raise_app_exceptions)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        client.server = server
        client.log = app.log if log else None
        yield client
    await server.stop()


@asynccontextmanager
async def listening(session, *, authoriser=None, site=None, tracing=None, **options):
    """A started server behind a real socket; time passes for its connections by `connections.look()`."""
    settings = ServeSettings(**{"deadline_ms": 60_000, "most_waiting": 10_000} | options)
    server = Server(session, settings, authoriser or Authoriser(), tracing=tracing)
    app = build(server, None, site(server) if site else None)
    server.decider.start(asyncio.get_running_loop())
    server.hub.start(asyncio.get_running_loop())
    server.hot.start(asyncio.get_running_loop())
    config = uvicorn.Config(app, ws="none", access_log=False, log_level="warning", server_header=False)
    state, front = ServerState(), getattr(app, "app", app)

    def connected():
        return DirectProtocol(front, config=config, server_state=state, app_state={})

    found = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
    server.port = found.sockets[0].getsockname()[1]
    yield server
    while Peer.known:
        Peer.known.pop().close()
    found.close()
    for connection in list(state.connections):
        connection.hang_up()
    server.end_streams()
    await asyncio.gather(*state.tasks, return_exceptions=True)
    await server.stop()


class Wired:
    """Runs a conversation over sockets: `wired(lambda server: ...)`."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, talk, **options):
        async def whole():
            with session_in(self.folder) as session:
                async with listening(session, **options) as server:
                    return await talk(server)

        return asyncio.run(whole())


class Peer:
    """Somebody who may send what no client would."""

    known: ClassVar[list] = []  # closed with the server

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.known.append(self)

    @classmethod
    async def of(cls, server):
        return cls(*await asyncio.open_connection("127.0.0.1", server.port))

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self):
        """(status, headers, body); None where the server has hung up."""
        first = await self.reader.readline()
        if not first:
            return None
        headers = {}
        while (line := await self.reader.readline()).strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return int(first.split()[1]), headers, await self.reader.readexactly(int(headers["content-length"]))

    async def has_ended(self):
        """Whether the server closes it."""
        try:
            return not await asyncio.wait_for(self.reader.read(), 60)
        except ConnectionResetError:
            return True

    def close(self):
        self.writer.transport.abort()


@pytest.fixture
def wired(tmp_path):
    return Wired(tmp_path / "data")


class Api:
    """Runs a conversation with a server: `api(lambda client: ...)`."""

    def __init__(self, folder, definitions=DEFINITIONS):
        self.folder = folder
        self.definitions = definitions

    def __call__(self, talk, *, require_approval=False, **options):
        async def whole():
            approval = {"require_approval": require_approval}
            with session_in(self.folder, self.definitions, **approval) as session:
                async with running(session, **options) as client:
                    return await talk(client)

        return asyncio.run(whole())


@pytest.fixture
def api(tmp_path):
    return Api(tmp_path / "data")


def payment(identity="t1", **fields):
    base = {
        "transaction_id": identity,
        "event_time": NOW_MS,
        "amount": "12.50",
        "currency": "EUR",
        "card_number": "4111111111111111",
        "merchant_id": "m1",
    }
    return base | fields


def lines(records):
    return b"\n".join(json.dumps(record).encode() for record in records)


NDJSON = {"content-type": "application/x-ndjson"}
