"""The long tail: every service that Apprise knows (Teams, Discord, PagerDuty, Matrix, ...)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLateError
from typing import TYPE_CHECKING, Final

import apprise

from ringfence.bus.notifier import AttemptEnd, AttemptOutcome

if TYPE_CHECKING:
    from ringfence.bus.notifier import Message

SECONDS: Final = 20.0


class AppriseNotifier:
    """A `Notifier` for `apprise:URL` addresses: one attempt each, on a thread that is waited for so long."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._pool = ThreadPoolExecutor(4, "ringfence-apprise")

    def deliver(self, message: Message) -> AttemptOutcome:
        """See `Notifier.deliver`."""
        sender = apprise.Apprise()
        if not sender.add(message.to):
            return AttemptOutcome(AttemptEnd.REFUSED, "Apprise does not know this address")
        task = self._pool.submit(
            sender.notify, body=message.words.text, title=message.words.title, interpret_escapes=False
        )
        try:
            is_sent = task.result(self._seconds)
        except TooLateError:
            return AttemptOutcome(AttemptEnd.RETRY, f"no answer within {self._seconds:g} s")
        return (
            AttemptOutcome(AttemptEnd.DELIVERED, "sent")
            if is_sent
            else AttemptOutcome(AttemptEnd.RETRY, "Apprise could not send it")
        )

    def close(self) -> None:
        """See `Notifier.close`."""
        self._pool.shutdown(wait=False, cancel_futures=True)
