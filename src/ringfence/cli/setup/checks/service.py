"""The service: its port, who may ask, and other systems that are configured."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
import msgspec
from pydantic import ValidationError
from pydantic_settings import SettingsError

from ringfence.api.settings import ServeSettings
from ringfence.cli.setup.checks.check import Check, State
from ringfence.cli.setup.checks.clocks import skew
from ringfence.settings import no_json

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE_SECONDS: Final = 3.0


class _KeySet(msgspec.Struct):
    keys: list[dict[str, object]]


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
    except SettingsError as error:
        yield Check("service", State.BAD, "settings of the server", no_json(ServeSettings, error))
        return
    yield from _port(found.host, found.port)
    if found.token_jwks is not None:
        yield from _key_set("keys of tokens", found.token_jwks, "RINGFENCE_SERVE_TOKEN_JWKS")


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


def _key_set(part: str, place: str, setting: str) -> Iterator[Check]:
    """The key set that tokens are checked with: there, and with keys in it."""
    try:
        if place.startswith("http"):
            answer = httpx.get(place, timeout=_PATIENCE_SECONDS)
            yield from skew(part, answer)
            if answer.status_code >= 400:
                said = f"{setting} answers {answer.status_code}"
                yield Check(part, State.BAD, said, "Check the address and the rights.")
                return
            text = answer.content
        else:
            text = Path(place).read_bytes()
        keys = msgspec.json.decode(text, type=_KeySet).keys
    except httpx.HTTPError as error:
        said = f"{setting} cannot be reached ({type(error).__name__})"
        yield Check(part, State.BAD, said, "Check the address and the network.")
    except OSError as error:
        said = f"{setting} cannot be read ({error.strerror})"
        yield Check(part, State.BAD, said, "Name a file that this user can read, or an https URL.")
    except msgspec.DecodeError:
        yield Check(part, State.BAD, f"{setting} gives no key set", "Name the issuer's jwks_uri.")
    else:
        state, remedy = (
            (State.FINE, "") if keys else (State.BAD, "No token can be valid: name another key set.")
        )
        yield Check(part, state, f"{setting} gives {len(keys)} keys", remedy)
