"""The long tail: every service that Apprise knows (Teams, Discord, PagerDuty, Matrix, ...)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLateError
from typing import TYPE_CHECKING, Any, Final

import apprise

from ringfence.adapters.notifiers.addresses import resolve
from ringfence.adapters.notifiers.guarded import guarded
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome
from ringfence.bus.words import cut
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.adapters.notifiers.addresses import Network
    from ringfence.bus.notifier import Message
    from ringfence.bus.words import Words

SECONDS: Final = 20.0
_BETWEEN: Final = 8  # characters at most that Apprise puts between a title and a body, in one text
_PORT: Final = 443  # where an address names none: only the host is looked up


class AppriseNotifier:
    """A `Notifier` for `apprise:URL` addresses: one attempt each, on a thread that is waited for so long.

    Args:
        allowed: private networks that may be reached.
    """

    def __init__(self, allowed: Sequence[Network] = (), seconds: float = SECONDS) -> None:
        self._allowed = allowed
        self._seconds = seconds
        self._pool = ThreadPoolExecutor(4, "ringfence-apprise")

    def deliver(self, message: Message) -> AttemptOutcome:
        """See `Notifier.deliver`."""
        try:
            sender = _sender(message.to)
        except InputError as error:
            return AttemptOutcome(AttemptEnd.REFUSED, str(error))
        title, body, is_cut = fitting(message.words, message.id, sender[0])
        task = self._pool.submit(self._send, sender, title, body)
        try:
            is_sent, refused = task.result(self._seconds)
        except TooLateError:
            task.cancel()  # one that waits for a thread would be sent beside the next attempt
            return AttemptOutcome(AttemptEnd.RETRY, f"no answer within {self._seconds:g} s")
        if refused and not is_sent:
            return AttemptOutcome(AttemptEnd.REFUSED, f"{refused[0]}: allow it with webhook_networks")
        return (
            AttemptOutcome(
                AttemptEnd.DELIVERED, "sent; longer than the service takes: cut" if is_cut else "sent"
            )
            if is_sent
            else AttemptOutcome(AttemptEnd.RETRY, "Apprise could not send it")
        )

    def _send(self, sender: apprise.Apprise, title: str, body: str) -> tuple[bool, list[str]]:
        """Whether it was sent, and which connections were refused."""
        with guarded(self._allowed) as guard:
            is_sent = sender.notify(body=body, title=title, interpret_escapes=False)
        return bool(is_sent), guard.refused

    def close(self) -> None:
        """See `Notifier.close`."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def fitting(words: Words, message_id: str, service: Any) -> tuple[str, str, bool]:
    """Title and body within what a service of Apprise takes, and whether anything was cut.

    Where the body was, its last line says where all of it is, if there is room. An address that says by
    `overflow` what to do is left to Apprise.
    """
    title, body = words.title, words.text
    if service.overflow_mode != apprise.OverflowMode.UPSTREAM:
        return title, body, False
    has_title = service.title_maxlen > 0
    if has_title:
        title = cut(title, service.title_maxlen)
    room = service.body_maxlen or len(body)
    if not has_title or service.overflow_amalgamate_title:
        title = cut(title, room // 4)
        room -= len(title) + _BETWEEN
    if len(body) <= room:
        return title, body, title != words.title
    note = f"\nCut to what this service takes. All of it: ringfence outbox show {message_id}"
    if len(note) > room // 2:  # a text for phones
        note = ""
    return title, cut(body, room - len(note)) + note, True


def check_address(url: str, allowed: Sequence[Network]) -> None:
    """`InputError` for what Apprise does not know, `PrivateAddressError` for a host at a private address.

    Many services have a token where a URL has its host: that is looked up nowhere. `OSError` where a host
    leads nowhere.
    """
    for service in _sender(url):
        host = str(getattr(service, "host", None) or "").strip("[]")
        if host and any("{host}" in one for one in getattr(service, "templates", ())):
            resolve(host, getattr(service, "port", None) or _PORT, allowed)


def _sender(url: str) -> apprise.Apprise:
    sender = apprise.Apprise()
    if not sender.add(url):
        raise InputError(
            "Apprise does not know this address: https://github.com/caronc/apprise/wiki lists services and "
            "their URLs"
        )
    if len(sender) > 1:
        raise InputError(f"this address names {len(sender)} services: give each a subscription of its own")
    return sender
