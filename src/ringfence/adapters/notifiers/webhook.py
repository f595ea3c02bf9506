"""Webhooks as Standard Webhooks 1.0 has them: a signed POST to an address that is looked up once."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import httpcore
import httpx
from standardwebhooks import Webhook

from ringfence.adapters.notifiers.addresses import PrivateAddressError
from ringfence.adapters.notifiers.connections import Attempt, LookUpError, PinnedBackend
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from ringfence.adapters.notifiers.addresses import Network
    from ringfence.bus.notifier import Message

SECONDS: Final = 10.0
"""For connecting, and for each part of an answer; three times as long for all of it."""

_SAID_BYTES: Final = 300
_READ_BYTES: Final = 16_384  # of an answer, to its end, so that the connection may be used again
_MOST_BYTES: Final = 1 << 20
_IDLE_SECONDS: Final = 4.0  # less than the five after which common servers hang up
_MOST_IDLE: Final = 64
_BROKEN: Final = (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)


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
        self._attempt = Attempt()
        self._pool = httpcore.ConnectionPool(
            verify or httpx.create_ssl_context(),
            max_connections=None,  # each destination has a limit of its own: the courier's
            max_keepalive_connections=_MOST_IDLE,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=PinnedBackend(allowed, self._attempt),
        )

    def deliver(self, message: Message) -> AttemptOutcome:
        """See `Notifier.deliver`."""
        if len(message.event) > _MOST_BYTES:
            return AttemptOutcome(AttemptEnd.REFUSED, f"the event is longer than {_MOST_BYTES:,} bytes")
        self._attempt.begin(3 * self._seconds)
        try:
            return self._attempted(message)
        except PrivateAddressError as error:
            return AttemptOutcome(AttemptEnd.REFUSED, f"{error}: allow it with webhook_networks")
        except LookUpError as error:
            return AttemptOutcome(AttemptEnd.RETRY, str(error))
        except httpcore.TimeoutException:
            return AttemptOutcome(AttemptEnd.RETRY, f"no answer within {self._seconds:g} s")
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            return AttemptOutcome(AttemptEnd.RETRY, f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """See `Notifier.close`."""
        self._pool.close()

    def _attempted(self, message: Message) -> AttemptOutcome:
        try:
            return self._send(message)
        except _BROKEN:
            if self._attempt.has_answer:
                raise
        return self._send(message)  # the receiver hung up an idle connection just as it was taken

    def _send(self, message: Message) -> AttemptOutcome:
        url, host = _target(message.to)
        headers = {
            "host": host,
            "user-agent": "ringfence",
            "content-type": "application/cloudevents+json",
            **signed(message, self._now()),
        }
        timeout = dict.fromkeys(("connect", "read", "write"), self._seconds)
        said = b""
        with self._pool.stream(
            "POST", url, headers=list(headers.items()), content=message.event, extensions={"timeout": timeout}
        ) as response:
            try:
                for chunk in response.iter_stream():
                    said += chunk
                    if len(said) >= _READ_BYTES:
                        break
            except httpcore.TimeoutException:  # its status says enough
                pass
            except _BROKEN:
                if len(said) < _SAID_BYTES:
                    raise
        return _outcome(response, said[:_SAID_BYTES].decode(errors="replace"))


@lru_cache(256)
def _target(address: str) -> tuple[httpcore.URL, str]:
    """What is asked, and under which name."""
    url = httpx.URL(address)
    asked = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    return asked, url.netloc.decode("ascii")


def signed(message: Message, now: datetime) -> dict[str, str]:
    """The three headers of Standard Webhooks: one signature for each secret."""
    body = message.event.decode()
    signatures = [Webhook(secret).sign(message.id, now, body) for secret in message.secrets]
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _outcome(response: httpcore.Response, body: str) -> AttemptOutcome:
    status, reason = response.status, response.extensions["reason_phrase"].decode(errors="replace")
    said = f"{status} {reason} {' '.join(body.split())}".strip()
    if 200 <= status < 300:
        return AttemptOutcome(AttemptEnd.DELIVERED, said)
    if status == 410:
        return AttemptOutcome(AttemptEnd.GONE, said)
    if 300 <= status < 400:
        return AttemptOutcome(
            AttemptEnd.RETRY, f"{status}: redirects are not followed; subscribe the address itself"
        )
    told = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
    after = retry_after(told.decode("ascii", "replace"), datetime.now(UTC))
    return AttemptOutcome(AttemptEnd.RETRY, said, after if status in (429, 503) else None)


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
