"""Ask a server from Python: `Client` and `AsyncClient`.

    with Client("http://127.0.0.1:8000", key="rf_...") as client:
        decision = client.decide({"transaction_id": "pay-1", "event_time": 1709288100000, "amount": "12.34"})
        if decision.outcome == "decline": ...

A request that got no answer, or 429 or 503, is sent again after a while: the transaction's id is its
idempotency key, so a payment that had been decided gives the stored decision.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

import httpx
import msgspec

from ringfence.errors import ConflictError, InputError, RingfenceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Event = Mapping[str, Any]

_TRIED_AGAIN: Final = frozenset({429, 502, 503, 504})
_FIRST_WAIT_SECONDS: Final = 0.1
_LONGEST_WAIT_SECONDS: Final = 5.0
_BATCH: Final = {"content-type": "application/x-ndjson"}


class Why(msgspec.Struct, frozen=True):
    """One reason: a fired rule, its code, and its words for the fraud team and for the customer."""

    code: str
    rule: str
    analyst: str
    customer: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The server's decision on one payment. `replayed`: it had been decided before."""

    transaction_id: str
    outcome: str  # approve | challenge | review | decline
    score: float
    probability: float | None = None
    reasons: list[Why] = []
    shadow_rules: list[str] = []
    typologies: dict[str, float] = {}  # scenarios of which there are signs: score, 0-100
    degraded: list[str] = []
    offset: int | None = None
    event_time_ms: int | None = None
    decided_at_ms: int
    latency_us: int
    versions: dict[str, str] = {}
    replayed: bool = False


class Rejected(msgspec.Struct, frozen=True):
    """What the server says of a record that it did not take; `errors` field by field."""

    status: int
    code: str
    detail: str
    errors: list[dict[str, str]] = []
    fields: list[str] = []


class ServerError(RingfenceError):
    """The server refuses, or cannot be reached; `problem` holds its words, None where there are none."""

    def __init__(self, message: str, problem: Rejected | None = None) -> None:
        super().__init__(message)
        self.problem = problem


class _Line(msgspec.Struct):
    status: int
    replayed: bool
    decision: Answer | None = None
    event: dict[str, Any] | None = None
    problem: Rejected | None = None


_ANSWER: Final = msgspec.json.Decoder(Answer)
_PROBLEM: Final = msgspec.json.Decoder(Rejected)
_LINE: Final = msgspec.json.Decoder(_Line)


class _Calls:
    """What both clients share: requests as values, answers from responses."""

    def __init__(self, url: str, key: str | None, timeout_seconds: float, tries: int) -> None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self.tries = tries
        self.options: dict[str, Any] = {"base_url": url, "headers": headers, "timeout": timeout_seconds}

    def wait_seconds(self, attempt: int, response: httpx.Response | None) -> float | None:
        """How long to wait before trying again; None when this response is final."""
        if response is not None and response.status_code not in _TRIED_AGAIN:
            return None
        if attempt + 1 >= self.tries:
            return None
        asked = response.headers.get("retry-after", "0") if response is not None else "0"
        backoff = _FIRST_WAIT_SECONDS * 2**attempt * (0.5 + random.random())  # noqa: S311 (spreads the load)
        return min(max(backoff, float(asked)), _LONGEST_WAIT_SECONDS)


class Client:
    """Calls a server, one request at a time. Use it as a context manager, or `close` it."""

    def __init__(
        self, url: str, key: str | None = None, *, timeout_seconds: float = 5.0, tries: int = 5
    ) -> None:
        self._calls = _Calls(url, key, timeout_seconds, tries)
        self._http = httpx.Client(**self._calls.options)

    def decide(self, transaction: Event) -> Answer:
        """The decision on one payment. `InputError` 422, `ConflictError` 409, else `ServerError`."""
        return _answer(self._post("/v1/decisions", msgspec.json.encode(transaction)))

    def decide_batch(self, transactions: Iterable[Event]) -> list[Answer | Rejected]:
        """A decision, or what is wrong, for each payment, in order."""
        body = _lines(transactions)
        return _results(self._post("/v1/decisions/batch", body, _BATCH)) if body else []

    def send(self, event: Event) -> int:
        """Log one event of any kind; its offset in the log."""
        return _offset(self._post("/v1/events", msgspec.json.encode(event)))

    def decision(self, transaction_id: str) -> dict[str, Any]:
        """A stored decision with features and payment; `InputError` where there is none."""
        return _json(self._send("GET", f"/v1/decisions/{_quoted(transaction_id)}"))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self._send("POST", path, body, {"content-type": "application/json", **(headers or {})})

    def _send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        for attempt in range(self._calls.tries):
            response, error = None, None
            try:
                response = self._http.request(method, path, content=body, headers=headers)
            except httpx.TransportError as failed:
                error = failed
            wait = self._calls.wait_seconds(attempt, response)
            if wait is None:
                return _final(response, error)
            time.sleep(wait)
        raise AssertionError("the last attempt is final")


class AsyncClient:
    """Calls a server, any number of requests at a time. Use it as a context manager, or `close` it."""

    def __init__(
        self, url: str, key: str | None = None, *, timeout_seconds: float = 5.0, tries: int = 5
    ) -> None:
        self._calls = _Calls(url, key, timeout_seconds, tries)
        self._http = httpx.AsyncClient(**self._calls.options)

    async def decide(self, transaction: Event) -> Answer:
        """The decision on one payment. `InputError` 422, `ConflictError` 409, else `ServerError`."""
        return _answer(await self._post("/v1/decisions", msgspec.json.encode(transaction)))

    async def decide_batch(self, transactions: Iterable[Event]) -> list[Answer | Rejected]:
        """A decision, or what is wrong, for each payment, in order."""
        body = _lines(transactions)
        return _results(await self._post("/v1/decisions/batch", body, _BATCH)) if body else []

    async def send(self, event: Event) -> int:
        """Log one event of any kind; its offset in the log."""
        return _offset(await self._post("/v1/events", msgspec.json.encode(event)))

    async def decision(self, transaction_id: str) -> dict[str, Any]:
        """A stored decision with features and payment; `InputError` where there is none."""
        return _json(await self._send("GET", f"/v1/decisions/{_quoted(transaction_id)}"))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return await self._send("POST", path, body, {"content-type": "application/json", **(headers or {})})

    async def _send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        for attempt in range(self._calls.tries):
            response, error = None, None
            try:
                response = await self._http.request(method, path, content=body, headers=headers)
            except httpx.TransportError as failed:
                error = failed
            wait = self._calls.wait_seconds(attempt, response)
            if wait is None:
                return _final(response, error)
            await asyncio.sleep(wait)
        raise AssertionError("the last attempt is final")


def _final(response: httpx.Response | None, error: httpx.TransportError | None) -> httpx.Response:
    """The response where it is good; what the server said, as an error, where it is not."""
    if response is None:
        raise ServerError(f"the server cannot be reached ({error}): check the address, and that it runs")
    if response.is_success:
        return response
    problem = _problem(response)
    detail = problem.detail if problem else "no reason was given"
    if response.status_code == 409:
        raise ConflictError(detail)
    if response.status_code in (400, 404, 413, 415, 422):
        raise InputError(detail)
    raise ServerError(f"the server answers {response.status_code}: {detail}", problem)


def _problem(response: httpx.Response) -> Rejected | None:
    try:
        return _PROBLEM.decode(response.content)
    except msgspec.DecodeError:
        return None


def _answer(response: httpx.Response) -> Answer:
    found = _ANSWER.decode(response.content)
    replayed = response.headers.get("idempotency-replayed") == "true"
    return msgspec.structs.replace(found, replayed=True) if replayed else found


def _results(response: httpx.Response) -> list[Answer | Rejected]:
    results: list[Answer | Rejected] = []
    for text in response.content.splitlines():
        line = _LINE.decode(text)
        if line.decision is not None:
            results.append(msgspec.structs.replace(line.decision, replayed=line.replayed))
        elif line.problem is not None:
            results.append(line.problem)
    return results


def _offset(response: httpx.Response) -> int:
    return int(_json(response)["offset"])


def _json(response: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(response.content)
    return found


def _lines(events: Iterable[Event]) -> bytes:
    return b"\n".join(map(msgspec.json.encode, events))


def _quoted(text: str) -> str:
    r"""An id as a part of a path; dots alone would be steps in it.

    >>> _quoted("a/b\n"), _quoted("..")
    ('a%2Fb%0A', '%2E%2E')
    """
    return quote(text, safe="") if text.strip(".") else text.replace(".", "%2E")
