"""Questions to a running server, and what it says against them."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec

from ringfence.decisions.impact import Impact
from ringfence.desks.confirming import UnconfirmedError
from ringfence.errors import InputError


def ask(url: str, key: str | None, path: str, body: dict[str, Any] | None = None) -> Any:
    """What a server answers, to a change of definitions if there is a `body`.

    `InputError` with what it says against it.
    """
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    try:
        content = None if body is None else msgspec.json.encode(body)
        method = "GET" if body is None else "POST"
        answer = httpx.request(method, url.rstrip("/") + path, content=content, headers=headers, timeout=60)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise InputError(f"{url} does not answer ({error}): is the server running?") from error
    if answer.is_error:
        try:
            told = answer.json()
            detail = told["detail"]
        except (ValueError, KeyError, TypeError):
            told, detail = {}, answer.reason_phrase
        if told.get("code") == "needs_confirmation":
            raise UnconfirmedError(msgspec.convert(told["impact"], Impact), detail)
        raise InputError(f"the server says {answer.status_code}: {detail}")
    return answer.json()
