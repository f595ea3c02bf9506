"""What other services answer: no more bytes, no longer and from nowhere else than was asked for.

The time-outs of a client are for each read: a peer that sends one byte now and then is never late. Here one
deadline holds over connection, head and body, and the connection is closed when it has passed.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Collection

PLAIN: Final = {"accept-encoding": "identity"}
"""Asks for an answer that is not compressed: one of 1.5 MB may unfold to 5 GB."""


class AnswerError(Exception):
    """An answer that is none."""


async def ask(
    http: httpx.AsyncClient, request: httpx.Request, most_bytes: int, read_also: Collection[int] = ()
) -> tuple[int, bytes]:
    """The answer's status and body. The body is read for status 200 and for those in `read_also`.

    `AnswerError` where the body is too long or compressed, `httpx.HTTPError` where no answer comes.
    """
    answer = await http.send(request, stream=True, follow_redirects=False)
    try:
        if answer.status_code != httpx.codes.OK and answer.status_code not in read_also:
            return answer.status_code, b""
        if answer.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise AnswerError("it answers compressed, which it was asked not to do")
        body = bytearray()
        async for piece in answer.aiter_raw():
            body += piece
            if len(body) > most_bytes:
                raise AnswerError(f"it answers with more than {most_bytes:,} bytes")
        return answer.status_code, bytes(body)
    finally:
        await answer.aclose()


def fetch(wanted: httpx.URL | httpx.Request, most_bytes: int, seconds: float) -> bytes:
    """The body behind an address, or of another request; on any thread.

    `AnswerError`, `httpx.HTTPError` or `TimeoutError`.
    """
    request = wanted if isinstance(wanted, httpx.Request) else httpx.Request("GET", wanted)
    request.headers.update(PLAIN)
    found: list[bytes] = []
    failed: list[BaseException] = []

    async def whole() -> bytes:
        async with asyncio.timeout(seconds), httpx.AsyncClient(timeout=None) as http:  # noqa: S113 (one for all of it)
            status, body = await ask(http, request, most_bytes)
        if status != httpx.codes.OK:
            raise AnswerError(f"it answers with status {status}")
        return body

    def run() -> None:  # a thread may have one event loop only, and the caller's may have one
        try:
            found.append(asyncio.run(whole()))
        except BaseException as error:  # noqa: BLE001 (raised for the caller)
            failed.append(error)

    thread = threading.Thread(target=run, name="ringfence-fetch", daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]
