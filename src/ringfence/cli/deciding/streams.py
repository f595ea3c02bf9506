"""Streams as sources of `ringfence run`: several at once, up to their ends or for ever."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ringfence.cli.terminal import screen
from ringfence.compose.streams import is_stream, stream_of
from ringfence.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.compose.deciding.session import Session
    from ringfence.ports.sources import StreamBatch, StreamSource

_WAIT_SECONDS = 0.1


def are_streams(sources: list[str]) -> bool:
    """Whether all sources are streams; `InputError` where only some of them are."""
    streams = [source for source in sources if is_stream(source)]
    if streams and len(streams) < len(sources):
        raise InputError("files and streams do not go into one run: read the files first, then the streams")
    return bool(streams)


@contextmanager
def reading(
    session: Session, addresses: list[str], mapping: str | None, rows: int, *, follow: bool
) -> Iterator[Iterator[StreamBatch]]:
    """The batches of some streams, each from where the journal says; closed when the block is left."""
    sources: list[StreamSource] = []
    try:
        for address in addresses:
            sources.append(stream_of(session, address, mapping, screen.say))
            sources[-1].open()
        yield _in_turns(sources, rows, follow=follow)
    finally:
        for source in sources:
            source.close()


@contextmanager
def opened(session: Session, addresses: list[str], mapping: str | None) -> Iterator[list[StreamSource]]:
    """Streams for a server; one whose brokers do not answer now is tried again while it serves."""
    sources: list[StreamSource] = []
    try:
        for address in addresses:
            if not is_stream(address):
                raise InputError(
                    "a source of a server is a stream, such as kafka://localhost:9092/payments, "
                    "kinesis://payments or s3://bucket/prefix"
                )
            source = stream_of(session, address, mapping, screen.say)
            sources.append(source)
            try:
                source.open()
            except StoreError as error:
                screen.say(f"Warning: {error}. It is tried again while the server runs")
        yield sources
    finally:
        for source in sources:
            source.close()


def _in_turns(sources: list[StreamSource], rows: int, *, follow: bool) -> Iterator[StreamBatch]:
    wait = _WAIT_SECONDS / len(sources)
    live = [
        source.batches(rows, until_end=not follow, wait_seconds=wait, is_over=lambda: False)
        for source in sources
    ]
    while live:
        for batches in live[:]:
            batch = next(batches, None)
            if batch is None:
                live.remove(batches)
            else:
                yield batch
