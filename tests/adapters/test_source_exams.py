"""Kafka, Kinesis and a bucket sit the exam of sources of events."""

import uuid
from contextlib import ExitStack

import boto3
import pytest
from tests.adapters.aws import emulator
from tests.adapters.kinesis.conftest import aws  # noqa: F401 (a fixture)
from tests.kafka import broker

from ringfence.adapters.aws import aws_client
from ringfence.adapters.bucket import BucketSource
from ringfence.adapters.bucket import source as bucket
from ringfence.adapters.bucket.address import BucketAddress
from ringfence.adapters.kafka import records as kafka_records
from ringfence.adapters.kafka import source as kafka
from ringfence.adapters.kafka.address import KafkaAddress
from ringfence.adapters.kafka.client import KafkaClient
from ringfence.adapters.kinesis import records as kinesis_records
from ringfence.adapters.kinesis import source as kinesis
from ringfence.adapters.kinesis.address import KinesisAddress
from ringfence.adapters.stream_records import StreamDecoding
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.testing.exams.source import NOW_MS, StreamSourceExam


def decoding(names):
    return StreamDecoding(load_mapping("canonical"), Tokenizer(b"k" * 32), names)


def now_ms():
    return NOW_MS


class KafkaPlace:
    def __init__(self):
        self.broker = broker()
        self.topic = self.broker.topic()

    def send(self, values):
        self.broker.send(self.topic, values)

    def source(self, positions):
        address = KafkaAddress.of(f"kafka://{self.broker.address}/{self.topic}", kafka.OPTIONS)
        client = KafkaClient(address, {})
        return kafka.KafkaSource(client, decoding(kafka_records.NAMES), positions, now_ms, group="tests")


class KinesisPlace:
    def __init__(self, account, stack):
        self.account, self.stack = account, stack
        account.make("payments")

    def send(self, values):
        self.account.put("payments", 0, *values)

    def source(self, positions):
        client = aws_client("kinesis")
        self.stack.callback(client.close)
        address = KinesisAddress.of("kinesis://payments", kinesis.OPTIONS)
        return kinesis.KinesisSource(
            address, client, decoding(kinesis_records.NAMES), positions, now_ms, say=list
        )


class BucketPlace:
    """Each sending is a file of its own."""

    def __init__(self):
        self.client, self.name, self.sent = boto3.client("s3"), f"lake-{uuid.uuid4().hex}", 0
        where = {"LocationConstraint": emulator.REGION}
        self.client.create_bucket(Bucket=self.name, CreateBucketConfiguration=where)

    def send(self, values):
        self.sent += 1
        self.client.put_object(Bucket=self.name, Key=f"payments/{self.sent}", Body=b"\n".join(values))

    def source(self, positions):
        address = BucketAddress.of(f"s3://{self.name}/payments/")
        return BucketSource(address, aws_client("s3"), decoding(bucket.NAMES), positions, now_ms)


class TestKafkaSource(StreamSourceExam):
    @pytest.fixture
    def place(self):
        return KafkaPlace()


class TestKinesisSource(StreamSourceExam):
    @pytest.fixture
    def place(self, aws, monkeypatch):  # noqa: F811 (the fixture)
        monkeypatch.setattr(kinesis, "_PAUSE_SECONDS", 0.0)
        with ExitStack() as stack:
            yield KinesisPlace(aws, stack)


class TestBucketSource(StreamSourceExam):
    @pytest.fixture
    def place(self, monkeypatch):
        emulator.environment(monkeypatch)
        return BucketPlace()
