"""A message as an e-mail, as text and as HTML, whoever carries it."""

from __future__ import annotations

import html
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING, Final

from ringfence.bus.subscription import is_contact
from ringfence.bus.words import cut

if TYPE_CHECKING:
    from ringfence.bus.notifier import Message

SUBJECT_CHARACTERS: Final = 200


def letter(message: Message, sender: str, domain: str) -> EmailMessage:
    """The e-mail, whose own id is of `domain`; `ValueError` where the recipient is not one address."""
    if not is_contact("mail", message.to):
        raise ValueError("the recipient is not one e-mail address")
    words = message.words
    mail = EmailMessage()
    mail["Subject"] = cut(_subject(message), SUBJECT_CHARACTERS)
    mail["From"] = sender
    mail["To"] = Address(addr_spec=message.to)
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain=domain)
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


def with_cuts(said: str, message: Message) -> str:
    """What is said of a letter that was taken; also where its subject was cut."""
    return f"{said}; the subject was cut" if len(_subject(message)) > SUBJECT_CHARACTERS else said


def _subject(message: Message) -> str:
    return " ".join(message.words.title.split())


def _linked(text: str, link: str) -> str:
    escaped = html.escape(text)
    if link and text == link:
        return f'<a href="{escaped}">{escaped}</a>'
    return escaped.replace("\n", "<br>")
