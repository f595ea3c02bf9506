"""Single payments over a socket: the short way answers as the application would, whatever the cut."""

import json
import socket
import time
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from benchmarks.serving import ALONE, Process

from ringfence.api.direct import is_one_payment

from .conftest import payment


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process = Process(tmp_path_factory.mktemp("served"), **ALONE)
    yield process
    assert process.end() == 0


@contextmanager
def connected(server):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        yield connection


def request(body, *headers, version="1.1", length=None):
    """Bytes of a POST."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [
        f"POST /v1/decisions HTTP/{version}",
        "host: localhost",
        "content-type: application/json",
        *headers,
    ]
    if length is not False:
        head.append(f"content-length: {len(data)}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + data


def answers(connection, count):
    """(status, headers, body) of so many answers."""
    stream, found = connection.makefile("rb"), []
    for _ in range(count):
        status = int(stream.readline().split()[1])
        headers = dict(line.split(": ", 1) for line in iter(lambda: stream.readline().decode().strip(), ""))
        found.append((status, headers, json.loads(stream.read(int(headers["content-length"])))))
    return found


def test_a_connection_serves_one_payment_after_the_other(server):
    with connected(server) as connection:
        for number in (1, 2):
            connection.sendall(request(payment(f"after-{number}")))
            [(status, headers, body)] = answers(connection, 1)
            assert (status, body["transaction_id"]) == (200, f"after-{number}")
            assert headers["content-type"] == "application/json"


def test_requests_sent_at_once_are_answered_in_order(server):
    with connected(server) as connection:
        sent = [request(payment(f"piped-{number}")) for number in range(5)]
        connection.sendall(b"".join(sent) + b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        found = answers(connection, 6)
    assert [body.get("transaction_id") for _, _, body in found] == [*(f"piped-{n}" for n in range(5)), None]
    assert found[-1][2] == {"status": "alive"}


def test_a_request_may_come_in_pieces(server):
    whole = request(payment("pieces"))
    with connected(server) as connection:
        for at in range(0, len(whole), 40):
            connection.sendall(whole[at : at + 40])
            time.sleep(0.005)
        [(status, _, body)] = answers(connection, 1)
    assert (status, body["transaction_id"]) == (200, "pieces")


@pytest.mark.parametrize(
    "headers", [["connection: close"], ["origin: http://localhost"], ["expect: 100-continue"]]
)
def test_other_headers_change_nothing_of_the_answer(server, headers):
    name = headers[0].split(":")[0]
    with connected(server) as connection:
        connection.sendall(request(payment(f"with-{name}"), *headers))
        if name == "expect":
            assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        [(status, found, body)] = answers(connection, 1)
        assert (status, body["transaction_id"]) == (200, f"with-{name}")
        if name == "connection":
            assert found["connection"] == "close"
            assert connection.recv(1) == b""


def test_an_old_or_chunked_request_is_answered_too(server):
    with connected(server) as connection:
        connection.sendall(request(payment("old"), version="1.0"))
        assert answers(connection, 1)[0][2]["transaction_id"] == "old"
    data = json.dumps(payment("chunked")).encode()
    with connected(server) as connection:
        chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
        connection.sendall(request(chunked, "transfer-encoding: chunked", length=False))
        assert answers(connection, 1)[0][2]["transaction_id"] == "chunked"


def test_a_retry_is_marked_and_a_conflict_is_a_problem(server):
    with connected(server) as connection:
        for body in (payment("again"), payment("again"), payment("again", amount="1.00")):
            connection.sendall(request(body))
        (_, _, first), (_, marked, second), (status, headers, problem) = answers(connection, 3)
    assert first == second
    assert marked["idempotency-replayed"] == "true"
    assert (status, headers["content-type"]) == (409, "application/problem+json")
    assert problem["fields"] == ["amount_minor"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "empty_body"),
        (b"  \n", 400, "empty_body"),
        (b"{", 422, "invalid_event"),
        (b"x" * (1 << 20) + b"x", 413, "too_large"),
    ],
)
def test_what_is_no_payment_is_a_problem(server, body, status, code):
    with connected(server) as connection:
        connection.sendall(request(body))
        [(found, _, problem)] = answers(connection, 1)
    assert (found, problem["code"]) == (status, code)


def test_a_caller_who_hangs_up_harms_nobody_and_the_payment_counts(server):
    with connected(server) as connection:
        connection.sendall(request(payment("gone")))
    for _ in range(1200):
        found = httpx.get(f"{server.url}/v1/decisions/gone")
        if found.status_code == 200:
            break
        time.sleep(0.05)
    assert found.json()["decision"]["transaction_id"] == "gone"


def test_the_short_way_is_counted_like_any_other(server):
    before = answered(server)
    httpx.post(f"{server.url}/v1/decisions", json=payment("counted"))
    assert answered(server) == before + 1


def answered(server):
    text = httpx.get(f"{server.url}/metrics").text
    name = 'ringfence_http_requests_total{route="/v1/decisions",status="200"}'
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def test_while_nobody_is_let_in_a_payment_is_refused_and_the_connection_goes_on(tmp_path):
    process = Process(tmp_path / "narrow", RINGFENCE_SERVE_MOST_WAITING="1", **ALONE)
    with ExitStack() as stack:
        stack.callback(process.end)
        lines = [stack.enter_context(connected(process)) for _ in range(40)]
        for number, line in enumerate(lines):
            line.sendall(request(payment(f"crowd-{number}")))
        found = [answers(line, 1)[0] for line in lines]
        assert {status for status, _, _ in found} == {200, 503}
        refused = [(headers, body) for status, headers, body in found if status == 503]
        assert all(
            headers["retry-after"] == "1" and body["code"] == "overloaded" for headers, body in refused
        )
        counted = httpx.get(f"{process.url}/metrics").text
        assert f"ringfence_shed_requests_total {len(refused)}.0" in counted
        for number, line in enumerate(lines):
            line.sendall(request(payment(f"later-{number}")))
            assert answers(line, 1)[0][0] == 200


@pytest.mark.parametrize(
    "odd",
    [
        request(payment("a"), "expect: 100-continue"),
        request(payment("a"), "connection: close"),
        request(payment("a"), "Origin: https://shop.example"),
        request(payment("a"), "Transfer-Encoding: chunked"),
        request(payment("a"), "content-length: 3"),
        request(payment("a"), length=False),
        request(payment("a"))[:-1],
        request(payment("a")) + b"G",
        request(payment("a"), version="1.0"),
        request(payment("a")).replace(b"/v1/decisions", b"/v1/decisions/batch"),
        b"",
    ],
)
def test_only_one_whole_plain_payment_is_refused_unread(odd):
    assert is_one_payment(request(payment("a")))
    assert not is_one_payment(odd)
