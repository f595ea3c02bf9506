"""E-mail over SMTP, as text and as HTML."""

from __future__ import annotations

import asyncio
from email.errors import MessageError
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from ringfence.adapters.notifiers.letter import letter, with_cuts
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome
from ringfence.errors import InputError, StoreError
from ringfence.ports.secrets import as_secret

if TYPE_CHECKING:
    from ringfence.bus.notifier import Message
    from ringfence.ports.secrets import SecretValue

SECONDS: Final = 15.0
_PORTS: Final = {"smtp": 587, "smtps": 465}


class MailNotifier:
    """A `Notifier` for `mailto:` addresses.

    Args:
        url: `smtp://USER@HOST:PORT` (with STARTTLS where the server has it) or `smtps://…`.
        password: of the user. One that the server refuses is looked up again at once.
        sender: whom messages come from.
    """

    def __init__(
        self, url: str, sender: str, password: str | SecretValue | None = None, seconds: float = SECONDS
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.password:
            raise InputError(
                "smtp_url looks like smtp://USER@HOST:587 or smtps://USER@HOST:465; the password belongs "
                "into RINGFENCE_SMTP_PASSWORD"
            )
        self._host, self._port = parts.hostname, parts.port or _PORTS[parts.scheme]
        self._user = unquote(parts.username) if parts.username else None
        self._tls = parts.scheme == "smtps"
        self._password = None if password is None else as_secret(password)
        self._sender = sender
        self._seconds = seconds

    def deliver(self, message: Message) -> AttemptOutcome:
        """See `Notifier.deliver`."""
        try:
            password = None if self._password is None else self._password.value()
            try:
                said = self._send(message, password)
            except aiosmtplib.SMTPAuthenticationError:
                renewed = None if self._password is None else self._password.renewed(password or "")
                if renewed is None:
                    raise
                said = self._send(message, renewed)
        except aiosmtplib.SMTPRecipientsRefused as error:
            refused = error.recipients[0]
            return AttemptOutcome(
                AttemptEnd.REFUSED if refused.code >= 500 else AttemptEnd.RETRY,
                f"{refused.code} {refused.message}",
            )
        except aiosmtplib.SMTPResponseException as error:
            is_final = error.code in (550, 551, 552, 553, 554, 555)
            return AttemptOutcome(
                AttemptEnd.REFUSED if is_final else AttemptEnd.RETRY, f"{error.code} {error.message}"
            )
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            return AttemptOutcome(AttemptEnd.RETRY, f"{type(error).__name__}: {error}")
        except StoreError as error:
            return AttemptOutcome(AttemptEnd.RETRY, str(error))
        except (ValueError, MessageError) as error:  # after OSError: a bad certificate is both, and may pass
            return AttemptOutcome(AttemptEnd.REFUSED, f"{type(error).__name__}: {error}")
        return AttemptOutcome(AttemptEnd.DELIVERED, with_cuts(said, message))

    def _send(self, message: Message, password: str | None) -> str:
        sending = aiosmtplib.send(
            letter(message, self._sender, self._host),
            recipients=[message.to],
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=password,
            use_tls=self._tls,
            timeout=self._seconds,
        )
        _, said = asyncio.run(asyncio.wait_for(sending, 2 * self._seconds))
        return said

    def close(self) -> None:
        """See `Notifier.close`."""
