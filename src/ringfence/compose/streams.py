"""Puts the streams that a run or a server reads together. Their libraries are extras."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.stream_records import StreamDecoding
from ringfence.compose.aws import needs_aws
from ringfence.compose.deciding.followed_references import FollowedReferences
from ringfence.compose.deciding.followed_versions import FollowedVersions
from ringfence.compose.kafka import kafka_client, kafka_options, needs_kafka
from ringfence.errors import InputError
from ringfence.events.ids.hashing import hash_text
from ringfence.events.mapping import load_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.adapters.bucket import BucketSource
    from ringfence.adapters.kafka import KafkaSource
    from ringfence.adapters.kafka.control import SteeredSource
    from ringfence.adapters.kafka.decided import DecidedSource
    from ringfence.adapters.kinesis import KinesisSource
    from ringfence.adapters.kinesis.leases import ShardLeases
    from ringfence.compose.deciding.session import Session
    from ringfence.ports.sources import StreamSource

_KAFKA: Final = "kafka://"
_KINESIS: Final = "kinesis://"
_TABLES: Final = "dynamodb://"
_BUCKETS: Final = "s3://"
_LEASE_SECONDS: Final = "20"
_LONGEST_LEASE_SECONDS: Final = 3600


def is_stream(source: str) -> bool:
    """Whether a source goes on for ever, as opposed to a file."""
    return source.lower().startswith((_KAFKA, _KINESIS, _TABLES, _BUCKETS))


def is_topic(source: str) -> bool:
    """Whether a source is topics of Kafka."""
    return source.lower().startswith(_KAFKA)


def is_bucket(source: str) -> bool:
    """Whether a source is the files under a prefix of a bucket."""
    return source.lower().startswith(_BUCKETS)


def is_kinesis(source: str) -> bool:
    """Whether a source is one of Kinesis, or of a DynamoDB table's own stream."""
    return source.lower().startswith((_KINESIS, _TABLES))


def stream_of(
    session: Session, address: str, mapping: str | None, say: Callable[[str], None]
) -> StreamSource:
    """The source that an address names, to be opened; its own mapping goes before `mapping`."""
    make = _kinesis if is_kinesis(address) else _bucket if is_bucket(address) else _kafka
    return make(session, address, mapping, say)


def _kafka(
    session: Session, text: str, mapping: str | None, say: Callable[[str], None]
) -> KafkaSource | DecidedSource | SteeredSource:
    needs_kafka()
    from ringfence.adapters.kafka.control import ControlReading, SteeredSource  # noqa: PLC0415 (an extra)
    from ringfence.adapters.kafka.decided import DecidedSource, DecisionReading  # noqa: PLC0415 (an extra)
    from ringfence.adapters.kafka.records import NAMES  # noqa: PLC0415 (an extra)
    from ringfence.adapters.kafka.registry import URL, SchemaRegistry  # noqa: PLC0415 (likewise)
    from ringfence.adapters.kafka.source import KafkaSource  # noqa: PLC0415 (likewise)

    client = kafka_client(text, kafka_options().source)
    read = partial(
        KafkaSource,
        positions=session.store.positions,
        now_ms=session.clock.now_ms,
        group=f"ringfence-{session.store.log.identity}",
        say=say,
    )
    decoding = _decoding(session, client.address.options, mapping, NAMES)
    payments = read(
        client,
        decoding,
        registry=SchemaRegistry(client.registry) if URL in client.registry else None,
    )
    topic, control = (client.address.options.get(name) for name in ("decisions", "control"))
    source: KafkaSource | DecidedSource = payments
    if topic is not None:
        reading, seed = DecisionReading(decoding.refused), session.store.meta.hash_seed
        source = DecidedSource(
            payments,
            read(kafka_client(text, kafka_options().source, topic), reading),
            reading,
            lambda name: bool(session.runner.intake.seen.offsets_of(hash_text(name, seed))),
            say,
        )
    if control is None:
        return source
    if control in {*client.address.topics, topic}:
        raise InputError(
            "control=TOPIC of the address is a Flink job's control topic, which holds neither payments nor "
            "decisions: name that one"
        )
    steering = kafka_client(text, kafka_options().source, control)
    kept = {name: value for name, value in steering.address.options.items() if name == "on_gap"}
    steering.address = replace(steering.address, options=kept)  # rules of before count, whatever from says
    changes = ControlReading(decoding, FollowedVersions(session, say), FollowedReferences(session))
    return SteeredSource(source, read(steering, changes), changes)


def _kinesis(session: Session, text: str, mapping: str | None, say: Callable[[str], None]) -> KinesisSource:
    needs_aws("Kinesis")
    from ringfence.adapters.aws import aws_client  # noqa: PLC0415 (an extra)
    from ringfence.adapters.kinesis.address import KinesisAddress  # noqa: PLC0415 (likewise)
    from ringfence.adapters.kinesis.fan_out import FanOut  # noqa: PLC0415 (likewise)
    from ringfence.adapters.kinesis.records import NAMES  # noqa: PLC0415 (likewise)
    from ringfence.adapters.kinesis.source import OPTIONS, KinesisSource  # noqa: PLC0415 (likewise)
    from ringfence.adapters.kinesis.tables import OPTIONS as TABLE_OPTIONS  # noqa: PLC0415 (likewise)
    from ringfence.adapters.kinesis.tables import TableStreams  # noqa: PLC0415 (likewise)

    of_tables = text.lower().startswith(_TABLES)
    address = KinesisAddress.of(text, TABLE_OPTIONS if of_tables else OPTIONS)
    options = {**address.options, "format": "dynamodb"} if of_tables else address.options
    if "lease_seconds" in options and "leases" not in options:
        raise InputError("lease_seconds is for leases: add leases=TABLE to the address, or leave it out")
    client: Any = aws_client("dynamodbstreams" if of_tables else "kinesis", tries=1)
    more: dict[str, Any] = {}
    if of_tables:
        client = TableStreams(client)
    elif "consumer" in options:
        client = FanOut(client, options["consumer"])
        more["leave"] = client.leave
    return KinesisSource(
        address,
        client,
        _decoding(session, options, mapping, NAMES),
        session.store.positions,
        session.clock.now_ms,
        leases=_leases(session, options) if "leases" in options else None,
        say=say,
        **more,
    )


def _bucket(session: Session, text: str, mapping: str | None, _say: Callable[[str], None]) -> BucketSource:
    needs_aws("S3")
    from ringfence.adapters.aws import aws_client  # noqa: PLC0415 (an extra)
    from ringfence.adapters.bucket import BucketSource  # noqa: PLC0415 (likewise)
    from ringfence.adapters.bucket.address import BucketAddress  # noqa: PLC0415 (likewise)
    from ringfence.adapters.bucket.source import NAMES  # noqa: PLC0415 (likewise)

    address = BucketAddress.of(text)
    decoding = _decoding(session, address.options, mapping, NAMES)
    return BucketSource(address, aws_client("s3"), decoding, session.store.positions, session.clock.now_ms)


def _leases(session: Session, options: Mapping[str, str]) -> ShardLeases:
    """What shares a stream among several nodes, by the table that an address names."""
    from ringfence.adapters.aws import aws_client  # noqa: PLC0415 (an extra)
    from ringfence.adapters.kinesis.lease_table import LeaseTable  # noqa: PLC0415 (likewise)
    from ringfence.adapters.kinesis.leases import ShardLeases  # noqa: PLC0415 (likewise)

    text = options.get("lease_seconds", _LEASE_SECONDS)
    if not text.isdecimal() or not 1 <= int(text) <= _LONGEST_LEASE_SECONDS:
        raise InputError(f"lease_seconds must be a whole number from 1 to {_LONGEST_LEASE_SECONDS}")
    return ShardLeases(
        LeaseTable(aws_client("dynamodb"), options["leases"]),
        node=session.store.log.identity,
        holder=secrets.token_hex(8),
        seconds=int(text),
        monotonic=time.monotonic,
    )


def kinesis_streams(text: str) -> list[tuple[str, int, int]]:
    """Name, open shards and hours of retention of each stream of an address; errors as of `Stream.open`."""
    needs_aws("Kinesis")
    from ringfence.adapters.aws import aws_client  # noqa: PLC0415 (an extra)
    from ringfence.adapters.kinesis.address import KinesisAddress  # noqa: PLC0415 (likewise)
    from ringfence.adapters.kinesis.descriptions import described  # noqa: PLC0415 (likewise)
    from ringfence.adapters.kinesis.fan_out import FanOut  # noqa: PLC0415 (likewise)
    from ringfence.adapters.kinesis.lease_table import LeaseTable  # noqa: PLC0415 (likewise)
    from ringfence.adapters.kinesis.sink import OPTIONS as SINK_OPTIONS  # noqa: PLC0415 (likewise)
    from ringfence.adapters.kinesis.source import OPTIONS  # noqa: PLC0415 (likewise)
    from ringfence.adapters.kinesis.tables import TableStreams  # noqa: PLC0415 (likewise)

    of_tables = text.lower().startswith(_TABLES)
    address = KinesisAddress.of(text, OPTIONS | SINK_OPTIONS)
    streams = [*address.streams, *filter(None, [address.options.get("flag_matches")])]
    client: Any = TableStreams(aws_client("dynamodbstreams")) if of_tables else aws_client("kinesis")
    if "consumer" in address.options:
        client = FanOut(client, address.options["consumer"])
    found = [(name, described(client, name, 0)[0]) for name in streams]
    if "leases" in address.options:
        LeaseTable(aws_client("dynamodb"), address.options["leases"]).of(found[0][1]["StreamARN"])
    return [(name, told["OpenShardCount"], told["RetentionPeriodHours"]) for name, told in found]


def files_of(text: str) -> int:
    """How many files there are under an address's prefix; errors as of `BucketSource.open`."""
    needs_aws("S3")
    from ringfence.adapters.aws import aws_client  # noqa: PLC0415 (an extra)
    from ringfence.adapters.bucket.address import BucketAddress  # noqa: PLC0415 (likewise)
    from ringfence.adapters.bucket.listing import files_in  # noqa: PLC0415 (likewise)

    return len(files_in(aws_client("s3"), BucketAddress.of(text)))


def _decoding(
    session: Session, options: Mapping[str, str], mapping: str | None, names: Mapping[str, str]
) -> StreamDecoding:
    """How records are read; `names` are what can be kept of one beside its value."""
    used = load_mapping(options.get("mapping") or mapping or "canonical")
    session.register_mapping(used)
    keep = frozenset(filter(None, options.get("keep", "").split(",")))
    if keep - set(names):
        raise InputError(f"option keep of the address names some of {', '.join(sorted(names))}")
    form = options.get("format")
    return StreamDecoding(
        used,
        session.tokenizer,
        names,
        keep=keep,
        enveloped=form == "cloudevents",
        changes=form == "dynamodb",
    )
