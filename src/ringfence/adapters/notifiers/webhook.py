"""Webhooks as Standard Webhooks 1.0 has them: a signed POST to an address that is looked up once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx
from standardwebhooks import Webhook

from ringfence.adapters.notifiers.addresses import PrivateAddressError, resolve
from ringfence.bus.notifier import Answer, Outcome

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from ringfence.adapters.notifiers.addresses import Network
    from ringfence.bus.notifier import Message

SECONDS: Final = 10.0
"""For connecting, and for each part of an answer; three times as long for all of it."""

_SAID_BYTES: Final = 300
_MOST_BYTES: Final = 1 << 20


class WebhookNotifier:
    """A `Notifier` for `https://` addresses.

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
        self._allowed = list(allowed)
        self._now = now
        self._seconds = seconds
        self._verify = verify or httpx.create_ssl_context()

    def deliver(self, message: Message) -> Outcome:
        """See `Notifier.deliver`."""
        if len(message.event) > _MOST_BYTES:
            return Outcome(Answer.REFUSED, f"the event is longer than {_MOST_BYTES:,} bytes")
        parts = urlsplit(message.to)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        try:
            address = resolve(host, port, self._allowed)
        except PrivateAddressError as error:
            return Outcome(Answer.REFUSED, f"{error}: allow it with webhook_networks")
        except OSError as error:
            return Outcome(Answer.RETRY, f"{host} cannot be looked up: {error.strerror or error}")
        try:
            return asyncio.run(self._send(message, host, address))
        except (httpx.TimeoutException, TimeoutError):
            return Outcome(Answer.RETRY, f"no answer within {self._seconds:g} s")
        except httpx.HTTPError as error:
            return Outcome(Answer.RETRY, f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """See `Notifier.close`."""

    async def _send(self, message: Message, host: str, address: str) -> Outcome:
        pinned = httpx.URL(message.to).copy_with(host=address)
        netloc = httpx.URL(message.to).netloc.decode("ascii")
        headers = {
            "host": netloc,
            "user-agent": "ringfence",
            "content-type": "application/cloudevents+json",
            "connection": "close",
            **signed(message, self._now()),
        }
        response, said = None, b""
        # A client for each attempt: a connection whose certificate was checked for one name is never used
        # for another name at the same address.
        async with httpx.AsyncClient(
            timeout=self._seconds, follow_redirects=False, trust_env=False, verify=self._verify
        ) as client:
            request = client.build_request(
                "POST", pinned, content=message.event, headers=headers, extensions={"sni_hostname": host}
            )
            try:
                async with asyncio.timeout(3 * self._seconds):
                    response = await client.send(request, stream=True)
                    async for chunk in response.aiter_raw(_SAID_BYTES):
                        said += chunk
                        if len(said) >= _SAID_BYTES:
                            break
            except TimeoutError:
                if response is None:
                    raise
            finally:
                if response is not None:
                    await response.aclose()
        return _outcome(response, said[:_SAID_BYTES].decode(errors="replace"))


def signed(message: Message, now: datetime) -> dict[str, str]:
    """The three headers of Standard Webhooks: one signature for each secret."""
    body = message.event.decode()
    signatures = [Webhook(secret).sign(message.id, now, body) for secret in message.secrets]
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _outcome(response: httpx.Response, body: str) -> Outcome:
    status = response.status_code
    said = f"{status} {response.reason_phrase} {' '.join(body.split())}".strip()
    if 200 <= status < 300:
        return Outcome(Answer.DELIVERED, said)
    if status == 410:
        return Outcome(Answer.GONE, said)
    if 300 <= status < 400:
        return Outcome(Answer.RETRY, f"{status}: redirects are not followed; subscribe the address itself")
    after = retry_after(response.headers.get("retry-after"), datetime.now(UTC))
    return Outcome(Answer.RETRY, said, after if status in (429, 503) else None)


def retry_after(told: str | None, now: datetime) -> float | None:
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
