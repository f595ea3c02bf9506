"""A server on a store of its own, in this process, and a client that talks to it without a socket."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager, contextmanager

import httpx
import pytest

from ringfence.access.authoriser import Authoriser
from ringfence.api.app import build
from ringfence.api.server import Server
from ringfence.api.settings import ServeSettings
from ringfence.compose import load_definitions, open_session
from ringfence.runner import Snapshotting

NOW_MS = time.time_ns() // 1_000_000
DEFINITIONS = load_definitions(None, None)


@contextmanager
def session_in(folder, definitions=DEFINITIONS, **options):
    with open_session(folder, definitions, Snapshotting(), **options) as session:
        yield session


@asynccontextmanager
async def running(session, *, authoriser=None, log=None, raise_app_exceptions=True, **options):
    """A started server and a client of it."""
    settings = ServeSettings(**{"deadline_ms": 10_000, "most_waiting": 10_000} | options)
    server = Server(session, settings, authoriser or Authoriser())
    app = build(server, log)
    server.start()
    transport = httpx.ASGITransport(app, raise_app_exceptions=raise_app_exceptions)
    async with httpx.AsyncClient(transport=transport, base_url="http://ringfence.test") as client:
        client.server = server
        client.log = app.log if log else None
        yield client
    await server.stop()


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
