"""Puts together what carries messages, as the settings say."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from ringfence.adapters.notifiers import ConsoleNotifier
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.alerts.buttons import Buttons
    from ringfence.bus.notifier import Notifier
    from ringfence.settings import Settings

_NEEDS = {"webhook": "standardwebhooks", "mail": "aiosmtplib", "slack": "slack_sdk", "apprise": "apprise"}


def notifiers(settings: Settings) -> dict[str, Notifier]:
    """Those that are set up, by kind of destination."""
    found: dict[str, Notifier] = {}
    for kind in ("console", "sms", *_NEEDS):
        try:
            found[kind] = notifier(kind, settings)
        except InputError:  # `ringfence bus subscribe` and `doctor` say what is missing
            continue
    return found


def notifier(kind: str, settings: Settings) -> Notifier:
    """What carries messages to destinations of one kind; `InputError` says what has to be set up first."""
    library = _NEEDS.get(kind)
    if library is not None and find_spec(library) is None:
        raise InputError(
            f"destinations of this kind need more libraries: pip install 'ringfence[alerts]' ({kind})"
        )
    if kind == "webhook":
        from ringfence.adapters.notifiers.addresses import networks  # noqa: PLC0415 (an extra)
        from ringfence.adapters.notifiers.webhook import WebhookNotifier  # noqa: PLC0415

        return WebhookNotifier(networks(settings.webhook_networks))
    if kind == "mail":
        from ringfence.adapters.notifiers.mail import MailNotifier  # noqa: PLC0415 (an extra)

        if settings.smtp_url is None or settings.mail_from is None:
            raise InputError("e-mail needs smtp_url and mail_from in ringfence.toml")
        return MailNotifier(settings.smtp_url, settings.mail_from, settings.smtp_password)
    if kind == "slack":
        from ringfence.adapters.notifiers.slack import SlackNotifier  # noqa: PLC0415 (an extra)

        if settings.slack_token is None:
            raise InputError("Slack needs the token of a bot: set RINGFENCE_SLACK_TOKEN")
        return SlackNotifier(settings.slack_token, settings.slack_url)
    if kind == "apprise":
        from ringfence.adapters.notifiers.anywhere import AppriseNotifier  # noqa: PLC0415 (an extra)

        return AppriseNotifier()
    return ConsoleNotifier()


def slack_actions(settings: Settings, now_ms: Callable[[], int]) -> Buttons | None:
    """What reads buttons of Slack; None where no signing secret is set, or the library is missing."""
    if not settings.slack_signing_secret or find_spec("slack_sdk") is None:
        return None
    from ringfence.adapters.notifiers.slack_actions import SlackActions  # noqa: PLC0415 (an extra)

    return SlackActions(settings.slack_signing_secret, settings.slack_hooks, now_ms)
