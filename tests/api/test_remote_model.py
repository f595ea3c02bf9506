"""A model that answers elsewhere: whoever waits for it, nobody else does."""

import asyncio
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest
from tests import artifacts

from ringfence.adapters.artifacts import read_folder
from ringfence.adapters.remote import RemoteModel
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.scoring.artifacts.models import Models

from .conftest import payment, running, session_in


class Slow(BaseHTTPRequestHandler):
    """Says .25 of every row, once it may."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.set()
        self.server.may_answer.wait(60)
        said = json.dumps({"model": "there", "probabilities": [0.25] * len(body["rows"])}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


@contextmanager
def answering():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.daemon_threads = True
    server.asked, server.may_answer = threading.Event(), threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def remote(tmp_path):
    """Asks whoever answers at a URL, for at most ten seconds."""
    made = []
    artifacts.make(tmp_path / "local")

    def model(url):
        parameters = {"url": url, "deadline_ms": 10_000}
        local = read_folder(tmp_path / "local").manifest
        manifest = msgspec.structs.replace(local, algorithm="remote", parameters=parameters, files={})
        made.append(RemoteModel(manifest, "0123456789abcdef"))
        return made[-1]

    yield model
    for one in made:
        one.close()


def test_while_a_model_elsewhere_takes_its_time_the_loop_goes_on_and_the_log_keeps_order(remote, tmp_path):
    """Pages are answered meanwhile, and who comes later is decided later."""

    async def talk(client, peer):
        first = asyncio.ensure_future(client.post("/v1/decisions", json=payment("first")))
        while not peer.asked.is_set():
            await asyncio.sleep(0.005)
        later = [
            asyncio.ensure_future(client.post("/v1/decisions", json=payment(f"later-{n}"))) for n in range(3)
        ]
        alive = await client.get("/healthz")
        assert not any(one.done() for one in (first, *later))
        peer.may_answer.set()
        return alive.status_code, [(await one).json() for one in (first, *later)]

    async def whole():
        with session_in(tmp_path / "data") as session, answering() as peer:
            model = remote(f"http://127.0.0.1:{peer.server_port}/invocations")
            models = Models(Deployment(champion=model.digest), {model.digest: model})
            session.runner.pipeline.use(models=models)
            async with running(session, deadline_ms=60_000) as client:
                return await talk(client, peer)

    status, decided = asyncio.run(whole())
    assert status == 200
    assert [one["probability"] for one in decided] == [0.25] * 4
    assert [one["degraded"] for one in decided] == [[]] * 4
    assert [one["offset"] for one in decided] == [0, 1, 2, 3]
    assert [one["transaction_id"] for one in decided] == ["first", "later-0", "later-1", "later-2"]
