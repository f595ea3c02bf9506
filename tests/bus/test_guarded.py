"""Apprise reaches no private address that is not allowed, and sends what its services take."""

import re
import socket

import apprise
import pytest

from ringfence.adapters.notifiers.addresses import networks
from ringfence.adapters.notifiers.anywhere import AppriseNotifier, fitting
from ringfence.adapters.notifiers.guarded import guarded
from ringfence.bus.notifier import AttemptEnd, Message
from ringfence.bus.words import Words
from ringfence.compose.messaging.notifiers import check_destination
from ringfence.errors import InputError
from ringfence.settings import Settings

from .receivers import Receiver

pytestmark = pytest.mark.filterwarnings("ignore:.*imghdr.*:DeprecationWarning")  # a plugin of Apprise
ONE = networks(["127.0.0.1"])
NAME = "hooks.bank.example"


def sent(url, allowed=()):
    notifier = AppriseNotifier(allowed)
    try:
        return notifier.deliver(Message("log:decisions:7:team", b"{}", Words("A title"), url))
    finally:
        notifier.close()


@pytest.fixture
def leads_to(monkeypatch):
    """Has a name lead to one address after the other, the last one for good."""
    known, addresses = socket.getaddrinfo, []

    def found(host, *args, **kwargs):
        if host != NAME:
            return known(host, *args, **kwargs)
        return known(addresses.pop(0) if len(addresses) > 1 else addresses[0], *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    return addresses.extend


def test_a_private_address_is_refused_and_the_setting_named():
    with Receiver(200) as receiver:
        outcome = sent(f"json://127.0.0.1:{receiver.port}/x")
    assert outcome.answer is AttemptEnd.REFUSED
    assert outcome.said == "127.0.0.1 is a private address: allow it with webhook_networks"
    assert receiver.requests == []


def test_an_answer_that_redirects_to_a_private_address_is_not_followed():
    with Receiver() as inner:
        with Receiver((307, {"Location": f"http://localhost:{inner.port}/"})) as receiver:
            outcome = sent(f"json://127.0.0.1:{receiver.port}/x", networks(["127.0.0.1"]))
            assert outcome.answer is AttemptEnd.DELIVERED
        with Receiver((307, {"Location": "http://127.0.0.2:9/"})) as receiver:
            outcome = sent(f"json://127.0.0.1:{receiver.port}/x", ONE)
    assert (outcome.answer, outcome.said[:30]) == (AttemptEnd.REFUSED, "127.0.0.2 is a private address")


def test_a_name_that_leads_to_a_private_address_later_is_refused_then(leads_to):
    leads_to(["93.184.216.34", "127.0.0.1"])
    with Receiver(200) as receiver:
        to = f"json://{NAME}:{receiver.port}/x"
        assert check_destination(f"apprise:{to}", Settings()) == "apprise"
        outcome = sent(to)
    assert outcome.answer is AttemptEnd.REFUSED
    assert receiver.requests == []


@pytest.mark.parametrize("to", ["json://127.0.0.1/", "xmls://[::1]:8443/x", "matrix://u:p@10.1.2.3/#room"])
def test_it_is_refused_when_it_is_made(to):
    with pytest.raises(InputError, match=r"a private address\. Name its network in webhook_networks"):
        check_destination(f"apprise:{to}", Settings())
    assert check_destination(f"apprise:{to}", Settings(webhook_networks=("0.0.0.0/0", "::/0"))) == "apprise"


def test_what_apprise_does_not_know_is_refused_when_it_is_made():
    with pytest.raises(InputError, match="Apprise does not know this address"):
        check_destination("apprise:nothing://that", Settings())


def test_a_token_in_the_place_of_a_host_is_looked_up_nowhere(monkeypatch):
    """A name server would learn it."""
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_args, **_more: asked.append(host) or [])
    to = "apprise:slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"
    assert check_destination(to, Settings()) == "apprise"
    assert asked == []


def test_an_address_of_two_services_is_refused():
    """What one of them has taken would be sent to it again because the other one has not."""
    with pytest.raises(InputError, match="names 2 services"):
        check_destination("apprise:json://93.184.216.34/,json://93.184.216.34/", Settings())
    assert sent("json://93.184.216.34/,json://93.184.216.34/").answer is AttemptEnd.REFUSED


def test_what_is_not_asked_to_keep_away_may_connect():
    with guarded(()) as guard:
        pass
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    assert guard.refused == []


@pytest.mark.parametrize(
    ("family", "address", "said"),
    [
        (socket.AF_INET, ("127.0.0.1", 9), "127.0.0.1 is a private"),
        (socket.AF_INET, ("localhost", 9), "localhost is at 127.0.0.1, a private"),
        (socket.AF_INET6, ("::ffff:127.0.0.1", 9), "is a private"),
        (socket.AF_UNIX, "/run/none", "a socket of this machine"),
    ],
)
def test_datagrams_names_and_sockets_of_the_machine_are_looked_at_too(family, address, said):
    with socket.socket(family, socket.SOCK_DGRAM) as opened, guarded(()):
        for act in (lambda: opened.sendto(b"x", address), lambda: opened.connect(address)):
            with pytest.raises(PermissionError, match=re.escape(said)):
                act()


LONG = Words("Fraud " * 100, tuple(("", f"line {n} of the message") for n in range(500)))


@pytest.mark.parametrize(
    ("to", "says_where"),
    [
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", True),
        ("pover://uuuuuuuuuuuuuuuuuuuuuuuuuuuuuu@kkkkkkkkkkkkkkkkkkkkkkkkkkkkkk", True),
        ("clicksend://user:pass@+15555555555", False),  # a text of 160 characters
    ],
)
def test_what_is_longer_than_a_service_takes_is_cut_between_words_and_says_so(to, says_where):
    """Apprise leaves it to the service, which refuses it: a dead letter after three days."""
    service = apprise.Apprise.instantiate(to)
    title, body, is_cut = fitting(LONG, "log:7:team", service)
    assert is_cut
    apart = service.title_maxlen > 0 and not service.overflow_amalgamate_title
    assert len(body) + (0 if apart else len(title) + 2) <= service.body_maxlen
    assert title.endswith("Fraud…")
    kept, _, note = body.partition("\nCut to")
    assert kept.endswith("…")
    assert note == (
        " what this service takes. All of it: ringfence outbox show log:7:team" if says_where else ""
    )


def test_what_fits_or_is_to_be_split_goes_as_it_is():
    to = "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"
    short = Words("A title", (("Score", "93"),))
    assert fitting(short, "7", apprise.Apprise.instantiate(to)) == (short.title, short.text, False)
    split = apprise.Apprise.instantiate(f"{to}?overflow=split")
    assert fitting(LONG, "7", split) == (LONG.title, LONG.text, False)


def test_a_receiver_gets_what_was_cut_and_the_outbox_is_told():
    long = Words("A title", tuple(("", "word " * 400) for _ in range(100)))
    with Receiver(200) as receiver:
        notifier = AppriseNotifier(ONE)
        outcome = notifier.deliver(Message("7", b"{}", long, f"json://127.0.0.1:{receiver.port}/x"))
        notifier.close()
    assert outcome == (AttemptEnd.DELIVERED, "sent; longer than the service takes: cut", None)
    assert b"ringfence outbox show 7" in receiver.requests[0][1]
