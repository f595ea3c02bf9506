"""An account of AWS within the machine, asked by boto3 with credentials that open nothing else."""

import uuid

import boto3
import pytest
from tests.adapters.aws import emulator
from tests.adapters.kinesis.emulator import REGION, running
from tests.adapters.kinesis.leasing import Clock, make_table
from tests.adapters.kinesis.test_kinesis_source import values

from ringfence.adapters.kinesis import source as module


@pytest.fixture
def aws(monkeypatch):
    with running() as (kinesis, url):
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            monkeypatch.setenv(name, value)
        yield kinesis


@pytest.fixture
def shared(aws, monkeypatch):
    """A stream of four shards with 40 payments, and the name of a table for its leases."""
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", emulator.address())
    name = f"leases-{uuid.uuid4().hex}"
    make_table(boto3.client("dynamodb", region_name=emulator.REGION), name)
    aws.make("payments", shards=4)
    for shard in range(4):
        aws.put("payments", shard, *values(10, 100 * shard))
    return name


@pytest.fixture
def clock():
    return Clock()
