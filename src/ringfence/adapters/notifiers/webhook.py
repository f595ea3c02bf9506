"""Webhooks as Standard Webhooks 1.0 has them: a signed POST to an address that is looked up once."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import httpx
from standardwebhooks import Webhook

from ringfence.adapters.notifiers.addresses import PrivateAddressError
from ringfence.adapters.notifiers.receiver_connections import (
    AttemptDeadline,
    BrokenConnectionError,
    LookUpError,
    ReceiverConnection,
    ReceiverConnections,
    ReceiverPlace,
)
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.adapters.notifiers.addresses import Network
    from ringfence.adapters.notifiers.receiver_connections import ReceiverAnswer
    from ringfence.bus.notifier import Message

SECONDS: Final = 10.0
"""For connecting, and for each part of an answer; three times as long for all of it."""

_MOST_BYTES: Final = 1 << 20
_PORTS: Final = {"http": 80, "https": 443}
_DELIVERED: Final = range(200, 300)
_REDIRECTED: Final = range(300, 400)
_GONE: Final = 410
_BUSY: Final = (429, 503)  # and Retry-After says until when


class WebhookNotifier:
    """A `Notifier` for `https://` addresses.

    Connections stay open for a few seconds, for messages to the same scheme, host and port: never for another
    name at the same address, whose certificate nobody has looked at.

    Args:
        allowed: private networks that may be reached.
        verify: which certificates are trusted.
        seconds: as of `SECONDS`.
    """

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        verify: ssl.SSLContext | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        seconds: float = SECONDS,
    ) -> None:
        self._now = now
        self._seconds = seconds
        self._connections = ReceiverConnections(allowed, verify or httpx.create_ssl_context())

    def deliver(self, message: Message) -> AttemptOutcome:
        """See `Notifier.deliver`."""
        if refusal := _refusal(message):
            return AttemptOutcome(AttemptEnd.REFUSED, refusal)
        place, head = _target(message.to)
        told = "".join(f"{name}: {value}\r\n" for name, value in signed(message, self._now()).items())
        length = f"content-length: {len(message.event)}\r\n\r\n"
        request = b"".join((head, told.encode(), length.encode(), message.event))
        try:
            return _outcome(self._asked(place, request))
        except PrivateAddressError as error:
            return AttemptOutcome(AttemptEnd.REFUSED, f"{error}: allow it with webhook_networks")
        except (LookUpError, BrokenConnectionError) as error:
            return AttemptOutcome(AttemptEnd.RETRY, str(error))
        except TimeoutError:
            return AttemptOutcome(AttemptEnd.RETRY, f"no answer within {self._seconds:g} s")
        except OSError as error:
            return AttemptOutcome(AttemptEnd.RETRY, _failure(error))

    def close(self) -> None:
        """See `Notifier.close`."""
        self._connections.close()

    def _asked(self, place: ReceiverPlace, request: bytes) -> ReceiverAnswer:
        """What the receiver says, over a connection that is open or a new one.

        Where the receiver hangs up an idle connection just as it is taken, nothing was heard of it: the
        request goes out once more.
        """
        deadline = AttemptDeadline(3 * self._seconds)
        known = self._connections.idle(place)
        if known is not None:
            try:
                return self._ask(known, request, deadline)
            except TimeoutError:
                raise
            except (OSError, BrokenConnectionError):
                if known.has_said:
                    raise
        return self._ask(self._connections.open(place, deadline, self._seconds), request, deadline)

    def _ask(
        self, connection: ReceiverConnection, request: bytes, deadline: AttemptDeadline
    ) -> ReceiverAnswer:
        try:
            return connection.ask(request, deadline, self._seconds)
        finally:
            self._connections.put(connection)


@lru_cache(256)
def _target(address: str) -> tuple[ReceiverPlace, bytes]:
    """Whom a request to an address goes to, and how it begins."""
    url = httpx.URL(address)
    lines = (
        f"POST {url.raw_path.decode('ascii')} HTTP/1.1",
        f"host: {url.netloc.decode('ascii')}",
        "user-agent: ringfence",
        "accept: */*",
        "content-type: application/cloudevents+json",
    )
    return place_of(url), "".join(f"{line}\r\n" for line in lines).encode("ascii")


def place_of(url: httpx.URL) -> ReceiverPlace:
    """Whom requests to an address go to.

    The name is in the letters of DNS: sockets and TLS would write any others by the rules of 2003, which make
    another name of some.

    >>> place_of(httpx.URL("https://straße.example/hook")).host
    'xn--strae-oqa.example'
    """
    return ReceiverPlace(url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme])


def _refusal(message: Message) -> str:
    """Why a message can be sent to nobody, nothing where it can."""
    if len(message.event) > _MOST_BYTES:
        return f"the event is longer than {_MOST_BYTES:,} bytes"
    if not (message.id.isascii() and message.id.isprintable()):
        return "a header cannot hold the message's id: printable ASCII is needed"
    return ""


def signed(message: Message, now: datetime) -> dict[str, str]:
    """The three headers of Standard Webhooks: one signature for each secret."""
    body = message.event.decode()
    signatures = [Webhook(secret).sign(message.id, now, body) for secret in message.secrets]
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _failure(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    said = str(error) if isinstance(error, ssl.SSLError) else error.strerror or str(error)
    return f"{type(error).__name__}: {said}"


def _outcome(answer: ReceiverAnswer) -> AttemptOutcome:
    words = " ".join(answer.body.decode(errors="replace").split())
    said = f"{answer.status} {answer.reason} {words}".strip()
    if answer.status in _DELIVERED:
        return AttemptOutcome(AttemptEnd.DELIVERED, said)
    if answer.status == _GONE:
        return AttemptOutcome(AttemptEnd.GONE, said)
    if answer.status in _REDIRECTED:
        return AttemptOutcome(
            AttemptEnd.RETRY, f"{answer.status}: redirects are not followed; subscribe the address itself"
        )
    after = retry_after(answer.retry_after, datetime.now(UTC)) if answer.status in _BUSY else None
    return AttemptOutcome(AttemptEnd.RETRY, said, after)


def retry_after(told: str, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for, None where it says nothing that can be understood.

    >>> retry_after("120", datetime.now(UTC))
    120.0
    """
    if not told:
        return None
    if told.strip().isascii() and told.strip().isdigit():
        return float(told.strip()[:9])
    try:
        return max(0.0, (parsedate_to_datetime(told) - now).total_seconds())
    except (ValueError, TypeError):
        return None
