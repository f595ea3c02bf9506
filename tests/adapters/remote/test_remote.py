"""A model that answers elsewhere: over a real socket, with every way of not answering."""

import gzip
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import numpy as np
import pytest
import uvicorn
from tests import artifacts
from tests.waiting import until

from ringfence.adapters.artifacts import load_scorer, read_folder
from ringfence.adapters.remote import RemoteModel
from ringfence.adapters.remote.guards import CircuitBreaker
from ringfence.api.model_host.service import ModelService
from ringfence.errors import ScorerError

ROWS = np.where(np.random.default_rng(2).random((1300, 3)) < 0.1, np.nan, 7.5)


class Script(BaseHTTPRequestHandler):
    """Answers by the server's script, one entry a request; the last one stays."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.append((self.headers["authorization"], body))
        script = self.server.script
        status, answer, delay = script.pop(0) if len(script) > 1 else script[0]
        time.sleep(delay)
        content = answer(body) if callable(answer) else answer
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """The client hung up, as it should."""


@contextmanager
def scripted(*script):
    server = Quiet(("127.0.0.1", 0), Script)
    server.script, server.seen = list(script), []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}/invocations"
    finally:
        server.shutdown()
        server.server_close()


class Exchanged:
    """A secret that was another one when it was read last."""

    changes = 0

    def value(self):
        return "wrong"

    def renewed(self, refused):
        return "secret" if refused == "wrong" else None


def says(value, model="there"):
    """Each row gets this probability."""
    return lambda body: json.dumps({"model": model, "probabilities": [value] * len(body["rows"])}).encode()


GOOD = (200, says(0.25), 0)


@pytest.fixture
def remote(tmp_path):
    """remote(url, **endpoint): the model that a manifest with this endpoint describes."""
    artifacts.make(tmp_path / "local")
    local = read_folder(tmp_path / "local").manifest
    every = []

    def made(url, *, key=None, clock=time.monotonic, **endpoint):
        # Long: on a busy machine an answer may take seconds. Tests of the deadline name their own.
        parameters = {"url": url, "deadline_ms": 60_000, **endpoint}
        manifest = msgspec.structs.replace(local, algorithm="remote", parameters=parameters, files={})
        every.append(RemoteModel(manifest, "0123456789abcdef", key=key, clock=clock))
        return every[-1]

    yield made
    for one in every:
        one.close()


@contextmanager
def serving(scorer, **more):
    config = uvicorn.Config(
        ModelService(scorer, **more).application(), port=0, log_level="error", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/invocations"
    finally:
        server.should_exit = True
        thread.join()


def test_our_own_service_gives_the_probabilities_of_the_model_in_process(tmp_path, remote):
    artifacts.make(tmp_path / "m")
    local = load_scorer(read_folder(tmp_path / "m"))
    with serving(local, key="secret") as url:
        model = remote(url, key="secret", serves=local.digest)
        np.testing.assert_allclose(
            model.score(ROWS), local.score(ROWS), rtol=1e-12
        )  # in calls of other sizes
        assert model.score(ROWS[:0]).tolist() == []
        assert model.contributions(ROWS[:1]) is None
        with pytest.raises(ScorerError, match="status 401"):
            remote(url, key="wrong").score(ROWS[:1])
        exchanged = remote(url, key=Exchanged(), serves=local.digest, tries=1)
        assert exchanged.score(ROWS[:1]).tolist() == model.score(ROWS[:1]).tolist()
        with pytest.raises(ScorerError, match=f"serves model '{local.digest}', not"):
            remote(url, key="secret", serves="f" * 16).score(ROWS[:1])


def test_rows_go_by_name_with_null_for_unknown_in_calls_of_a_bounded_size(remote):
    with scripted(GOOD) as (server, url):
        assert remote(url, key="k").score(ROWS).tolist() == [0.25] * 1300
    assert [len(body["rows"]) for _, body in server.seen] == [512, 512, 276]
    assert server.seen[0][0] == "Bearer k"
    assert server.seen[0][1]["inputs"] == list(artifacts.INPUTS)
    sent = [value for _, body in server.seen for row in body["rows"] for value in row]
    assert sum(value is None for value in sent) == np.isnan(ROWS).sum()


def test_a_failure_that_may_pass_is_tried_again(remote):
    with scripted((503, b"busy", 0), GOOD) as (server, url):
        assert remote(url).score(ROWS[:2]).tolist() == [0.25, 0.25]
    assert len(server.seen) == 2


def test_a_refusal_is_final(remote):
    with scripted((422, b"{}", 0), GOOD) as (server, url), pytest.raises(ScorerError, match="status 422"):
        remote(url).score(ROWS[:2])
    assert len(server.seen) == 1


def test_the_deadline_holds_over_all_tries(remote):
    gave_up = threading.Event()

    def late(body):
        assert gave_up.wait(60)  # who keeps no deadline hears 0.5 in the end, or waits for more than a minute
        return says(0.5)(body)

    with scripted((200, late, 0)) as (_, url):
        with pytest.raises(ScorerError):
            remote(url, deadline_ms=200, tries=3).score(ROWS[:1])
        gave_up.set()


class Dripping(Script):
    """Sends one byte now and then: no single read ever waits long."""

    def do_POST(self):
        self.send_response(200)
        self.send_header("content-length", "1000")
        self.end_headers()
        for _ in range(600):
            if self.server.gave_up.wait(0.05):
                return
            self.wfile.write(b" ")
            self.wfile.flush()


def test_the_deadline_holds_against_an_answer_that_drips(remote):
    with scripted(GOOD) as (server, url):
        server.RequestHandlerClass = Dripping
        server.gave_up = threading.Event()
        with pytest.raises(ScorerError, match=r"too late|did not answer"):
            remote(url, deadline_ms=200, tries=1).score(ROWS[:1])
        server.gave_up.set()


def test_an_endpoint_that_fails_is_left_alone_and_then_asked_once(remote):
    now = [0.0]
    with scripted((500, b"", 0)) as (server, url):
        model = remote(
            url, clock=lambda: now[0], tries=1, most_failures=3, rest_ms=10_000, deadline_ms=60_000
        )
        for _ in range(5):
            with pytest.raises(ScorerError):
                model.score(ROWS[:1])
        assert len(server.seen) == 3
        now[0] = 11.0
        may_answer = threading.Event()

        def later(body):
            assert may_answer.wait(60)
            return says(0.25)(body)

        server.script[:] = [(200, later, 0), GOOD]
        for _ in range(3):
            with pytest.raises(ScorerError, match="too often"):  # no payment waits for the test
                model.score(ROWS[:1])
        may_answer.set()
        until(lambda: not model._breaker.is_open)
        assert model.score(ROWS[:1]).tolist() == [0.25]
        assert len(server.seen) == 5


def test_a_test_that_fails_leaves_the_circuit_open():
    breaker = CircuitBreaker(1, 10)
    breaker.failed(0)
    assert breaker.allows(10)
    breaker.failed(10)
    assert not breaker.allows(19)
    assert breaker.allows(20)


def test_retries_do_not_double_the_load_of_an_endpoint_that_always_fails(remote):
    with scripted((503, b"", 0)) as (server, url):
        model = remote(url, tries=3, most_failures=10_000)
        for _ in range(40):
            with pytest.raises(ScorerError):
                model.score(ROWS[:1])
    assert 40 <= len(server.seen) <= 40 + 10 + 4


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"no json",
        b"{}",
        b'{"model": "x", "probabilities": [0.5, 0.5]}',
        b'{"model": "x", "probabilities": [1.5]}',
        b'{"model": "x", "probabilities": [null]}',
        b'{"model": "x", "probabilities": ["0.5"]}',
        b'{"model": "x", "probabilities": [true]}',
        b'{"model": "x", "probabilities": [NaN]}',
        b'{"model": "x", "probabilities": [1e999]}',
        b'{"model": "x", "probabilities": [-0.1]}',
        b'{"model": "x", "probabilities": [%b]}' % (b"9" * 5000),
        b'{"model": "x", "probabilities": []}',
        b'{"model": "x", "probabilities": 0.5}',
        b'{"model": 7, "probabilities": [0.5]}',
        b'{"model": "x", "probabilities": [0.5], "more": %b}' % (b"[" * 50_000),
    ],
)
def test_an_answer_that_is_none_never_becomes_a_score(remote, answer):
    with scripted((200, answer, 0)) as (_, url), pytest.raises(ScorerError):
        remote(url).score(ROWS[:1])


def test_nobody_at_the_address_is_an_error_of_ours_without_the_key(remote):
    with pytest.raises(ScorerError, match="gives no score: ConnectError") as caught:
        remote("http://127.0.0.1:9/invocations", key="secret", tries=1).score(ROWS[:1])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "ftp://x", "http://user:word@x/y", "http://x/y?token=z"])
def test_an_address_that_is_none_or_holds_a_secret_is_refused(remote, url):
    with pytest.raises(ScorerError, match="names no endpoint"):
        remote(url)


class Headed(Script):
    """Answers with the head and body of the server's script, whatever they are."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.append((self.path, self.headers["accept-encoding"]))
        self.wfile.write(self.server.head)
        try:
            for piece in self.server.body:
                self.wfile.write(piece)
                self.server.sent += len(piece)
        except OSError:
            pass
        self.close_connection = True


@contextmanager
def headed(head, body):
    with scripted(GOOD) as (server, url):
        server.RequestHandlerClass = Headed
        server.head, server.body, server.asked, server.sent = head, body, [], 0
        yield server, url


SMALL = b'{"model": "x", "probabilities": [0.5]}'


def test_a_compressed_answer_is_not_asked_for_and_not_unfolded(remote):
    """1.5 MB of it took 5 GB."""
    packed = gzip.compress(b'{"model": "x", "probabilities": [0.5], "more": "' + b"x" * (64 << 20) + b'"}')
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
    with headed(head, [packed]) as (server, url), pytest.raises(ScorerError, match="compressed"):
        remote(url).score(ROWS[:1])
    assert server.asked == [("/invocations", "identity")]


@pytest.mark.parametrize("chunked", [True, False])
def test_an_answer_without_end_is_left_when_it_is_longer_than_any_can_be(remote, chunked):
    piece = b" " * 10_000
    head = b"HTTP/1.1 200 OK\r\n" + (b"transfer-encoding: chunked\r\n\r\n" if chunked else b"\r\n")
    body = (b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece for _ in range(100_000))
    with headed(head, body) as (server, url), pytest.raises(ScorerError, match="more than 65,536 bytes"):
        remote(url, deadline_ms=60_000).score(ROWS[:1])
    assert server.sent < 100_000 * len(piece)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_nobody_is_sent_elsewhere(remote, status):
    with scripted(GOOD) as (other, elsewhere):
        head = b"HTTP/1.1 %d Moved\r\nlocation: %b\r\ncontent-length: 0\r\n\r\n" % (
            status,
            elsewhere.encode(),
        )
        with headed(head, []) as (_, url), pytest.raises(ScorerError, match=f"status {status}"):
            remote(url).score(ROWS[:1])
        assert other.seen == []


def test_heads_that_drip_end_at_the_deadline_and_block_nobody_who_comes_next(remote):
    """More of them than there are connections: each was a thread that waited for good."""
    gave_up = threading.Event()

    class Drip:
        """Each request has its own: one that is handled late overlaps with the next."""

        def __iter__(self):
            for _ in range(1200):
                if gave_up.wait(0.05):
                    return
                yield b"x"

    with headed(b"HTTP/1.1 200 OK\r\nx: ", Drip()) as (server, url):
        model = remote(url, deadline_ms=150, tries=1, most_failures=100)
        for _ in range(6):
            with pytest.raises(ScorerError, match=r"too late|did not answer"):
                model.score(ROWS[:1])
        gave_up.set()
        server.head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(SMALL)
        server.body = [SMALL]
        assert remote(url).score(ROWS[:1]).tolist() == [0.5]
        model.endpoint = msgspec.structs.replace(model.endpoint, deadline_ms=30_000)
        assert model.score(ROWS[:1]).tolist() == [0.5]
