"""E-mail by Amazon SES, and texts to phones by SNS or by AWS End User Messaging."""

from __future__ import annotations

from email.errors import MessageError
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.aws.sending import NeverError, sent
from ringfence.adapters.notifiers.letter import letter, with_cuts
from ringfence.bus.subscription import is_contact
from ringfence.bus.words import cut, plain

if TYPE_CHECKING:
    from ringfence.bus.notifier import AttemptOutcome, Message

_DOMAIN: Final = "ringfence.invalid"  # of the letter's own id, which SES replaces
_TEXT_CHARACTERS: Final = 1_000  # of the 1,600 bytes of a text, which may take more than one a character
_LINK_CHARACTERS: Final = 400
_CUT: Final = "; longer than a text message takes: cut"


class SesNotifier:
    """A `Notifier` for `mailto:` addresses."""

    def __init__(self, client: Any, sender: str) -> None:
        """`client` is boto3's of `sesv2`; `sender` is an identity that SES has verified."""
        self._client, self._sender = client, sender

    def deliver(self, message: Message) -> AttemptOutcome:
        """See `Notifier.deliver`."""

        def call() -> str:
            try:
                raw = letter(message, self._sender, _DOMAIN).as_bytes()
            except (ValueError, MessageError) as error:
                raise NeverError(str(error)) from error
            answer = self._client.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [message.to]},
                Content={"Raw": {"Data": raw}},
            )
            return with_cuts(f"message {answer['MessageId']}", message)

        return sent("e-mail by SES", call)

    def close(self) -> None:
        """See `Notifier.close`."""
        self._client.close()


class SnsTexts:
    """A `Notifier` for `sms:` numbers, by Publish of SNS."""

    def __init__(self, client: Any, sender: str | None = None) -> None:
        """`client` is boto3's of `sns`; `sender` is the name that phones show where they may."""
        self._client = client
        self._marks = {"AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"}}
        if sender:
            self._marks["AWS.SNS.SMS.SenderID"] = {"DataType": "String", "StringValue": sender}

    def deliver(self, message: Message) -> AttemptOutcome:
        """See `Notifier.deliver`."""

        def call() -> str:
            text, note = _text(message)
            asked = {"PhoneNumber": _number(message), "Message": text}
            answer = self._client.publish(**asked, MessageAttributes=self._marks)
            return f"message {answer['MessageId']}{note}"

        return sent("SMS by SNS", call)

    def close(self) -> None:
        """See `Notifier.close`."""
        self._client.close()


class EndUserMessaging:
    """A `Notifier` for `sms:` numbers, by AWS End User Messaging."""

    def __init__(self, client: Any, origin: str | None = None) -> None:
        """`client` is boto3's of `pinpoint-sms-voice-v2`; `origin` is a number, a pool or a sender's ARN."""
        self._client = client
        self._from = {"OriginationIdentity": origin} if origin else {}

    def deliver(self, message: Message) -> AttemptOutcome:
        """See `Notifier.deliver`."""

        def call() -> str:
            text, note = _text(message)
            answer = self._client.send_text_message(
                DestinationPhoneNumber=_number(message),
                MessageBody=text,
                MessageType="TRANSACTIONAL",
                Context={"ringfence_id": message.id[:800]},
                **self._from,
            )
            return f"message {answer['MessageId']}{note}"

        return sent("SMS by End User Messaging", call)

    def close(self) -> None:
        """See `Notifier.close`."""
        self._client.close()


def _number(message: Message) -> str:
    if not is_contact("sms", message.to):
        raise NeverError("the recipient is not one phone number")
    return message.to


def _text(message: Message) -> tuple[str, str]:
    """The words on one line, and the link whole: half a link leads nowhere. What was cut says so."""
    link = message.words.link
    text = plain(message.words.text.replace("\n", " "))
    if not link or len(link) > _LINK_CHARACTERS or len(text) <= _TEXT_CHARACTERS:
        return cut(text, _TEXT_CHARACTERS) or "-", _CUT if len(text) > _TEXT_CHARACTERS else ""
    return f"{cut(text.replace(link, ''), _TEXT_CHARACTERS - len(link) - 1)} {link}", _CUT
