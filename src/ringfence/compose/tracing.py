"""Whether traces and figures are asked for, and where they go."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from ringfence.errors import InputError
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.ports.tracing import Metering, Tracing

_LOGGER: Final = logging.getLogger(__name__)
_PROTOCOL: Final = "http/protobuf"
_EVERY: Final = "OTEL_METRIC_EXPORT_INTERVAL"
_LEAST_MS, _MOST_MS = 1000, 86_400_000


class _Asked(NamedTuple):
    """Who asks for a signal (a setting or a variable), and the address that `otlp_endpoint` leads to."""

    by: str
    endpoint: str | None


@contextmanager
def tracing_of(service: str) -> Iterator[Tracing | None]:
    """Where the traces of this process go while the block lasts; None where nobody asks for any.

    `InputError` of an address, a protocol or a ratio that is none, and where `otlp_endpoint` is set and the
    library is missing.
    """
    asked = _asked("traces")
    if asked is None:
        yield None
        return
    ratio = _ratio(os.environ.get("OTEL_TRACES_SAMPLER_ARG", "1"))
    try:
        from ringfence.adapters.otel import OtelTracing  # noqa: PLC0415 (an extra, and not free to load)
    except ModuleNotFoundError as error:
        _missing("traces", asked, error)
        yield None
        return
    tracing = OtelTracing(service, version("ringfence"), ratio, asked.endpoint)
    try:
        yield tracing
    finally:
        tracing.close()


def metering_of(service: str) -> Metering | None:
    """Where the figures of this process go; None where nobody asks for that. Errors as of `tracing_of`."""
    asked = _asked("metrics")
    if asked is None:
        return None
    every_ms = _every_ms(os.environ.get(_EVERY, "60000"))
    try:
        from ringfence.adapters.otel import resource_of  # noqa: PLC0415 (an extra, and not free to load)
        from ringfence.adapters.otel_metrics import OtelMetrics  # noqa: PLC0415 (likewise)
    except ModuleNotFoundError as error:
        _missing("metrics", asked, error)
        return None
    told = version("ringfence")
    return OtelMetrics(resource_of(service, told), told, asked.endpoint, every_ms / 1000)


def _asked(signal: str) -> _Asked | None:
    """Who asks for a signal, None where it is off."""
    name = signal.upper()
    endpoint, said = load_settings().otlp_endpoint, os.environ.get(f"OTEL_{name}_EXPORTER", "")
    places = (f"OTEL_EXPORTER_OTLP_{name}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    asking = [one for one in places if os.environ.get(one)]
    is_off = said == "none" or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if is_off or not (endpoint or asking or said):
        return None
    if said not in ("", "otlp"):
        raise InputError(f"OTEL_{name}_EXPORTER is {said!r}: {signal} go by otlp, or none are made")
    for place, address in [("otlp_endpoint", endpoint), *((one, os.environ[one]) for one in asking)]:
        if address and (urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).hostname):
            raise InputError(f"{place} is no address of a collector: give http://HOST:4318")
    for one in (f"OTEL_EXPORTER_OTLP_{name}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if os.environ.get(one, _PROTOCOL) != _PROTOCOL:
            raise InputError(f"{one} is {os.environ[one]!r}: only {_PROTOCOL} is spoken here")
    full = None if endpoint is None else f"{endpoint.rstrip('/')}/v1/{signal}"
    by = "otlp_endpoint" if endpoint else [*asking, f"OTEL_{name}_EXPORTER"][0]
    return _Asked(by, full)


def _missing(signal: str, asked: _Asked, error: ModuleNotFoundError) -> None:
    """Refuse where a setting of ours asks for it, else warn."""
    needed = f"{signal} need one more library: pip install 'ringfence[otel]'"
    if asked.endpoint is not None:
        raise InputError(needed) from error
    _LOGGER.warning("%s asks for %s, and none are made: %s", asked.by, signal, needed)


def _ratio(text: str) -> float:
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise InputError(f"OTEL_TRACES_SAMPLER_ARG is {text!r}: give the share of traces to keep, 0 to 1")
    return ratio


def _every_ms(text: str) -> int:
    if not text.isdecimal() or len(text) > 9 or not _LEAST_MS <= int(text) <= _MOST_MS:
        raise InputError(f"{_EVERY} is {text[:40]!r}: give milliseconds, {_LEAST_MS} to {_MOST_MS}")
    return int(text)
