"""Whether traces are asked for, and where they go."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ringfence.errors import InputError
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.ports.tracing import Tracing

_LOGGER: Final = logging.getLogger(__name__)
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL: Final = "http/protobuf"


@contextmanager
def tracing_of(service: str) -> Iterator[Tracing | None]:
    """Where the traces of this process go while the block lasts; None where nobody asks for any.

    `InputError` of an address, a protocol or a ratio that is none, and where `otlp_endpoint` is set and the
    library is missing.
    """
    endpoint, said = load_settings().otlp_endpoint, os.environ.get("OTEL_TRACES_EXPORTER", "")
    asking = [name for name in _ENDPOINTS if os.environ.get(name)]
    is_off = said == "none" or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if is_off or not (endpoint or asking or said):
        yield None
        return
    if said not in ("", "otlp"):
        raise InputError(f"OTEL_TRACES_EXPORTER is {said!r}: traces go by otlp, or none are made")
    for name, address in [("otlp_endpoint", endpoint), *((name, os.environ[name]) for name in asking)]:
        if address and (urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).hostname):
            raise InputError(f"{name} is no address of a collector: give http://HOST:4318")
    for name in _PROTOCOLS:
        if os.environ.get(name, _PROTOCOL) != _PROTOCOL:
            raise InputError(f"{name} is {os.environ[name]!r}: only {_PROTOCOL} is spoken here")
    ratio = _ratio(os.environ.get("OTEL_TRACES_SAMPLER_ARG", "1"))
    try:
        from ringfence.adapters.otel import OtelTracing  # noqa: PLC0415 (an extra, and not free to load)
    except ModuleNotFoundError as error:
        needed = "traces need one more library: pip install 'ringfence[otel]'"
        if endpoint:
            raise InputError(needed) from error
        asks = [*asking, "OTEL_TRACES_EXPORTER"][0]
        _LOGGER.warning("%s asks for traces, and none are made: %s", asks, needed)
        yield None
        return
    full = None if endpoint is None else f"{endpoint.rstrip('/')}/v1/traces"
    tracing = OtelTracing(service, version("ringfence"), ratio, full)
    try:
        yield tracing
    finally:
        tracing.close()


def _ratio(text: str) -> float:
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise InputError(f"OTEL_TRACES_SAMPLER_ARG is {text!r}: give the share of traces to keep, 0 to 1")
    return ratio
