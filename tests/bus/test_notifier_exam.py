"""Every kind of destination sits the exam of notifiers, against receivers on loopback."""

import email
import email.policy
import io
import json
import socket
import threading
from typing import ClassVar

import pytest
from aiosmtpd.controller import Controller

from ringfence.adapters.notifiers import ConsoleNotifier
from ringfence.adapters.notifiers.addresses import networks
from ringfence.adapters.notifiers.anywhere import AppriseNotifier
from ringfence.adapters.notifiers.mail import MailNotifier
from ringfence.adapters.notifiers.slack import SlackNotifier
from ringfence.adapters.notifiers.webhook import WebhookNotifier
from ringfence.testing.exams.notifier import SECRET, NotifierExam

from .receivers import Receiver, on_a_free_port

SECONDS = 0.4  # for whoever waits in vain
PATIENT_SECONDS = 60.0


class Closed(io.StringIO):
    def write(self, _text):
        raise BrokenPipeError("nobody reads")


class ConsolePlace:
    carries_id = True
    gaps: ClassVar = {
        "slow": "a write to a terminal blocks, and its thread is the destination's own",
        "broken": "a stream takes a line or does not",
        "busy": "a stream says nothing",
        "refusing": "a stream takes every text",
    }

    def __init__(self, to):
        self.to, self.stream = to, io.StringIO()
        self.notifier = ConsoleNotifier(self.stream)

    def received(self):
        return [f"[log:{part}" for part in self.stream.getvalue().split("[log:") if part]

    def behave(self, _fault):
        self.notifier = ConsoleNotifier(Closed())


class HttpPlace:
    """A receiver over HTTP; what it is to say for each fault."""

    carries_id = True
    gaps: ClassVar = {}
    faults: ClassVar = {}
    well = 204

    def __init__(self):
        self.receiver = Receiver(self.well)
        self.receiver.__enter__()
        self.notifier, self.to = self.made(PATIENT_SECONDS)

    def received(self):
        return [str(dict(headers)) + body.decode() for headers, body in self.receiver.requests]

    def behave(self, fault):
        if fault == "down":
            self.receiver.__exit__()
        else:
            if fault == "slow":
                self.notifier.close()
                self.notifier, self.to = self.made(SECONDS)
            self.receiver.script = [self.faults[fault]]

    def close(self):
        self.notifier.close()
        self.receiver.__exit__()


BUSY = (429, {"Retry-After": "7"})


class WebhookPlace(HttpPlace):
    gaps: ClassVar = {"refusing": "any answer of a receiver may change: it is asked for three days"}
    faults: ClassVar = {"slow": "hang", "broken": "half", "busy": BUSY}

    def made(self, seconds):
        notifier = WebhookNotifier(networks(["127.0.0.0/8"]), seconds=seconds)
        return notifier, f"{self.receiver.url}?token={SECRET}"


class SlackPlace(HttpPlace):
    well = 200
    faults: ClassVar = {"slow": "hang", "broken": "half", "busy": BUSY, "refusing": 200}

    def made(self, seconds):
        self.receiver.body = b'{"ok": true}'
        base = f"http://127.0.0.1:{self.receiver.port}/api/"
        return SlackNotifier(SECRET, base, seconds=seconds), "#team"

    def received(self):
        return [json.dumps(json.loads(body), ensure_ascii=False) for _, body in self.receiver.requests]

    def behave(self, fault):
        super().behave(fault)
        if fault == "refusing":
            self.receiver.body = b'{"ok": false, "error": "channel_not_found"}'


class ApprisePlace(HttpPlace):
    carries_id = False
    well = 200
    gaps: ClassVar = {
        "busy": "Apprise says only whether it worked",
        "refusing": "Apprise says only whether it worked; an address that it does not know is refused",
    }
    faults: ClassVar = {"slow": "hang", "broken": "half"}

    def made(self, seconds):
        address = f"json://user:{SECRET}@127.0.0.1:{self.receiver.port}/x?rto={seconds}&cto={seconds}"
        return AppriseNotifier(networks(["127.0.0.0/8"]), 2 * seconds), address


class Box:
    def __init__(self):
        self.mails, self.answer = [], "250 taken"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 (aiosmtpd's)
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return self.answer


class MailPlace:
    carries_id = True
    gaps: ClassVar = {"busy": "SMTP says that it is busy, and never for how long"}
    to = "team@bank.example"

    def __init__(self):
        self.box = Box()
        self.controller = on_a_free_port(lambda port: Controller(self.box, "127.0.0.1", port))
        self.listener = None
        self.notifier = self._to(self.controller.port, PATIENT_SECONDS)

    def _to(self, port, seconds):
        return MailNotifier(f"smtp://127.0.0.1:{port}", "fraud@bank.example", seconds=seconds)

    def received(self):
        return [
            "".join(f"{name}: {value}\n" for name, value in mail.items())
            + mail.get_body(("plain",)).get_content()
            for mail in self.box.mails
        ]

    def behave(self, fault):
        if fault == "refusing":
            self.box.answer = "554 spam"
            return
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.notifier = self._to(self.listener.getsockname()[1], SECONDS)
        if fault == "down":
            self.listener.close()
        elif fault == "broken":
            threading.Thread(target=self._hang_up, daemon=True).start()

    def _hang_up(self):
        connection, _ = self.listener.accept()
        connection.send(b"220 hel")
        connection.close()

    def close(self):
        self.controller.stop()
        if self.listener is not None:
            self.listener.close()


def sitting(make):
    @pytest.fixture
    def place(self):
        made = make()
        yield made
        getattr(made, "close", lambda: None)()

    return place


class TestConsole(NotifierExam):
    place = sitting(lambda: ConsolePlace(""))


class TestSms(NotifierExam):
    """Written to the console until a provider is set up."""

    place = sitting(lambda: ConsolePlace("+491701234567"))


class TestWebhook(NotifierExam):
    place = sitting(WebhookPlace)


class TestSlack(NotifierExam):
    place = sitting(SlackPlace)


class TestMail(NotifierExam):
    place = sitting(MailPlace)


@pytest.mark.filterwarnings("ignore:.*imghdr.*:DeprecationWarning")  # a plugin of its
class TestApprise(NotifierExam):
    place = sitting(ApprisePlace)
