"""The one time range and the one zone of all pages: kept in the address, carried from page to page."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import MutableHeaders

from ringfence.decisions.period import Period

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.types import Message, Send

_NOW: ContextVar[Period | None] = ContextVar("ringfence_period", default=None)


def period_of(scope: Mapping[str, Any]) -> Period:
    """Of a request: its address, or that of the page whose part it asks for."""
    query = scope["query_string"].decode("latin-1")
    if b"hx-request" in (headers := dict(scope["headers"])):
        try:
            page = urlsplit(headers.get(b"hx-current-url", b"").decode("latin-1")).query
        except ValueError:
            return Period()
        query = f"{query}&{page}"  # what the part itself says comes first
    return Period.of(query)


def enter(scope: Mapping[str, Any]) -> None:
    """From here on, this request has the period of its address."""
    _NOW.set(period_of(scope))


def carrying(send: Send) -> Send:
    """Sends what a request is answered; to where that leads on, the zone of the request goes along."""
    asked = current()
    if asked.zone == "UTC":
        return send

    async def carry(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message["headers"])
            where = headers.get("location", "")
            if where.startswith("/") and Period.of(urlsplit(where).query).zone == "UTC":
                headers["location"] = (
                    f"{where}{'&' if '?' in where else '?'}{urlencode({'zone': asked.zone})}"
                )
        await send(message)

    return carry


def current() -> Period:
    """The period of the request that is being answered."""
    return _NOW.get() or Period()


def zone_name() -> str:
    """The name of the zone in which pages show times."""
    return current().zone


def local(time_ms: float) -> datetime:
    """A moment in that zone."""
    return current().local(time_ms)


def moment_ms(text: str) -> int:
    """A time as a form has it, in that zone unless it says otherwise; ValueError for what is none."""
    return current().moment_ms(text)
