"""A bare Starlette route that only decodes a payment and echoes it: what HTTP alone costs here."""

from __future__ import annotations

import sys

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

_DECODER = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()


async def echo(request):
    return Response(_ENCODER.encode(_DECODER.decode(await request.body())), media_type="application/json")


async def ready(_request):
    return Response(b"{}")


app = Starlette(routes=[Route("/v1/decisions", echo, methods=["POST"]), Route("/readyz", ready)])

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning")
