"""Puts together what carries messages, as the settings say."""

from __future__ import annotations

from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING

from ringfence.adapters.emulator_address import refuse_emulator
from ringfence.adapters.notifiers import ConsoleNotifier
from ringfence.bus.subscription import kind_of, shown, target_of
from ringfence.compose.aws import needs_aws
from ringfence.compose.secrets import secret
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.adapters.notifiers.addresses import Network
    from ringfence.alerts.buttons import Buttons
    from ringfence.bus.notifier import AttemptOutcome, Message, Notifier
    from ringfence.settings import Settings

_NEEDS = {"webhook": "standardwebhooks", "mail": "aiosmtplib", "slack": "slack_sdk", "apprise": "apprise"}
_ON_AWS = ("sns", "sqs", "eventbridge")


def notifiers(settings: Settings) -> dict[str, Notifier]:
    """Those that are set up, by kind of destination.

    Those on AWS are set up wherever boto3 is, and few have such a destination: they load it when they have
    a message.
    """
    found: dict[str, Notifier] = {}
    for kind in ("console", "sms", *_NEEDS, *_ON_AWS):
        try:
            found[kind] = _later(kind, settings) if kind in _ON_AWS else notifier(kind, settings)
        except InputError:  # `ringfence bus subscribe` and `doctor` say what is missing
            continue
    return found


def notifier(kind: str, settings: Settings) -> Notifier:
    """What carries messages to destinations of one kind; `InputError` says what has to be set up first."""
    by_aws = {"mail": settings.mail_by == "ses", "sms": settings.sms_by != "console"}
    if kind in _ON_AWS or by_aws.get(kind):
        return _on_aws(kind, settings)
    library = _NEEDS.get(kind)
    if library is not None and find_spec(library) is None:
        raise InputError(
            f"destinations of this kind need more libraries: pip install 'ringfence[alerts]' ({kind})"
        )
    if kind == "webhook":
        from ringfence.adapters.notifiers.webhook import WebhookNotifier  # noqa: PLC0415 (an extra)

        return WebhookNotifier(_allowed(settings))
    if kind == "mail":
        if settings.smtp_url is None or settings.mail_from is None:
            raise InputError("e-mail needs smtp_url and mail_from in ringfence.toml")
        from ringfence.adapters.notifiers.mail import MailNotifier  # noqa: PLC0415 (an extra)

        return MailNotifier(settings.smtp_url, settings.mail_from, secret(settings.smtp_password))
    if kind == "slack":
        if settings.slack_token is None:
            raise InputError("Slack needs the token of a bot: set RINGFENCE_SLACK_TOKEN")
        from ringfence.adapters.notifiers.slack import SlackNotifier  # noqa: PLC0415 (an extra)

        return SlackNotifier(secret(settings.slack_token), settings.slack_url)
    if kind == "apprise":
        from ringfence.adapters.notifiers.anywhere import AppriseNotifier  # noqa: PLC0415 (an extra)

        return AppriseNotifier(_allowed(settings))
    return ConsoleNotifier()


def check_destination(address: str, settings: Settings) -> str:
    """Kind of a destination that somebody wants; `InputError` where it is none, is not set up, or is private.

    A name that cannot be looked up now may be known once there is a message.
    """
    kind = kind_of(address)
    notifier(kind, settings).close()
    if kind in ("webhook", "apprise"):
        _check_place(address, kind, settings)
    return kind


def _check_place(address: str, kind: str, settings: Settings) -> None:
    import httpx  # noqa: PLC0415 (loaded with the notifier)

    from ringfence.adapters.notifiers.addresses import PrivateAddressError, resolve  # noqa: PLC0415 (an extra)

    try:
        if kind == "apprise":
            from ringfence.adapters.notifiers.anywhere import check_address  # noqa: PLC0415 (an extra)

            check_address(target_of(address, kind), _allowed(settings))
        else:
            from ringfence.adapters.notifiers.webhook import place_of  # noqa: PLC0415 (an extra)

            place = place_of(httpx.URL(address))
            resolve(place.host, place.port, _allowed(settings))
    except httpx.InvalidURL as error:
        raise InputError(f"{shown(address)} is no address of a webhook: {error}") from None
    except PrivateAddressError as error:
        raise InputError(
            f"{shown(address)}: {error}. Name its network in webhook_networks of ringfence.toml, or "
            "choose another address"
        ) from None
    except (OSError, UnicodeError):
        pass


def _allowed(settings: Settings) -> list[Network]:
    from ringfence.adapters.notifiers.addresses import networks  # noqa: PLC0415 (an extra)

    return networks(settings.webhook_networks)


def _later(kind: str, settings: Settings) -> Notifier:
    needs_aws("a destination on AWS")
    refuse_emulator()
    return _AtFirstMessage(lambda: notifier(kind, settings))


class _AtFirstMessage:
    """A `Notifier` that is made when it has a message."""

    def __init__(self, make: Callable[[], Notifier]) -> None:
        self._make = make
        self._lock = Lock()
        self._made: Notifier | None = None

    def deliver(self, message: Message) -> AttemptOutcome:
        with self._lock:
            made = self._made = self._made or self._make()
        return made.deliver(message)

    def close(self) -> None:
        with self._lock:
            if self._made is not None:
                self._made.close()


def _on_aws(kind: str, settings: Settings) -> Notifier:
    needs_aws({"mail": "SES", "sms": "a provider of SMS"}.get(kind, "a destination on AWS"))
    from ringfence.adapters.aws import people  # noqa: PLC0415 (an extra)
    from ringfence.adapters.aws.places import CARRIERS  # noqa: PLC0415
    from ringfence.adapters.aws.sending import InEachRegion, once  # noqa: PLC0415

    if kind == "mail":
        if settings.mail_from is None:
            raise InputError("e-mail by SES needs mail_from in ringfence.toml, of an identity that SES knows")
        return people.SesNotifier(once("sesv2"), settings.mail_from)
    if kind == "sms" and settings.sms_by == "sns":
        return people.SnsTexts(once("sns"), settings.sms_from)
    if kind == "sms":
        return people.EndUserMessaging(once("pinpoint-sms-voice-v2"), settings.sms_from)
    service, carrier = CARRIERS[kind]
    return carrier(InEachRegion(service))


def slack_actions(settings: Settings, now_ms: Callable[[], int]) -> Buttons | None:
    """What reads buttons of Slack; None where no signing secret is set, or the library is missing."""
    if not settings.slack_signing_secret or find_spec("slack_sdk") is None:
        return None
    from ringfence.adapters.notifiers.slack_actions import SlackActions  # noqa: PLC0415 (an extra)

    return SlackActions(secret(settings.slack_signing_secret), settings.slack_hooks, now_ms)
