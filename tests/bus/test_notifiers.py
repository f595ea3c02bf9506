"""What carries messages, against real receivers that misbehave."""

import email
import email.policy
import io
import socket
import ssl
import threading
from contextlib import closing
from datetime import UTC, datetime

import pytest
import trustme
from aiosmtpd.controller import Controller
from slack_sdk.models.blocks import Block
from standardwebhooks import Webhook

from ringfence.adapters.notifiers import ConsoleNotifier
from ringfence.adapters.notifiers.addresses import PrivateAddressError, networks, resolve
from ringfence.adapters.notifiers.anywhere import AppriseNotifier
from ringfence.adapters.notifiers.mail import MailNotifier
from ringfence.adapters.notifiers.slack import SlackNotifier, blocks_of, escaped
from ringfence.adapters.notifiers.webhook import WebhookNotifier, retry_after
from ringfence.adapters.outbox.bus import new_secret
from ringfence.bus.notifier import AttemptEnd, Message
from ringfence.bus.words import Words
from ringfence.compose.messaging.notifiers import check_destination
from ringfence.errors import InputError
from ringfence.settings import Settings

from .receivers import Receiver, on_a_free_port

LOOPBACK = networks(["127.0.0.0/8", "::1/128"])
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%s"
WORDS = Words("Payment p1 of 500.00 EUR: decline", (("Score", "93"), ("Reasons", "VELOCITY <b>&")))


def message(to, *secrets, words=WORDS):
    return Message("log:decisions:7:team", b'{"id":"decisions:7"}', words, to, secrets)


@pytest.fixture
def webhooks():
    made = WebhookNotifier(LOOPBACK, seconds=60)
    yield made
    made.close()


def test_a_webhook_is_signed_with_every_secret(webhooks):
    old, new = new_secret(), new_secret()
    with Receiver(204) as receiver:
        assert webhooks.deliver(message(receiver.url, new, old)).answer is AttemptEnd.DELIVERED
    headers, body = receiver.requests[0]
    named = {name.lower(): value for name, value in headers.items()}
    assert named["webhook-id"] == "log:decisions:7:team"
    assert named["content-type"] == "application/cloudevents+json"
    assert named["host"] == f"127.0.0.1:{receiver.port}"
    for secret in (old, new):
        assert Webhook(secret).verify(body, named) == {"id": "decisions:7"}


@pytest.mark.parametrize(
    ("script", "answer", "said", "after"),
    [
        (500, AttemptEnd.RETRY, "500", None),
        (404, AttemptEnd.RETRY, "404", None),
        (410, AttemptEnd.GONE, "410", None),
        ((429, {"Retry-After": "7"}), AttemptEnd.RETRY, "429", 7.0),
        ((503, {"Retry-After": "no time"}), AttemptEnd.RETRY, "503", None),
        ((307, {"Location": "http://169.254.169.254/latest"}), AttemptEnd.RETRY, "redirects", None),
        ("hang", AttemptEnd.RETRY, "no answer", None),
        ("half", AttemptEnd.RETRY, "hung up", None),
        ("hang up", AttemptEnd.RETRY, "hung up", None),
        ("drip", AttemptEnd.RETRY, "no answer", None),
        ("drip body", AttemptEnd.DELIVERED, "200", None),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 OK\r\n\r\nto its end",
            AttemptEnd.DELIVERED,
            "202 OK to",
            None,
        ),
        (CHUNKED % b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", AttemptEnd.DELIVERED, "200 OK abc", None),
        (CHUNKED % b"2\r\nab\r\n", AttemptEnd.RETRY, "hung up", None),
        (
            b"HTTP/1.1 101 Other\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            AttemptEnd.RETRY,
            "101 Other",
            None,
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n", AttemptEnd.RETRY, "no HTTP", None),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000, AttemptEnd.RETRY, "longer than 65,536 bytes", None),
    ],
)
def test_a_receiver_that_misbehaves_is_an_outcome(script, answer, said, after):
    patience = 1.5 if script in ("hang", "drip", "drip body") else 60.0
    with closing(WebhookNotifier(LOOPBACK, seconds=patience)) as webhooks, Receiver(script) as receiver:
        outcome = webhooks.deliver(message(receiver.url))
    assert (outcome.answer, outcome.after_seconds) == (answer, after)
    assert said in outcome.said
    assert len(receiver.requests) == 1


def test_a_connection_is_used_again_and_one_that_was_hung_up_is_no_failure(webhooks):
    with Receiver(204, (500, {}), 204, "hang up", 204) as receiver:
        receiver.body = b"x" * 20_000
        answers = [webhooks.deliver(message(receiver.url)).answer for _ in range(4)]
    assert answers == [AttemptEnd.DELIVERED, AttemptEnd.RETRY, AttemptEnd.DELIVERED, AttemptEnd.DELIVERED]
    assert len(set(receiver.peers[:4])) == 1
    assert receiver.peers[4] != receiver.peers[3]
    assert len(receiver.peers) == 5


def test_an_address_is_looked_at_again_for_each_connection(webhooks, monkeypatch):
    """A name that moves to a private address between two messages: what is open stays, nothing new opens."""
    with Receiver(204) as receiver:
        to = receiver.url.replace("127.0.0.1", "localhost")
        assert webhooks.deliver(message(to)).answer is AttemptEnd.DELIVERED
        moved = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", receiver.port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: moved)
        assert webhooks.deliver(message(to)).answer is AttemptEnd.DELIVERED
        webhooks.close()
        assert webhooks.deliver(message(to)).answer is AttemptEnd.REFUSED
    assert len(receiver.requests) == 2


def test_a_receiver_that_is_not_there_is_tried_again(webhooks):
    with Receiver() as receiver:
        pass
    assert webhooks.deliver(message(receiver.url)).answer is AttemptEnd.RETRY
    assert webhooks.deliver(message("https://nowhere.invalid/")).answer is AttemptEnd.RETRY


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "0.0.0.0", "localhost"),
        *("[64:ff9b::a00:1]", "[2002:a00:1::]", "192.168.1.1", "[fd00::1]", "224.0.0.1", "2130706433"),
        *("[64:ff9b:1::a00:1]", "[64:ff9b:1:7f00:0:100::]", "[::127.0.0.2]", "[::10.0.0.1]"),
    ],
)
def test_a_private_address_is_refused_unless_it_is_allowed(host):
    strict = WebhookNotifier()
    outcome = strict.deliver(message(f"http://{host}:9/hook"))
    assert outcome.answer is AttemptEnd.REFUSED
    assert "private address" in outcome.said
    strict.close()


PRIVATE = ("127.0.0.0/8", "::1/128", "169.254.0.0/16")


@pytest.mark.parametrize(
    "to", ["http://127.0.0.1:9/hook", "https://[::1]/hook", "http://169.254.169.254/latest"]
)
def test_a_webhook_at_a_private_address_is_refused_when_it_is_made_and_the_setting_named(to):
    with pytest.raises(InputError, match="a private address") as refused:
        check_destination(to, Settings())
    assert "webhook_networks" in str(refused.value)
    assert check_destination(to, Settings(webhook_networks=PRIVATE)) == "webhook"


def test_a_public_address_may_be_reached():
    assert resolve("1.1.1.1", 443, ()) == "1.1.1.1"
    with pytest.raises(PrivateAddressError):
        resolve("10.1.2.3", 443, networks(["10.1.2.4"]))


def test_a_certificate_of_another_host_is_no_delivery():
    authority = trustme.CA()
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    for name, answer in (("localhost", AttemptEnd.DELIVERED), ("other.example", AttemptEnd.RETRY)):
        served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(served)
        notifier = WebhookNotifier(LOOPBACK, trusted, seconds=60)
        with Receiver(tls=served) as receiver:
            outcome = notifier.deliver(message(f"https://localhost:{receiver.port}/hook"))
        assert outcome.answer is answer, outcome
        notifier.close()
    assert outcome.said.startswith("its certificate is not accepted: Hostname mismatch")


def test_a_connection_that_was_verified_for_another_host_is_not_used():
    """Two names at one address: the certificate is looked at for each of them."""
    authority = trustme.CA()
    trusted, served = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(trusted)
    authority.issue_cert("localhost").configure_cert(served)
    notifier = WebhookNotifier(LOOPBACK, trusted, seconds=60)
    with Receiver(tls=served) as receiver:
        first = notifier.deliver(message(f"https://localhost:{receiver.port}/hook"))
        other = notifier.deliver(message(f"https://127.0.0.1:{receiver.port}/hook"))
    notifier.close()
    assert first.answer is AttemptEnd.DELIVERED
    assert (other.answer, len(receiver.requests)) == (AttemptEnd.RETRY, 1)


def test_retry_after_is_seconds_or_a_date():
    now = datetime(2030, 1, 1, tzinfo=UTC)
    assert retry_after("Tue, 01 Jan 2030 00:01:00 GMT", now) == 60.0
    assert retry_after("soon", now) is None
    assert retry_after("", now) is None


class Box:
    """Keeps mail, and refuses as told."""

    def __init__(self):
        self.mails = []
        self.answer = "250 taken"

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 (aiosmtpd's)
        if address.startswith("nobody"):
            return "550 no such mailbox"
        if address.startswith("later"):
            return "451 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802
        self.mails.append(envelope)
        return self.answer


@pytest.fixture
def smtp():
    controller = on_a_free_port(lambda port: Controller(Box(), "127.0.0.1", port))
    yield controller.handler, controller.port
    controller.stop()


def test_mail_is_text_and_html(smtp):
    box, port = smtp
    notifier = MailNotifier(f"smtp://127.0.0.1:{port}", "fraud@bank.example")
    words = Words("Declined\nBcc: x@evil.example", WORDS.lines)
    assert notifier.deliver(message("team@bank.example", words=words)).answer is AttemptEnd.DELIVERED
    raw = box.mails[0].content.decode()
    assert box.mails[0].rcpt_tos == ["team@bank.example"]
    assert "Subject: Declined Bcc: x@evil.example" in raw
    assert "text/plain" in raw
    assert "VELOCITY &lt;b&gt;&amp;" in raw
    assert "X-Ringfence-Id: log:decisions:7:team" in raw


@pytest.mark.parametrize(
    "to",
    ["a@x.example, b@y.example", "a@x.example\nBcc: b@y.example", "A <a@x.example>", "", "a@x.example\x85"],
)
def test_mail_to_what_is_not_one_address_is_refused(smtp, to):
    box, port = smtp
    notifier = MailNotifier(f"smtp://127.0.0.1:{port}", "fraud@bank.example")
    assert notifier.deliver(message(to)).answer is AttemptEnd.REFUSED
    assert not box.mails


def test_mail_waits_for_a_certificate_that_is_put_right():
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(served)
    with Receiver(tls=served) as server:
        notifier = MailNotifier(f"smtps://localhost:{server.port}", "fraud@bank.example", seconds=60)
        outcome = notifier.deliver(message("team@bank.example"))
    assert outcome.answer is AttemptEnd.RETRY
    assert "certificate" in outcome.said.lower()


def test_mail_has_the_link_of_its_template_and_no_other_one(smtp):
    box, port = smtp
    notifier = MailNotifier(f"smtp://127.0.0.1:{port}", "fraud@bank.example")
    lines = (("Merchant", "https://evil.example/"), ("", "https://a.example/x"))
    words = Words("Was this you?", lines, link="https://a.example/x")
    assert notifier.deliver(message("ada@example.org", words=words)).answer is AttemptEnd.DELIVERED
    mail = email.message_from_bytes(box.mails[0].content, policy=email.policy.default)
    raw = mail.get_body(("html",)).get_content()
    assert '<a href="https://a.example/x">' in raw
    assert 'href="https://evil.example/' not in raw


def test_mail_that_is_refused_for_good_is_dead_and_other_mail_waits(smtp):
    box, port = smtp
    notifier = MailNotifier(f"smtp://127.0.0.1:{port}", "fraud@bank.example", seconds=60)
    assert notifier.deliver(message("nobody@bank.example")).answer is AttemptEnd.REFUSED
    assert notifier.deliver(message("later@bank.example")).answer is AttemptEnd.RETRY
    box.answer = "554 spam"
    assert notifier.deliver(message("team@bank.example")).answer is AttemptEnd.REFUSED
    box.answer = "451 full"
    assert notifier.deliver(message("team@bank.example")).answer is AttemptEnd.RETRY
    gone = MailNotifier("smtp://127.0.0.1:1", "fraud@bank.example", seconds=1)
    assert gone.deliver(message("team@bank.example")).answer is AttemptEnd.RETRY


def test_slack_gets_blocks_within_its_limits_and_a_text():
    lines = [(f"n{i}", "<&>" * 2000) for i in range(25)] + [("", "y" * 9000)] * 60
    words = Words("t" * 500, tuple(lines))
    blocks, is_cut = blocks_of(words, "log:decisions:7:team")
    assert is_cut
    assert len(blocks) <= 50
    for block in Block.parse_all(blocks):
        block.validate_json()
    for block in blocks:
        for field in block.get("fields", ()):
            assert len(field["text"]) <= 2000
    assert "parts less. All of it: `ringfence outbox show log:decisions:7:team`" in str(blocks[-1])
    fits = [("t" * 150, ("n" * 200, "v" * 1700)), ("t", ("", "y" * 3000)), ("t", ("", "<" * 750))]
    assert [blocks_of(Words(title, (line,)), "m")[1] for title, line in fits] == [False] * 3
    for title, (name, told) in (("t" * 151, ("n", "v")), ("t", ("n" * 201, "v")), ("t", ("", "y" * 3001))):
        assert blocks_of(Words(title, ((name, told),)), "m")[1]
    assert escaped("a<b", 100) == "a&lt;b"
    assert escaped("<" * 10, 9) == "&lt;&lt;…"


class SlackServer(Receiver):
    """Slack's API, as far as one method."""


@pytest.mark.parametrize(
    ("script", "answer", "after"),
    [
        ((429, {"Retry-After": "3"}), AttemptEnd.RETRY, 3.0),
        (500, AttemptEnd.RETRY, None),
    ],
)
def test_slack_that_is_busy_waits_for_what_it_says(script, answer, after):
    with SlackServer(script) as slack:
        outcome = SlackNotifier("xoxb-1", f"http://127.0.0.1:{slack.port}/api/").deliver(message("#team"))
    assert (outcome.answer, outcome.after_seconds) == (answer, after)


def test_the_console_steers_no_terminal():
    stream = io.StringIO()
    ConsoleNotifier(stream).deliver(message("", words=Words("a\x1b[2Jb")))
    assert "a?[2Jb" in stream.getvalue()


@pytest.mark.filterwarnings("ignore:.*imghdr.*:DeprecationWarning")  # a plugin of its
def test_apprise_carries_to_the_long_tail():
    with Receiver(200) as receiver:
        notifier = AppriseNotifier(LOOPBACK)
        to = f"json://127.0.0.1:{receiver.port}/x"
        assert notifier.deliver(message(to)).answer is AttemptEnd.DELIVERED
        assert notifier.deliver(message("nothing:that")).answer is AttemptEnd.REFUSED
        notifier.close()
    assert b"VELOCITY" in receiver.requests[0][1]


def test_no_thread_is_left(webhooks):
    before = set(threading.enumerate())
    with Receiver() as receiver:
        webhooks.deliver(message(receiver.url))
    left = set(threading.enumerate()) - before
    assert not [one for one in left if one.name.startswith("ringfence-")]
