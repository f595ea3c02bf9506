"""The topics and streams that a server reads, and those that follow the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.cli.checks.check import Check, State
from ringfence.compose.kafka import kafka_client, kafka_options, look_at
from ringfence.compose.streams import is_kinesis, kinesis_streams
from ringfence.errors import RingfenceError
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator


def streams() -> Iterator[Check]:
    """Brokers and AWS answer, let this user in, and have what the settings name."""
    settings = load_settings()
    topics = [source for source in settings.sources if not is_kinesis(source)]
    for source in settings.sources:
        if is_kinesis(source):
            yield _kinesis(source, "source")
    if settings.kinesis_sink is not None:
        yield _kinesis(settings.kinesis_sink, "sink")
    if topics or settings.kafka_sink is not None:
        yield from _kafka(topics, settings.kafka_sink)


def _kinesis(address: str, part: str) -> Check:
    try:
        seen = kinesis_streams(address)
    except RingfenceError as error:
        return Check(part, State.BAD, str(error))
    told = ", ".join(f"{name} with {shards} open shards, kept {hours} hours" for name, shards, hours in seen)
    return Check(part, State.FINE, f"Kinesis has {told}")


def _kafka(sources: list[str], to: str | None) -> Iterator[Check]:
    try:
        options = kafka_options()
    except ImportError:
        yield Check("kafka", State.BAD, "its client library is missing", "pip install 'ringfence[kafka]'")
        return
    asked = [(address, options.source, "source") for address in sources]
    if to is not None:
        asked.append((to, options.sink, "sink"))
    for address, known, part in asked:
        try:
            client = kafka_client(address, known)
            matches = client.address.options.get("flag_matches")
            topics = [*client.address.topics, *([matches] if matches else [])]
            seen = look_at(client, topics)
        except RingfenceError as error:
            yield Check(part, State.BAD, str(error))
            continue
        missing = [one.topic for one in seen if not one.partitions]
        if missing:
            said = f"{client.address.shown}: no topic {', '.join(missing)}, or not for this user"
            yield Check(part, State.BAD, said, "Create it, check its name, or let this user use it.")
        else:
            told = ", ".join(f"{one.topic} with {one.partitions} partitions" for one in seen)
            yield Check(part, State.FINE, f"{client.address.brokers} has {told}")
