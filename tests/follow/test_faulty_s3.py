"""The landing zone on an S3 that is overloaded: a proxy before a real one answers 503, 409 and 403."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Thread

import httpx
import pytest
from moto.server import ThreadedMotoServer
from tests.follow.test_landing import DECISIONS, EVENTS, BucketPlace, in_the_log, landed

from ringfence.adapters.landing import LandingFollower, open_place
from ringfence.adapters.sqlite import Store
from ringfence.errors import StoreError
from ringfence.follow import catch_up

ANSWERS = {503: "SlowDown", 409: "ConditionalRequestConflict", 403: "AccessDenied"}
OF_THE_HOP = {
    "connection",
    "transfer-encoding",
    "content-length",
    "content-encoding",
    "host",
    "date",
    "server",
}


class Proxy(ThreadingHTTPServer):
    """Lets requests through to `behind`, or answers as `fault` says: a status, before or after the deed."""

    def __init__(self, behind):
        super().__init__(("127.0.0.1", 0), Handler)
        self.http = httpx.Client(base_url=behind)
        self.fault = lambda _method, _conditional: (None, False)
        self.told = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        status, is_done = self.server.fault(self.command, "if-none-match" in self.headers)
        if status is None or is_done:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in OF_THE_HOP}
            found = self.server.http.request(self.command, self.path, content=body, headers=headers)
        if status is not None:
            self.server.told.append(status)
            content = f"<Error><Code>{ANSWERS[status]}</Code></Error>".encode()
            return self.send(status, {}, content)
        return self.send(found.status_code, found.headers, found.content)

    def send(self, status, headers, content):
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in OF_THE_HOP:
                self.send_header(name, value)
        self.send_header(
            "content-length", headers.get("content-length", "0") if self.command == "HEAD" else len(content)
        )
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 (names of the library)

    def log_message(self, *_arguments):
        pass


@pytest.fixture(scope="module")
def proxy():
    behind = ThreadedMotoServer(port=0, verbose=False)
    behind.start()
    host, port = behind.get_host_and_port()
    made = Proxy(f"http://{host}:{port}")
    thread = Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    made.http.close()
    behind.stop()


@pytest.fixture
def place(tmp_path, proxy, monkeypatch):
    """A log and a zone on the faulty S3, which behaves until it is told otherwise."""
    given = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}
    for name, value in (given | {"AWS_ENDPOINT_URL": proxy.url}).items():
        monkeypatch.setenv(name, value)
    proxy.fault = lambda _method, _conditional: (None, False)
    proxy.told.clear()
    assert proxy.http.put(f"/{tmp_path.name.replace('_', '-')}").status_code == 200
    with Store.open(tmp_path / "data") as store:
        yield BucketPlace(store, f"s3://{tmp_path.name.replace('_', '-')}/lake")
    proxy.fault = lambda _method, _conditional: (None, False)


def test_a_conflict_of_which_nothing_came_is_tried_again_and_a_name_that_is_taken_is_not(place, proxy):
    """409 says that another put is under way, 412 that there is a file."""
    zone, answers = open_place(place.address), [409] * 3
    proxy.fault = lambda method, _conditional: (answers.pop() if method == "PUT" and answers else None, False)
    assert zone.create("one", b"ours") is True
    assert zone.create("one", b"others") is False
    assert zone.read("one") == b"ours"


def test_slow_down_conflicts_and_answers_that_get_lost_leave_each_row_once(place, proxy):
    """503 before the deed and after it, 409 to a put under a condition: it goes on by itself."""
    chance = Random(5)

    def fault(method, conditional):
        draw = chance.random()
        if method == "PUT" and conditional and draw < 0.2:
            return 409, False
        return (503, draw < 0.3) if draw < 0.4 else (None, False)

    proxy.fault = fault
    for _ in range(3):
        place.fill(3)
        for _ in range(20):
            try:
                catch_up(place.log, place.follower(), all_of_it=True)
                break
            except StoreError:  # as the pump does
                continue
    assert {503, 409} <= set(proxy.told)
    proxy.fault = lambda _method, _conditional: (None, False)
    for topic in (EVENTS, DECISIONS):
        assert landed(place.place, topic).equals(in_the_log(place, topic))


def test_a_bucket_that_is_forbidden_is_told_with_what_is_needed_and_nothing_is_lost(place, proxy):
    place.fill(2)
    proxy.fault = lambda _method, _conditional: (403, False)
    follower = LandingFollower(place.log, open_place(place.address), "log-1", lambda: 7)
    with pytest.raises(
        StoreError, match=r"s3:\w+ fails with AccessDenied .*allow the action to the role"
    ) as caught:
        catch_up(place.log, follower, all_of_it=True)
    assert "AccessDenied" in str(caught.value) or "403" in str(caught.value)
    proxy.fault = lambda _method, _conditional: (None, False)
    catch_up(place.log, follower, all_of_it=True)
    assert landed(place.place, EVENTS).equals(in_the_log(place, EVENTS))
