"""Destinations on AWS sit the exam of notifiers, by boto3 against an emulator that is faulty when told to."""

import email
import email.policy
import json
from base64 import b64decode
from functools import cache
from typing import ClassVar

import boto3
import pytest
from tests.adapters.aws import emulator
from tests.adapters.aws.proxy import AwsProxy, refusal

from ringfence.adapters.aws.people import EndUserMessaging, SesNotifier, SnsTexts
from ringfence.adapters.aws.places import MOST_BYTES, EventBridgeNotifier, SnsNotifier, SqsNotifier, entry_of
from ringfence.adapters.aws.sending import InEachRegion, NeverError, once
from ringfence.bus.notifier import AttemptEnd, Message
from ringfence.bus.subscription import kind_of, target_of
from ringfence.bus.words import Words
from ringfence.compose.messaging.notifiers import notifier
from ringfence.errors import InputError
from ringfence.settings import Settings
from ringfence.testing.exams.notifier import WORDS, NotifierExam

SECONDS = 0.4  # for whoever waits in vain
PATIENT_SECONDS = 60.0
ACCOUNT = "123456789012"


@cache
def proxy():
    return AwsProxy(emulator.address())


@pytest.fixture(autouse=True)
def aws(monkeypatch):
    emulator.environment(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy().url)
    proxy().fault = None
    proxy().asked.clear()
    proxy().well.clear()
    return proxy()


class AwsPlace:
    """What is sent there and what takes it are made once: clients of boto3 take long to make."""

    carries_id = True
    gaps: ClassVar = {}
    form = False
    final = "InvalidParameter"
    known: ClassVar = {}

    def __init__(self, *names):
        key = (type(self), *names)
        if key not in self.known:
            self.known[key] = self.make(), self.prepared(*names)
        self.notifier, self.to = self.known[key]
        proxy().well.clear()

    def received(self):
        return list(proxy().well)

    def behave(self, fault):
        if fault == "down":
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
                self.notifier = self.make()
                if hasattr(self.notifier, "_clients"):
                    self.notifier._clients.of(self.to)
            return
        if fault == "slow":
            self.notifier = self.make(SECONDS)
        proxy().fault = {
            "slow": "hang",
            "broken": "half",
            "busy": refusal(429, "ThrottlingException", {"retry-after": "7"}, form=self.form),
            "refusing": refusal(400, self.final, form=self.form),
        }[fault]


class SnsPlace(AwsPlace):
    form = True

    @staticmethod
    def make(seconds=PATIENT_SECONDS):
        return SnsNotifier(InEachRegion("sns", seconds))

    def prepared(self):
        return boto3.client("sns").create_topic(Name="fraud-team")["TopicArn"]


class SqsPlace(AwsPlace):
    final = "InvalidMessageContents"

    @staticmethod
    def make(seconds=PATIENT_SECONDS):
        return SqsNotifier(InEachRegion("sqs", seconds))

    def prepared(self, name="fraud-team"):
        attributes = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        boto3.client("sqs").create_queue(QueueName=name, Attributes=attributes)
        return f"arn:aws:sqs:{emulator.REGION}:{ACCOUNT}:{name}"

    @property
    def url(self):
        return f"{proxy().url}/{ACCOUNT}/{self.to.rpartition(':')[2]}"


class BusPlace(AwsPlace):
    final = "ValidationException"
    carries_id = False  # the CloudEvent has its own, which names the log and the record

    @staticmethod
    def make(seconds=PATIENT_SECONDS):
        return EventBridgeNotifier(InEachRegion("events", seconds))

    def prepared(self):
        boto3.client("events").create_event_bus(Name="fraud")
        return f"arn:aws:events:{emulator.REGION}:{ACCOUNT}:event-bus/fraud"


class MailPlace(AwsPlace):
    final = "MessageRejected"

    @staticmethod
    def make(seconds=PATIENT_SECONDS):
        return SesNotifier(once("sesv2", seconds=seconds), "Fraud desk <fraud@bank.example>")

    def prepared(self):
        boto3.client("sesv2").create_email_identity(EmailIdentity="fraud@bank.example")
        return "team@bank.example"

    def received(self):
        raws = [b64decode(json.loads(text)["Content"]["Raw"]["Data"]) for text in super().received()]
        mails = [email.message_from_bytes(raw, policy=email.policy.default) for raw in raws]
        return [f"{mail}" + mail.get_body(("plain",)).get_content() for mail in mails]


class SmsPlace(AwsPlace):
    form = True
    carries_id = False

    @staticmethod
    def make(seconds=PATIENT_SECONDS):
        return SnsTexts(once("sns", seconds=seconds), "MyBank")

    def prepared(self):
        return "+491701234567"


class EndUserPlace(SmsPlace):
    form = False
    carries_id = True
    final = "ValidationException"

    @staticmethod
    def make(seconds=PATIENT_SECONDS):
        return EndUserMessaging(once("pinpoint-sms-voice-v2", seconds=seconds), "MyBank")

    def __init__(self):
        super().__init__()
        proxy().fault = (200, {}, b'{"MessageId": "m-1"}')


def sitting(make):
    @pytest.fixture
    def place(self):
        return make()

    return place


class TestSns(NotifierExam):
    place = sitting(SnsPlace)


class TestSqs(NotifierExam):
    place = sitting(SqsPlace)


class TestEventBridge(NotifierExam):
    place = sitting(BusPlace)


class TestSes(NotifierExam):
    place = sitting(MailPlace)


class TestSmsBySns(NotifierExam):
    place = sitting(SmsPlace)


class TestSmsByEndUserMessaging(NotifierExam):
    """No emulator has this service: the receiver answers as its reference says."""

    place = sitting(EndUserPlace)


def message(to, event=None, words=WORDS):
    told = {
        "specversion": "1.0",
        "type": "com.ringfence.alert.opened.v1",
        "source": "/l",
        "id": "decisions:7",
    }
    told |= {"time": "2026-01-31T10:00:00.123Z", "partitionkey": "tok_1", "data": {"text": "a\ufffeb"}}
    return Message("log:decisions:7:team", json.dumps(event or told, ensure_ascii=False).encode(), words, to)


FAULTS = {
    "AuthorizationError": (AttemptEnd.RETRY, "allow the action"),
    "AccessDeniedException": (AttemptEnd.RETRY, "allow the action"),
    "NotFound": (AttemptEnd.RETRY, "name and region"),
    "ExpiredTokenException": (AttemptEnd.RETRY, "sign in again"),
    "InternalFailure": (AttemptEnd.RETRY, "InternalFailure"),
    "ThrottlingException": (AttemptEnd.RETRY, "ThrottlingException"),
    "InvalidParameterValue": (AttemptEnd.REFUSED, "InvalidParameterValue"),
}


@pytest.mark.parametrize("code", FAULTS)
def test_what_aws_says_is_an_outcome_with_action_resource_and_remedy_and_asked_once(aws, code):
    place = SnsPlace()
    aws.asked.clear()
    aws.fault = refusal(400, code, form=True)
    outcome = place.notifier.deliver(message(place.to))
    answer, told = FAULTS[code]
    assert outcome.answer is answer
    assert told in outcome.said
    assert place.to in outcome.said
    assert "Publish" in outcome.said
    assert len(aws.asked) == 1


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("ThrottlingException", AttemptEnd.RETRY),
        ("InternalFailure", AttemptEnd.RETRY),
        ("NotAuthorizedForSourceException", AttemptEnd.RETRY),
        ("MalformedDetail", AttemptEnd.REFUSED),
        ("InvalidArgument", AttemptEnd.REFUSED),
    ],
)
def test_an_entry_that_fails_in_a_call_that_succeeds_is_no_delivery(aws, code, answer):
    place = BusPlace()
    told = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": code, "ErrorMessage": "why"}]}
    aws.fault = (200, {}, json.dumps(told).encode())
    outcome = place.notifier.deliver(message(place.to))
    assert outcome.answer is answer
    assert f"{code} (why)" in outcome.said
    aws.fault = (200, {}, b'{"FailedEntryCount": 0, "Entries": [{"EventId": "e-1"}]}')
    assert place.notifier.deliver(message(place.to)) == (AttemptEnd.DELIVERED, "event e-1", None)


@pytest.mark.parametrize("make", [SnsPlace, SqsPlace, BusPlace])
def test_what_is_too_large_is_refused_before_it_is_sent(aws, make):
    place = make()
    aws.asked.clear()
    event = {"type": "t", "data": "x" * MOST_BYTES}
    outcome = place.notifier.deliver(message(place.to, event))
    assert outcome.answer is AttemptEnd.REFUSED
    assert "262,144 are taken" in outcome.said
    assert aws.asked == []


def test_an_event_goes_to_a_bus_as_it_is_with_its_type_and_time():
    sent = message("arn:aws:events:eu-central-1:123456789012:event-bus/fraud")
    entry = entry_of(sent)
    assert (entry["Source"], entry["DetailType"]) == ("ringfence", "com.ringfence.alert.opened.v1")
    assert entry["Detail"].encode() == sent.event
    assert entry["Time"].isoformat() == "2026-01-31T10:00:00.123000+00:00"
    with pytest.raises(NeverError, match="129 characters"):
        entry_of(message(sent.to, {"type": "t" * 129}))
    with pytest.raises(NeverError, match="no JSON"):
        entry_of(Message("i", b"{", WORDS, sent.to))


def test_a_topic_gives_programs_the_event_and_people_words(aws):
    place, queue = SnsPlace(), SqsPlace("reader")
    boto3.client("sns").subscribe(TopicArn=place.to, Protocol="sqs", Endpoint=queue.to)
    sent = message(place.to, words=Words("Größe\nof it", (("Score", "93"),)))
    assert place.notifier.deliver(sent).answer is AttemptEnd.DELIVERED
    (got,) = boto3.client("sqs").receive_message(QueueUrl=queue.url)["Messages"]
    body = json.loads(got["Body"])
    assert json.loads(body["Message"]) == json.loads(sent.event)
    assert body["MessageAttributes"]["type"]["Value"] == "com.ringfence.alert.opened.v1"
    assert body["Subject"] == "Gr??e of it"
    (asked,) = [text for text in aws.well if "TopicArn" in text and "MessageStructure" in text]
    assert '"email":"Größe\\nof it\\nScore: 93"' in asked


@pytest.mark.parametrize(
    ("words", "is_cut"),
    [
        (Words("t" * 99), False),
        (Words("word " * 30), True),
        (Words("t", (("", "y" * 40_000),)), True),
    ],
)
def test_a_topic_says_whether_what_people_read_was_cut(aws, words, is_cut):
    place = SnsPlace()
    outcome = place.notifier.deliver(message(place.to, words=words))
    assert outcome.answer is AttemptEnd.DELIVERED
    assert ("cut for people, whole for programs" in outcome.said) is is_cut
    (asked,) = [text for text in aws.well if "TopicArn" in text and "MessageStructure" in text]
    assert ("word word..." in asked) is words.title.startswith("word")


def test_ses_says_that_a_subject_was_cut():
    place = MailPlace()
    for title, is_cut in (("t" * 200, False), ("t" * 201, True)):
        said = place.notifier.deliver(message(place.to, words=Words(title))).said
        assert said.endswith("; the subject was cut") is is_cut


def test_a_queue_in_order_has_a_group_for_each_entity_and_each_message_once():
    place = SqsPlace("ordered.fifo")
    for _ in range(2):  # the second time the answer had been lost
        assert place.notifier.deliver(message(place.to)).answer is AttemptEnd.DELIVERED
    read = {"AttributeNames": ["All"], "MaxNumberOfMessages": 10}
    (got,) = boto3.client("sqs").receive_message(QueueUrl=place.url, **read)["Messages"]
    assert json.loads(got["Body"]) == json.loads(message(place.to).event)
    assert len(got["Attributes"]["MessageGroupId"]) == 64


def test_a_text_keeps_its_link_whole():
    link = "https://answers.bank.example/answer?t=" + "x" * 80
    words = Words("A payment", (("", "y " * 2000), ("", link)), link=link)
    place = SmsPlace()
    outcome = place.notifier.deliver(message(place.to, words=words))
    assert outcome.answer is AttemptEnd.DELIVERED
    assert outcome.said.endswith("; longer than a text message takes: cut")
    assert f"… {link}" in place.received()[-1]
    assert "takes: cut" not in place.notifier.deliver(message(place.to)).said
    for to in ("+1 2", "a@b.example, c@d.example"):
        assert place.notifier.deliver(message(to)).answer is AttemptEnd.REFUSED


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("arn:aws:sns:eu-central-1:123456789012:fraud-team", "sns"),
        ("arn:aws-us-gov:sqs:us-gov-west-1:123456789012:q.fifo", "sqs"),
        ("arn:aws:events:eu-central-1:123456789012:event-bus/fraud", "eventbridge"),
    ],
)
def test_an_arn_is_an_address(address, kind):
    assert kind_of(address) == kind
    assert target_of(address, kind) == address


@pytest.mark.parametrize("wrong", ["arn:aws:s3:::bucket", "arn:aws:sns:eu-central-1:1:x", "arn:aws:sqs:::q"])
def test_an_arn_of_something_else_is_refused_with_what_it_may_be(wrong):
    with pytest.raises(InputError, match=r"names no topic, queue or event bus: arn:aws:sns"):
        kind_of(wrong)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("sns", {}),
        ("sqs", {}),
        ("eventbridge", {}),
        ("mail", {"mail_by": "ses", "mail_from": "a@b.example"}),
        ("sms", {"sms_by": "sns"}),
        ("sms", {"sms_by": "end-user-messaging"}),
    ],
)
def test_an_emulators_endpoint_in_a_task_on_aws_is_refused_when_it_is_set_up(monkeypatch, kind, settings):
    notifier(kind, Settings(**settings)).close()
    monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/x")
    with pytest.raises(InputError, match="AWS_ENDPOINT_URL"):
        notifier(kind, Settings(**settings))


def test_ses_needs_a_sender():
    with pytest.raises(InputError, match="mail_from"):
        notifier("mail", Settings(mail_by="ses"))
