"""Connections to receivers of webhooks: names, answers with more behind them, and answers to nobody."""

import socket
import ssl
from contextlib import closing

import pytest
import trustme

from ringfence.adapters.notifiers.addresses import networks
from ringfence.adapters.notifiers.webhook import WebhookNotifier
from ringfence.bus.notifier import AttemptEnd, Message
from ringfence.bus.words import Words
from ringfence.compose.notifiers import check_destination
from ringfence.errors import InputError
from ringfence.settings import Settings

from .receivers import Receiver

LOOPBACK = networks(["127.0.0.0/8"])


def message(to):
    return Message("log:decisions:7:team", b"{}", Words(""), to)


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
