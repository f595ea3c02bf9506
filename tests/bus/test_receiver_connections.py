"""Connections to receivers of webhooks: names, answers with more behind them, and answers to nobody."""

import socket
import ssl
import threading
from contextlib import closing, contextmanager, suppress

import pytest
import trustme

from ringfence.adapters.notifiers.addresses import networks
from ringfence.adapters.notifiers.webhook import WebhookNotifier
from ringfence.bus.notifier import AttemptEnd, Message
from ringfence.bus.words import Words
from ringfence.compose.messaging.notifiers import check_destination
from ringfence.errors import InputError
from ringfence.settings import Settings

from .receivers import Receiver

LOOPBACK = networks(["127.0.0.0/8"])


def message(to, identity="log:decisions:7:team"):
    return Message(identity, b"{}", Words(""), to)


@contextmanager
def raw_receiver(answer):
    """The address of a server that calls `answer(connection, number)` for each request that it reads."""
    listening = socket.create_server(("127.0.0.1", 0))
    connections = []

    def serve(connection):
        number = 0
        with suppress(OSError):  # closed at the end of the test
            while connection.recv(65_536):
                answer(connection, number)
                number += 1

    def accept():
        while True:
            try:
                connections.append(listening.accept()[0])
            except OSError:
                return
            threading.Thread(target=serve, args=(connections[-1],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for one in connections:
            one.close()


@pytest.mark.parametrize("host", ["straße.example", "xn--strae-oqa.example"])
@pytest.mark.parametrize(
    ("certified", "answer"),
    [("xn--strae-oqa.example", AttemptEnd.DELIVERED), ("strasse.example", AttemptEnd.RETRY)],
)
def test_a_name_of_idna_2008_is_looked_up_and_verified_as_it_is_written(monkeypatch, host, certified, answer):
    """The older rules, which Python's sockets apply to other characters, make "ss" of "ß": another domain."""
    authority = trustme.CA()
    trusted, served = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(trusted)
    authority.issue_cert(certified).configure_cert(served)
    asked = []
    with (
        closing(WebhookNotifier(LOOPBACK, trusted, seconds=60)) as webhooks,
        Receiver(tls=served) as receiver,
    ):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", receiver.port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda name, *_, **__: asked.append(name) or found)
        outcome = webhooks.deliver(message(f"https://{host}:{receiver.port}/hook"))
    assert asked[0] == "xn--strae-oqa.example"
    assert outcome.answer is answer, outcome


def test_a_destination_is_checked_under_the_name_that_its_messages_go_to(monkeypatch):
    asked = []
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda name, *_, **__: asked.append(name) or found)
    with pytest.raises(InputError, match="a private address"):
        check_destination("https://straße.example/hook", Settings())
    assert asked == ["xn--strae-oqa.example"]


def test_an_address_whose_name_cannot_be_written_is_refused():
    with pytest.raises(InputError, match="no address of a webhook"):
        check_destination("https://a☃︎b..example/hook", Settings())


OTHER = b"HTTP/1.1 500 Other\r\ncontent-length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello", "204 No Content"),
        (OK + b"ay then", "200 OK ok"),
        (OK + OTHER, "200 OK ok"),
        (OK + OTHER + b"no HTTP", "200 OK ok"),
        (b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok", "200 OK ok"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "200 OK ok",
        ),
    ],
)
def test_what_follows_a_whole_answer_changes_nothing_about_it(said, told):
    def answer(connection, _number):
        connection.sendall(said)

    with closing(WebhookNotifier(LOOPBACK, seconds=60)) as webhooks, raw_receiver(answer) as to:
        outcome = webhooks.deliver(message(to))
    assert (outcome.answer, outcome.said) == (AttemptEnd.DELIVERED, told)


def test_an_answer_that_nobody_asked_for_counts_for_no_message():
    """It waits on a connection that is kept: the next message goes out over another one."""
    requests = []

    def answer(connection, number):
        requests.append((connection, number))
        connection.sendall(OK if len(requests) == 1 else OTHER)

    with closing(WebhookNotifier(LOOPBACK, seconds=60)) as webhooks, raw_receiver(answer) as to:
        assert webhooks.deliver(message(to)).answer is AttemptEnd.DELIVERED
        requests[0][0].sendall(OK)
        outcome = webhooks.deliver(message(to))
    assert (outcome.answer, outcome.said) == (AttemptEnd.RETRY, "500 Other")
    assert [number for _, number in requests] == [0, 0]


def test_the_trailers_of_an_answer_are_bounded_and_say_nothing():
    sent, ended = [], threading.Event()

    def answer(connection, _number):
        head = b"HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n0\r\nretry-after: 9\r\nx: "
        with suppress(OSError):
            connection.sendall(head)
            for _ in range(300):  # 20 MB
                connection.sendall(b"y" * 65_536)
                sent.append(True)
        ended.set()

    with closing(WebhookNotifier(LOOPBACK, seconds=60)) as webhooks, raw_receiver(answer) as to:
        outcome = webhooks.deliver(message(to))
        assert ended.wait(60)
    assert outcome == (AttemptEnd.RETRY, "503 Busy", None)
    assert len(sent) < 300


@pytest.mark.parametrize("identity", ["a\r\nx-evil: 1", "a\nb", "a\0", "ä"])
def test_an_id_that_would_end_its_header_is_refused(identity):
    with closing(WebhookNotifier(LOOPBACK, seconds=60)) as webhooks, Receiver() as receiver:
        outcome = webhooks.deliver(message(receiver.url, identity))
    assert outcome.answer is AttemptEnd.REFUSED
    assert not receiver.requests
