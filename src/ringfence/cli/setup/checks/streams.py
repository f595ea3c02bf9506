"""The topics and streams that a server reads, and those that follow the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ringfence.cli.setup.checks.check import Check, State
from ringfence.cli.setup.checks.clocks import MOST_SKEW_SECONDS
from ringfence.compose.kafka import kafka_client, kafka_options, look_at, schema_problems, topics_of
from ringfence.compose.streams import files_of, is_bucket, is_kinesis, is_topic, kinesis_streams
from ringfence.errors import InputError, RingfenceError
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def streams() -> Iterator[Check]:
    """Brokers and AWS answer, let this user in, and have what the settings name."""
    settings = load_settings()
    topics = [source for source in settings.sources if is_topic(source)]
    for source in settings.sources:
        if is_kinesis(source):
            yield _kinesis(source, "source")
        elif is_bucket(source):
            yield _bucket(source)
    if settings.kinesis_sink is not None:
        yield _kinesis(settings.kinesis_sink, "sink")
    if topics or settings.kafka_sink is not None or settings.kafka_control is not None:
        yield from _kafka(topics, settings.kafka_sink, settings.kafka_control)


def _kinesis(address: str, part: str) -> Check:
    try:
        seen = kinesis_streams(address)
    except RingfenceError as error:
        return Check(part, State.BAD, str(error))
    told = ", ".join(f"{name} with {shards} open shards, kept {hours} hours" for name, shards, hours in seen)
    return Check(part, State.FINE, f"Kinesis has {told}")


def _bucket(address: str) -> Check:
    try:
        count = files_of(address)
    except RingfenceError as error:
        return Check("source", State.BAD, str(error))
    return Check("source", State.FINE, f"{address.partition('?')[0]} has {count:,} files")


def _kafka(sources: list[str], to: str | None, control: str | None) -> Iterator[Check]:
    try:
        options = kafka_options()
    except InputError:
        yield Check("kafka", State.BAD, "its client library is missing", "pip install 'ringfence[kafka]'")
        return
    asked = [(address, options.source, "source") for address in sources]
    if to is not None:
        asked.append((to, options.sink, "sink"))
    if control is not None:
        asked.append((control, options.control, "control"))
    for address, known, part in asked:
        try:
            client = kafka_client(address, known)
            topics = topics_of(client)
            seen = look_at(client, topics)
            problems = schema_problems(client, client.address.topics) if part == "source" else []
        except RingfenceError as error:
            yield Check(part, State.BAD, str(error))
            continue
        missing = [one.topic for one in seen if not one.partitions]
        if missing:
            said = f"{client.address.shown}: no topic {', '.join(missing)}, or not for this user"
            yield Check(part, State.BAD, said, "Create it, check its name, or let this user use it.")
        elif part == "control" and seen[0].partitions != 1:
            said = f"{topics[0]} has {seen[0].partitions} partitions, over which changes have no order"
            yield Check(part, State.BAD, said, "Name a control topic of one partition by kafka_control.")
        else:
            told = ", ".join(f"{one.topic} with {one.partitions} partitions" for one in seen)
            yield Check(part, State.FINE, f"{client.address.brokers} has {told}")
        for problem in problems:
            yield Check("schema", State.BAD, problem, "Register one that can be read, or name a mapping.")
        yield from _ahead((one.topic, one.latest_ms) for one in seen)


def _ahead(latest: Iterable[tuple[str, int | None]]) -> Iterator[Check]:
    """A note on topics with messages of the time to come: brokers tell no time themselves."""
    for topic, latest_ms in latest:
        ahead = 0.0 if latest_ms is None else latest_ms / 1000 - time.time()
        if ahead > MOST_SKEW_SECONDS:
            said = f"a message of {topic} is dated {ahead:,.0f} s ahead of this clock"
            yield Check("clock", State.NOTE, said, "Set the clock of its producer, or this one: timedatectl.")
