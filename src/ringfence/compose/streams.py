"""Puts the streams that a run or a server reads together. Their libraries are extras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.compose.kafka import kafka_client
from ringfence.errors import InputError
from ringfence.events.mapping import load_mapping

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.compose.session import Session
    from ringfence.events.vocabulary import Mapping
    from ringfence.ports.sources import StreamSource

_SCHEME: Final = "kafka://"
_KEPT: Final = frozenset({"key", "headers", "timestamp"})


def is_stream(source: str) -> bool:
    """Whether a source goes on for ever, as opposed to a file."""
    return source.lower().startswith(_SCHEME)


def stream_of(
    session: Session, address: str, mapping: str | None, say: Callable[[str], None]
) -> StreamSource:
    """The source that an address names, to be opened; its own mapping goes before `mapping`."""
    from ringfence.adapters.kafka.decoding import Decoding  # noqa: PLC0415 (an extra)
    from ringfence.adapters.kafka.source import OPTIONS, KafkaSource  # noqa: PLC0415 (likewise)

    client = kafka_client(address, OPTIONS)
    options = client.address.options
    used: Mapping = load_mapping(options.get("mapping") or mapping or "canonical")
    session.register_mapping(used)
    keep = frozenset(filter(None, options.get("keep", "").split(",")))
    if keep - _KEPT:
        raise InputError(f"option keep of the address names some of {', '.join(sorted(_KEPT))}")
    decoding = Decoding(used, session.tokenizer, keep=keep, enveloped=options.get("format") == "cloudevents")
    return KafkaSource(
        client,
        decoding,
        session.store.positions,
        session.clock.now_ms,
        group=f"ringfence-{session.store.log.identity}",
        say=say,
    )
