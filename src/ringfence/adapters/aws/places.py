"""Topics of SNS, queues of SQS and buses of EventBridge as destinations, each named by its ARN.

One message is one call. PutEvents answers well although an entry failed, so what it says of the entry counts.
What AWS would refuse for its size is refused before it is sent, and the outcome says how long it is.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.adapters.aws.sending import NeverError, failed, sent
from ringfence.bus.words import cut, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.adapters.aws.sending import InEachRegion
    from ringfence.bus.notifier import AttemptOutcome, Message

SOURCE: Final = "ringfence"
"""Of events on a bus of EventBridge, whichever log they come from: what rules there ask for."""

MOST_BYTES: Final = 262_144
"""Of one message, with all that goes with it: 256 KiB, by each of the three."""

_TYPE_CHARACTERS: Final = 128
_SUBJECT_CHARACTERS: Final = 99
_TEXT_BYTES: Final = 32_768  # of the words for readers of e-mail, beside the event
_SMS_CHARACTERS: Final = 280
_TIME_BYTES: Final = 14  # of an entry's time, as EventBridge counts it
_GROUP: Final = "ringfence"
_NOT_IN_XML: Final = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}  # SQS takes no other noncharacters amiss


class _Head(msgspec.Struct):
    """What is read of an event."""

    type: str = ""
    time: str = ""
    partitionkey: str = ""


class SnsNotifier:
    """A `Notifier` for topics. Readers of e-mail and SMS get words, programs the CloudEvent."""

    def __init__(self, clients: InEachRegion) -> None:
        """`clients` are of SNS."""
        self._clients = clients

    def deliver(self, message: Message) -> AttemptOutcome:
        """See `Notifier.deliver`."""

        def call() -> str:
            event = message.event.decode()
            words = message.words
            email, title = _bytes(words.text, _TEXT_BYTES), plain(words.title)
            told = {"default": event, "email": email, "sms": cut(title, _SMS_CHARACTERS)}
            subject, is_cut = _subject(title)
            is_cut = is_cut or email != words.text
            text = msgspec.json.encode(told).decode()
            marks = _marks(message)
            _fits(text, marks)
            asked = {
                "TopicArn": message.to,
                "Message": text,
                "MessageStructure": "json",
                "Subject": subject,
                "MessageAttributes": marks,
            }
            answer = self._clients.of(message.to).publish(**asked | _in_order(message))
            note = (
                "; longer than a topic's readers take: cut for people, whole for programs" if is_cut else ""
            )
            return f"message {answer['MessageId']}{note}"

        return sent(f"topic {message.to}", call)

    def close(self) -> None:
        """See `Notifier.close`."""
        self._clients.close()


class SqsNotifier:
    """A `Notifier` for queues: the body is the CloudEvent."""

    def __init__(self, clients: InEachRegion) -> None:
        """`clients` are of SQS."""
        self._clients = clients

    def deliver(self, message: Message) -> AttemptOutcome:
        """See `Notifier.deliver`."""

        def call() -> str:
            client = self._clients.of(message.to)
            body, marks = message.event.decode().translate(_NOT_IN_XML), _marks(message)
            _fits(body, marks)
            account, queue = message.to.split(":")[4:]
            url = f"{client.meta.endpoint_url.rstrip('/')}/{account}/{queue}"
            asked = {"QueueUrl": url, "MessageBody": body, "MessageAttributes": marks}
            answer = client.send_message(**asked | _in_order(message))
            return f"message {answer['MessageId']}"

        return sent(f"queue {message.to}", call)

    def close(self) -> None:
        """See `Notifier.close`."""
        self._clients.close()


class EventBridgeNotifier:
    """A `Notifier` for buses: the CloudEvent is the detail, its type the detail's type."""

    def __init__(self, clients: InEachRegion) -> None:
        """`clients` are of EventBridge."""
        self._clients = clients

    def deliver(self, message: Message) -> AttemptOutcome:
        """See `Notifier.deliver`."""
        what = f"event bus {message.to}"
        failures: list[AttemptOutcome] = []

        def call() -> str:
            entry = entry_of(message)
            answer = self._clients.of(message.to).put_events(Entries=[entry])
            (told,) = answer["Entries"]
            if told.get("ErrorCode"):
                failures.append(failed(told["ErrorCode"], told.get("ErrorMessage", ""), what))
            return f"event {told.get('EventId', '')}"

        outcome = sent(what, call)
        return failures[0] if failures else outcome

    def close(self) -> None:
        """See `Notifier.close`."""
        self._clients.close()


CARRIERS: Final[dict[str, tuple[str, Callable[[InEachRegion], Any]]]] = {
    "sns": ("sns", SnsNotifier),
    "sqs": ("sqs", SqsNotifier),
    "eventbridge": ("events", EventBridgeNotifier),
}
"""By kind of destination: AWS's name of the service, and what carries messages there."""


def entry_of(message: Message) -> dict[str, Any]:
    """The entry of PutEvents; `NeverError` where EventBridge would not take it."""
    head = _head(message)
    kind = head.type or "message"
    if len(kind) > _TYPE_CHARACTERS:
        raise NeverError(f"the event's type has {len(kind):,} characters, and {_TYPE_CHARACTERS} are taken")
    size = _TIME_BYTES + len(SOURCE) + len(kind.encode()) + len(message.event)
    if size > MOST_BYTES:
        raise NeverError(f"the event has {size:,} bytes, and {MOST_BYTES:,} are taken")
    entry: dict[str, Any] = {
        "EventBusName": message.to,
        "Source": SOURCE,
        "DetailType": kind,
        "Detail": message.event.decode(),
        "Resources": [],
    }
    try:
        at = datetime.fromisoformat(head.time)
    except ValueError:
        return entry
    return entry | {"Time": at if at.tzinfo else at.replace(tzinfo=UTC)}


def _head(message: Message) -> _Head:
    try:
        return msgspec.json.decode(message.event, type=_Head)
    except msgspec.DecodeError as error:
        raise NeverError(f"the event is no JSON: {error}") from error


def _marks(message: Message) -> dict[str, dict[str, str]]:
    """What filters of subscriptions may ask for, and the id by which a message is known again."""
    told = {"ringfence_id": message.id, "type": _head(message).type}
    return {name: {"DataType": "String", "StringValue": text} for name, text in told.items() if text}


def _in_order(message: Message) -> dict[str, str]:
    """For topics and queues that keep order: that of each entity."""
    if not message.to.endswith(".fifo"):
        return {}
    key = _head(message).partitionkey or _GROUP
    return {
        "MessageGroupId": hashlib.sha256(key.encode()).hexdigest(),
        "MessageDeduplicationId": hashlib.sha256(message.id.encode()).hexdigest(),
    }


def _fits(text: str, marks: dict[str, dict[str, str]]) -> None:
    size = len(text.encode()) + sum(
        len(name) + len(one["DataType"]) + len(one["StringValue"].encode()) for name, one in marks.items()
    )
    if size > MOST_BYTES:
        raise NeverError(f"the message has {size:,} bytes, and {MOST_BYTES:,} are taken")


def _subject(title: str) -> tuple[str, bool]:
    """ASCII that begins with a letter, digit or punctuation, as SNS has subjects, and whether it was cut."""
    text = title.encode("ascii", "replace").decode().strip() or "Ringfence"
    if len(text) <= _SUBJECT_CHARACTERS:
        return text, False
    return cut(text, _SUBJECT_CHARACTERS - 2).replace("…", "..."), True


def _bytes(text: str, most: int) -> str:
    """As much of a text as fits, with an ellipsis where something was cut."""
    raw = text.encode(errors="replace")
    return raw.decode() if len(raw) <= most else raw[: most - 3].decode(errors="ignore") + "…"
