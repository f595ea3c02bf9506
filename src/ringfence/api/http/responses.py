"""Whole answers as bytes, where no application writes them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ringfence.api.http.problems import TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ringfence.api.http.problems import Refusal

STATUS_LINE: Final = {one.value: b"HTTP/1.1 %d %b\r\n" % (one, one.phrase.encode()) for one in HTTPStatus}


def response(status: int, kind: bytes, body: bytes, more: bytes) -> bytes:
    """A whole answer; `more` are further lines of its head."""
    head = b"%bcontent-type: %b\r\ncontent-length: %d\r\n%b\r\n"
    return head % (STATUS_LINE[status], kind, len(body), more) + body


def lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as they stand in a head."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def refused(refusal: Refusal) -> bytes:
    """A refusal that ends its connection."""
    more = lines((*refusal.headers, (b"connection", b"close")))
    return response(refusal.status, TYPE, refusal.body, more)
