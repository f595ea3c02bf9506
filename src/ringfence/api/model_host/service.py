"""A model behind HTTP, in the shape that SageMaker asks of a container: `GET /ping`, `POST /invocations`."""

from __future__ import annotations

import hmac
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from ringfence.api.http.bodies import ClientGoneError, header, read_body
from ringfence.api.http.connections import ConnectionLimits, Connections
from ringfence.api.http.listener import Listener
from ringfence.api.http.problems import TYPE, Refusal
from ringfence.api.http.sockets import bound, make_room
from ringfence.api.http.wire import Wire
from ringfence.api.model_host.contract import (
    Payment,
    Prediction,
    Predictions,
    Probabilities,
    Reader,
    Rows,
    SchemaError,
    matrix_of,
    parse,
)
from ringfence.errors import InputError, ScorerError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from starlette.requests import Request

    from ringfence.api.model_host.contract import Payments
    from ringfence.scoring.artifacts.models import Scorer

VERSION_HEADER: Final = "x-model-version"
MOST_BYTES: Final = 6 << 20
"""Of a body, also once decompressed: what SageMaker lets through."""

_FORMS: Final = "/invocations takes one payment, {instances: [...]}, or {inputs: [...], rows: [[...]]}"


class ModelService:
    """One model, answered for on one event loop."""

    def __init__(self, scorer: Scorer, threshold: float = 0.5, key: str | None = None) -> None:
        """A payment is flagged from `threshold` on. With a `key` only those who send it may ask."""
        if not 0 <= threshold <= 1:
            raise InputError(f"THRESHOLD is a probability between 0 and 1, not {threshold}")
        self.scorer = scorer
        self._threshold = threshold
        self._key = key.encode() if key else None
        self._headers = {VERSION_HEADER: scorer.digest}
        self._reader: Reader | None = None
        self.takes_payments = True
        try:
            self._reader = Reader(scorer.inputs, scorer.zone)
        except InputError as error:
            self.takes_payments, self._why = False, str(error)

    def application(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/ping", self._ping, methods=["GET"]),
                Route("/invocations", self._invoke, methods=["POST"]),
            ]
        )

    async def _ping(self, _request: Request) -> Response:
        return self._answer({"status": "healthy", "model": self.scorer.digest})

    async def _invoke(self, request: Request) -> Response:
        try:
            self._admit(request)
            body = await read_body(request.scope["headers"], request.receive, MOST_BYTES)
            return self._answer(self._predicted(parse(body)))
        except Refusal as refusal:
            return self._refused(refusal)
        except SchemaError as error:
            return self._refused(Refusal(422, "invalid_request", f"{error}. {_FORMS}"))
        except ScorerError as error:
            return self._refused(Refusal(400, "no_score", str(error)))
        except ClientGoneError:
            return Response(status_code=400)

    def _predicted(self, asked: Payment | Payments | Rows) -> Any:
        if isinstance(asked, Rows):
            found = self._scored(matrix_of(asked, self.scorer.inputs))
            return Probabilities(self.scorer.digest, found.tolist())
        if isinstance(asked, Payment):
            return self._of_payments([asked])[0]
        return Predictions(self._of_payments(asked.instances))

    def _of_payments(self, payments: Sequence[Payment]) -> list[Prediction]:
        if self._reader is None:
            raise SchemaError(f"{self._why}: send this model rows of its own inputs")
        found = self._scored(self._reader(payments)).tolist()
        return [Prediction(one >= self._threshold, one) for one in found]

    def _scored(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        found = self.scorer.score(inputs)
        if not ((found >= 0) & (found <= 1)).all():
            raise ScorerError("the model gives no probability for this request")
        return found

    def _admit(self, request: Request) -> None:
        if self._key is not None:
            given = header(request.scope["headers"], b"authorization").partition(b" ")[2].strip()
            if not hmac.compare_digest(given, self._key):
                raise Refusal(401, "unauthenticated", "send the service's key: Authorization: Bearer ...")
        if line := request.scope.get("ringfence.line"):
            line.know()

    def _answer(self, value: Any) -> Response:
        return Response(msgspec.json.encode(value), headers=self._headers, media_type="application/json")

    def _refused(self, refusal: Refusal) -> Response:
        return Response(refusal.body, refusal.status, self._headers, TYPE.decode())


def serve_model(
    service: ModelService, host: str, port: int, started: Callable[[str], None] = lambda _url: None
) -> None:
    """Answer until told to stop. `InputError` where the port is taken."""
    fits = make_room(ConnectionLimits().most)
    connections = Connections(ConnectionLimits(fits.connections))
    config = uvicorn.Config(
        service.application(),
        http=cast("type[asyncio.Protocol]", partial(Wire, connections)),
        ws="none",
        proxy_headers=False,
        backlog=fits.backlog,
        access_log=False,
        log_level="warning",
        server_header=False,
        lifespan="off",
    )
    with bound(host, port) as sockets:
        Listener(config, connections, started).run_on(sockets)
