"""Who wants which events, and where they go: data that people change while the bus runs."""

from __future__ import annotations

import hashlib
import hmac
import re
from itertools import takewhile
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from ringfence.bus.pattern import wanted
from ringfence.bus.retry import is_tripped
from ringfence.errors import InputError
from ringfence.masking import lettered

if TYPE_CHECKING:
    from ringfence.bus.pattern import Pattern

MOST_SUBSCRIPTIONS: Final = 500
EVERYTHING: Final = '{"type": [{"exists": true}]}'
KINDS: Final = {
    "console": "console: (standard error of the process that follows)",
    "webhook": "https://HOST/PATH",
    "mail": "mailto:NAME@HOST",
    "slack": "slack:#CHANNEL",
    "sms": "sms:+NUMBER",
    "sns": "arn:aws:sns:REGION:ACCOUNT:TOPIC",
    "sqs": "arn:aws:sqs:REGION:ACCOUNT:QUEUE",
    "eventbridge": "arn:aws:events:REGION:ACCOUNT:event-bus/BUS",
    "apprise": "apprise:URL, as Apprise documents them",
}
"""Kinds of destinations, and what their addresses look like."""

_PROGRAMS: Final = frozenset({"webhook", "sqs", "eventbridge"})
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_MAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}")
_CHANNEL: Final = re.compile(r"#?[\w.-]{1,80}")
_SECRET_LENGTH: Final = 4
_PLAIN_PART: Final = re.compile(r"(?:[a-z]{1,16}(?:[-_.][a-z]{1,16}){0,3}|v[0-9]{1,2})?")
_PHONE: Final = re.compile(r"\+[0-9]{6,15}")
_PLACE: Final = r"arn:aws[a-z-]*:%s:[a-z0-9-]{2,32}:[0-9]{12}:"
_ARNS: Final = {
    "sns": re.compile(_PLACE % "sns" + r"[\w-]{1,251}(\.fifo)?"),
    "sqs": re.compile(_PLACE % "sqs" + r"[\w-]{1,75}(\.fifo)?"),
    "eventbridge": re.compile(_PLACE % "events" + r"event-bus/[\w./-]{1,256}"),
}


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """One wish: the events that a pattern describes go to a destination.

    Attributes:
        pattern: a pattern as JSON, or an expression of the rule language.
        to: address of the destination.
        ordered: events of one entity arrive in order; one that fails holds those behind it up.
        start: by topic, the offset from which on events count.
        paused: messages are made and wait.
    """

    name: str
    pattern: str
    to: str
    ordered: bool = False
    paused: bool = False
    created_ms: int = 0
    start: dict[str, int] = {}

    def parsed(self) -> Pattern:
        """The pattern, ready to be tried."""
        return wanted(self.pattern)


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Where messages go, as the outbox sees it.

    Attributes:
        secrets: what messages are signed with, newest first; only of webhooks.
        disabled: why nothing is sent there any more, empty while it is.
        failing: attempts that failed, the latest ones in a row; `failing_since_ms` is when the first did.
        open_until_ms: no attempt is made before.
        said: what it answered last.
        rotated_ms: when its newest secret was made, 0 where that is its first one.
    """

    address: str
    kind: str
    secrets: tuple[str, ...] = ()
    disabled: str = ""
    failing: int = 0
    failing_since_ms: int = 0
    open_until_ms: int = 0
    said: str = ""
    rotated_ms: int = 0

    @property
    def is_tripped(self) -> bool:
        """Whether it counts as ill."""
        return is_tripped(self.failing)


def check_name(name: str) -> str:
    """A subscription's name; `InputError` where it is none."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:80]!r} cannot name a subscription: small letters, digits, dots and dashes, "
            "such as fraud-team"
        )
    return name


def kind_of(address: str) -> str:
    """Kind of the destination that an address names; `InputError` says what addresses look like.

    >>> kind_of("slack:#fraud-team-alerts"), kind_of("https://example.com/hook")
    ('slack', 'webhook')
    """
    scheme, _, rest = address.partition(":")
    if len(address) > 2048 or any(ord(letter) < 33 for letter in address):
        raise InputError("an address has no spaces and no line breaks, and at most 2,048 characters")
    if scheme in ("http", "https"):
        _check_url(address)
        return "webhook"
    if scheme == "arn":
        return _kind_of_arn(address)
    known: dict[str, tuple[str, re.Pattern[str]]] = {
        "console": ("console", re.compile("")),
        "mailto": ("mail", _MAIL),
        "slack": ("slack", _CHANNEL),
        "sms": ("sms", _PHONE),
        "apprise": ("apprise", re.compile(r"[a-z][a-z0-9+.-]*:\S+")),
    }
    if scheme not in known:
        told = f"{scheme[:40]}:…" if ":" in address else address[:80]
        raise InputError(f"{told!r} is no destination: {'; '.join(KINDS.values())}")
    kind, shape = known[scheme]
    if not shape.fullmatch(rest):
        raise InputError(f"{shown(address)[:80]!r}: an address of this kind looks like {KINDS[kind]}")
    return kind


def is_for_people(kind: str) -> bool:
    """Whether people read what arrives there: they get words, and know no message by its id.

    >>> is_for_people("slack"), is_for_people("webhook")
    (True, False)
    """
    return kind not in _PROGRAMS


def target_of(address: str, kind: str) -> str:
    """What of an address is given to whoever delivers: without a scheme that only says the kind.

    >>> target_of("slack:#fraud", "slack"), target_of("https://example.com/hook", "webhook")
    ('#fraud', 'https://example.com/hook')
    """
    return address if kind == "webhook" or kind in _ARNS else address.partition(":")[2]


def is_contact(kind: str, text: str) -> bool:
    """Whether a text is one address of a person, by kind of destination: nothing is parsed out of it.

    >>> is_contact("mail", "ada@example.org"), is_contact("mail", "ada@example.org, eve@example.org")
    (True, False)
    """
    shape = {"mail": _MAIL, "sms": _PHONE}.get(kind)
    return text.isprintable() and (shape is None or shape.fullmatch(text) is not None)


def shown(address: str) -> str:
    """A destination's address without what may be a secret.

    Left out are most of an Apprise URL, and of a webhook its query and its path from the first part on that
    is no plain word.

    >>> shown("https://example.com/hook?token=s3cret"), shown("apprise:tgram://s3cret/12")
    ('https://example.com/hook?…', 'apprise:tgram://…')
    >>> shown("https://hooks.example.com/services/T0AB/B1CD/s3cret")
    'https://hooks.example.com/services/…'
    """
    scheme, _, rest = address.partition(":")
    if scheme == "apprise":
        return f"apprise:{rest.partition(':')[0]}://…"
    if scheme not in ("http", "https"):
        return address
    place, query, _ = rest.partition("#")[0].partition("?")
    host, slash, path = place.removeprefix("//").partition("/")
    plain, others = _split(path)
    told = "/".join([*plain, "…"] if others else plain)
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{told}{'?…' if query else ''}"


def masked(text: str, address: str) -> str:
    """A text, what a receiver answered say, without the parts of a webhook's address that are not shown.

    >>> masked("404: no /services/T0AB/s3cret", "https://hooks.example.com/services/T0AB/s3cret")
    '404: no /services/…/…'
    """
    if not address.startswith(("http:", "https:")):
        return text
    parts = urlsplit(address)
    for piece in sorted([*_split(parts.path.removeprefix("/"))[1], parts.query], key=len, reverse=True):
        text = text.replace(piece, "…") if len(piece) >= _SECRET_LENGTH else text
    return text


def _split(path: str) -> tuple[list[str], list[str]]:
    """The parts of a path up to the first that is no plain word, and those from there on."""
    parts = path.split("/")
    plain = list(takewhile(_PLAIN_PART.fullmatch, parts))
    return plain, parts[len(plain) :]


def digest_of(address: str, secret: bytes) -> str:
    """What names a destination where its address cannot stand: twelve hexadecimal digits.

    Without the store's secret nobody can try addresses against it: phone numbers are few.

    >>> digest_of("sms:+491701234567", b"secret") == digest_of("sms:+491701234567", b"another")
    False
    """
    digest = hmac.digest(secret, b"ringfence destination " + address.encode(), "sha256")
    return lettered(digest.hex()[:12])


def tag(address: str) -> str:
    """What names a destination within ids: its address, or what is shown of it with a digest of the rest."""
    told = shown(address)
    return told if told == address else f"{told}#{unkeyed_digest_of(address)}"


def unkeyed_digest_of(address: str) -> str:
    """Twelve hexadecimal digits of an address, the same in every store: where no secret is at hand."""
    return hashlib.sha256(address.encode()).hexdigest()[:12]


def _kind_of_arn(address: str) -> str:
    found = next((kind for kind, shape in _ARNS.items() if shape.fullmatch(address)), None)
    if found is None:
        told = "; ".join(KINDS[kind] for kind in _ARNS)
        raise InputError(f"{address[:120]!r} names no topic, queue or event bus: {told}")
    return found


def _check_url(address: str) -> None:
    try:
        parts = urlsplit(address)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    if not has_host:
        raise InputError(f"{shown(address)[:80]!r} names no host: https://HOST/PATH is needed")
    if parts.username or parts.password or parts.fragment:
        raise InputError("a webhook's address has no user, no password and no #fragment: messages are signed")
