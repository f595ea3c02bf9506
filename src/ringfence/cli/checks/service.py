"""The service: its port, who may ask, and other systems that are configured."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Final

import httpx
from pydantic import ValidationError

from ringfence.api.settings import ServeSettings
from ringfence.cli.checks.check import Check, State

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE_SECONDS: Final = 3.0


def serving(port: int | None) -> Iterator[Check]:
    """Settings of `ringfence serve`, its port, and the keys that tokens are checked with."""
    try:
        found = ServeSettings() if port is None else ServeSettings(port=port)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        remedy = f"Correct RINGFENCE_SERVE_{name.upper()}, or unset it."
        yield Check("service", State.BAD, f"{name}: {first['msg']}", remedy)
        return
    yield from _port(found.host, found.port)
    if found.token_jwks is not None and found.token_jwks.startswith("http"):
        yield _reached("keys of tokens", found.token_jwks, "RINGFENCE_SERVE_TOKEN_JWKS")


def _port(host: str, port: int) -> Iterator[Check]:
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        said = f"{host}:{port} cannot be had ({error.strerror})"
    else:
        yield Check("port", State.FINE, f"{host}:{port} is free")
        return
    if not taken:
        yield Check("port", State.BAD, said, "Choose another: ringfence serve --host 127.0.0.1 --port 8000.")
    elif _is_ringfence(host, port):
        yield Check("port", State.FINE, f"a server of Ringfence answers at {host}:{port}")
    else:
        yield Check(
            "port",
            State.BAD,
            f"{host}:{port} is another program's",
            "Choose another: ringfence serve --port 8001.",
        )


def _is_ringfence(host: str, port: int) -> bool:
    try:
        answer = httpx.get(f"http://{host}:{port}/healthz", timeout=_PATIENCE_SECONDS)
        return answer.status_code == 200 and answer.json() == {"status": "alive"}
    except (httpx.HTTPError, ValueError):
        return False


def _reached(part: str, url: str, setting: str) -> Check:
    try:
        answer = httpx.get(url, timeout=_PATIENCE_SECONDS)
    except httpx.HTTPError as error:
        return Check(
            part,
            State.BAD,
            f"{setting} cannot be reached ({type(error).__name__})",
            "Check the address and the network.",
        )
    if answer.status_code >= 400:
        return Check(
            part, State.BAD, f"{setting} answers {answer.status_code}", "Check the address and the rights."
        )
    return Check(part, State.FINE, f"{setting} answers")
