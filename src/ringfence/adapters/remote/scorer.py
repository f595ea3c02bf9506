"""A scorer that asks a model service (`POST /invocations`) for rows of its inputs."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Final

import httpx
import msgspec
import numpy as np

from ringfence.adapters.remote.guards import CircuitBreaker, RetryBudget
from ringfence.adapters.remote.signing import REFUSALS, SageMakerSigner, refusal
from ringfence.errors import RingfenceError, ScorerError, StoreError
from ringfence.fetching import PLAIN, AnswerError, ask
from ringfence.ports.secrets import as_secret
from ringfence.scoring.artifacts.endpoint import Endpoint
from ringfence.scoring.artifacts.local import Described

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ringfence.ports.secrets import SecretValue
    from ringfence.scoring.artifacts.manifest import Manifest

CHUNK: Final = 512
"""Rows of one call: each has the deadline to itself."""

_MOST_BYTES: Final = 64 << 10
"""Of an answer: 512 probabilities take a sixth of it."""

_TRIED_AGAIN: Final = frozenset({429, 500, 502, 503, 504})


class _Answer(msgspec.Struct):
    model: str
    probabilities: list[float]


class _AgainError(Exception):
    """Worth another try."""


class RemoteModel(Described):
    """See `scoring.artifacts.models.Scorer`. It cannot tell contributions."""

    def __init__(
        self,
        manifest: Manifest,
        digest: str,
        *,
        key: str | SecretValue | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`key` is sent as a bearer token; one that is refused is looked up again at once.

        `ScorerError` where the manifest names no endpoint.
        """
        super().__init__(manifest, digest)
        try:
            self.endpoint = msgspec.convert(manifest.parameters, Endpoint)
        except msgspec.ValidationError as error:
            raise ScorerError(f"model {digest} names no endpoint: {error}") from error
        region, variant = self.endpoint.region, self.endpoint.variant
        if variant and not region:
            raise ScorerError(f"model {digest} names a variant, which only an endpoint of SageMaker has")
        self._signer = SageMakerSigner(region, self.endpoint.url, variant) if region else None
        headers = PLAIN | {"content-type": "application/json"}
        self._key = as_secret(key) if key and self._signer is None else None
        limits = httpx.Limits(max_connections=4, max_keepalive_connections=4)
        self._http = httpx.AsyncClient(headers=headers, limits=limits, timeout=None)  # noqa: S113 (see _post)
        # A loop of its own: what is late is cancelled, whatever it waits for, and its connection closed.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ringfence-remote", daemon=True)
        self._thread.start()
        self._clock = clock
        self._budget = RetryBudget()
        self._breaker = CircuitBreaker(self.endpoint.most_failures, self.endpoint.rest_ms / 1000)

    @property
    def waits(self) -> bool:
        """For the service, each time."""
        return True

    def close(self) -> None:
        """Hang up. Closing twice is allowed."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._http.aclose(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def score(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Scorer.score`: within the deadline for each `CHUNK` rows, or `ScorerError`."""
        parts = [self._chunk(inputs[start : start + CHUNK]) for start in range(0, len(inputs), CHUNK)]
        return np.concatenate([np.empty(0), *parts])

    def contributions(self, inputs: NDArray[np.float64]) -> None:
        """It cannot tell."""

    def _chunk(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        now = self._clock()
        if self._breaker.is_open:
            if self._breaker.allows(now):
                asyncio.run_coroutine_threadsafe(self._test(self._body(inputs), len(inputs)), self._loop)
            raise ScorerError(f"{self.endpoint.url} has failed too often: it is asked again in a while")
        self._budget.earn()
        until, tries = now + self.endpoint.deadline_ms / 1000, self.endpoint.tries
        body = self._body(inputs)
        try:
            found = self._ask(body, len(inputs), until, tries)
        except ScorerError:
            self._breaker.failed(self._clock())
            raise
        self._breaker.succeeded()
        return found

    def _body(self, inputs: NDArray[np.float64]) -> bytes:
        return msgspec.json.encode({"inputs": self.inputs, "rows": inputs.tolist()})  # NaN becomes null

    async def _test(self, body: bytes, count: int) -> None:
        """Ask once more, while no payment waits for it, whether it answers again."""
        try:
            self._checked(*await self._post(body, self.endpoint.deadline_ms / 1000), count)
        except (AnswerError, RingfenceError, TimeoutError, httpx.HTTPError, _AgainError):
            self._breaker.failed(self._clock())
        else:
            self._breaker.succeeded()

    def _ask(self, body: bytes, count: int, until: float, tries: int) -> NDArray[np.float64]:
        while True:
            tries -= 1
            left = until - self._clock()
            if left <= 0:
                raise ScorerError(f"{self.endpoint.url} did not answer within {self.endpoint.deadline_ms} ms")
            answer = asyncio.run_coroutine_threadsafe(self._post(body, left), self._loop)
            try:
                return self._checked(*answer.result(), count)
            except (AnswerError, StoreError) as error:
                raise ScorerError(f"{self.endpoint.url} gives no score: {error}") from error
            except (TimeoutError, httpx.HTTPError, _AgainError) as error:
                if tries <= 0 or not self._budget.take():
                    what = type(error).__name__ if isinstance(error, httpx.HTTPError) else str(error)
                    raise ScorerError(f"{self.endpoint.url} gives no score: {what or 'too late'}") from error

    async def _post(self, body: bytes, seconds: float) -> tuple[int, bytes]:
        """Status and body; `TimeoutError` once the whole of it takes too long."""
        async with asyncio.timeout(seconds):
            if self._signer is not None:
                signed = await asyncio.to_thread(self._signer.headers, self.endpoint.url, body)
                return await self._asked(body, signed)
            if self._key is None:
                return await self._asked(body, {})
            key = await asyncio.to_thread(self._key.value)  # which may ask for it
            status, answer = await self._asked(body, _bearer(key))
            if status != httpx.codes.UNAUTHORIZED:
                return status, answer
            renewed = await asyncio.to_thread(self._key.renewed, key)
            return (status, answer) if renewed is None else await self._asked(body, _bearer(renewed))

    async def _asked(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        request = self._http.build_request("POST", self.endpoint.url, content=body, headers=headers)
        return await ask(self._http, request, _MOST_BYTES, REFUSALS if self._signer is not None else ())

    def _checked(self, status: int, answer: bytes, count: int) -> NDArray[np.float64]:
        if status in _TRIED_AGAIN:
            raise _AgainError(f"status {status}")
        if status != httpx.codes.OK:
            why = f": {refusal(status, answer)}" if self._signer is not None else ""
            raise ScorerError(f"{self.endpoint.url} answers with status {status}{why}")
        try:
            said = msgspec.json.decode(answer, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ScorerError(f"{self.endpoint.url} does not answer as a model service does") from error
        if self.endpoint.serves and said.model != self.endpoint.serves:
            raise ScorerError(
                f"{self.endpoint.url} serves model {said.model[:40]!r}, not {self.endpoint.serves}: deploy "
                "that one there, or describe this one with `ringfence models remote`"
            )
        found = np.array(said.probabilities, np.float64)
        if len(found) != count or not ((found >= 0) & (found <= 1)).all():
            raise ScorerError(f"{self.endpoint.url} gives numbers that are no probabilities")
        return found


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}
