"""E-mail over SMTP, as text and as HTML."""

from __future__ import annotations

import asyncio
import html
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from ringfence.bus.notifier import Answer, Outcome
from ringfence.bus.subscription import is_contact
from ringfence.bus.words import cut
from ringfence.errors import InputError

if TYPE_CHECKING:
    from ringfence.bus.notifier import Message

SECONDS: Final = 15.0
_SUBJECT_CHARACTERS: Final = 200
_PORTS: Final = {"smtp": 587, "smtps": 465}


class MailNotifier:
    """A `Notifier` for `mailto:` addresses.

    Args:
        url: `smtp://USER@HOST:PORT` (with STARTTLS where the server has it) or `smtps://…`.
        password: of the user.
        sender: whom messages come from.
    """

    def __init__(self, url: str, sender: str, password: str | None = None, seconds: float = SECONDS) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.password:
            raise InputError(
                "smtp_url looks like smtp://USER@HOST:587 or smtps://USER@HOST:465; the password belongs "
                "into RINGFENCE_SMTP_PASSWORD"
            )
        self._host, self._port = parts.hostname, parts.port or _PORTS[parts.scheme]
        self._user = unquote(parts.username) if parts.username else None
        self._tls = parts.scheme == "smtps"
        self._password = password
        self._sender = sender
        self._seconds = seconds

    def deliver(self, message: Message) -> Outcome:
        """See `Notifier.deliver`."""
        try:
            _, said = asyncio.run(
                asyncio.wait_for(
                    aiosmtplib.send(
                        self._written(message),
                        recipients=[message.to],
                        hostname=self._host,
                        port=self._port,
                        username=self._user,
                        password=self._password,
                        use_tls=self._tls,
                        timeout=self._seconds,
                    ),
                    2 * self._seconds,
                )
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            refused = error.recipients[0]
            return Outcome(
                Answer.REFUSED if refused.code >= 500 else Answer.RETRY, f"{refused.code} {refused.message}"
            )
        except aiosmtplib.SMTPResponseException as error:
            is_final = error.code in (550, 551, 552, 553, 554, 555)
            return Outcome(Answer.REFUSED if is_final else Answer.RETRY, f"{error.code} {error.message}")
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            return Outcome(Answer.RETRY, f"{type(error).__name__}: {error}")
        except (ValueError, MessageError) as error:  # after OSError: a bad certificate is both, and may pass
            return Outcome(Answer.REFUSED, f"{type(error).__name__}: {error}")
        is_cut = len(message.words.title) > _SUBJECT_CHARACTERS
        return Outcome(Answer.DELIVERED, f"{said}; the subject was cut" if is_cut else said)

    def close(self) -> None:
        """See `Notifier.close`."""

    def _written(self, message: Message) -> EmailMessage:
        if not is_contact("mail", message.to):
            raise ValueError("the recipient is not one e-mail address")
        words = message.words
        mail = EmailMessage()
        mail["Subject"] = cut(" ".join(words.title.split()), _SUBJECT_CHARACTERS)
        mail["From"] = self._sender
        mail["To"] = Address(addr_spec=message.to)
        mail["Date"] = formatdate()
        mail["Message-ID"] = make_msgid(domain=self._host)
        mail["X-Ringfence-Id"] = message.id
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(words.text)
        rows = "".join(
            f"<tr><th align=left>{html.escape(name)}</th><td>{_linked(told, words.link)}</td></tr>"
            if name
            else f"<tr><td colspan=2>{_linked(told, words.link)}</td></tr>"
            for name, told in words.lines
        )
        mail.add_alternative(
            f"<html><body><h3>{html.escape(words.title)}</h3><table>{rows}</table></body></html>",
            subtype="html",
        )
        return mail


def _linked(text: str, link: str) -> str:
    escaped = html.escape(text)
    if link and text == link:
        return f'<a href="{escaped}">{escaped}</a>'
    return escaped.replace("\n", "<br>")
