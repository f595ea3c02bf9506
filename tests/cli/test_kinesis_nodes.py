"""Two processes share a stream by leases: each record is decided once over both logs, through `kill -9`."""

import os
import signal
import subprocess
import sys
import uuid
from itertools import count
from pathlib import Path

import boto3
import pytest
from tests.adapters.aws import emulator
from tests.adapters.kafka.test_kafka_source import lines
from tests.adapters.kinesis.leasing import make_table
from tests.cli.test_going_on import decided
from tests.waiting import until

from ringfence.compose.deciding.definitions import load_definitions, warm_up
from ringfence.errors import RingfenceError


@pytest.fixture(scope="module")
def compiled():
    """The engine is compiled before nodes start: two that compile at once take minutes on a busy machine."""
    warm_up(load_definitions(None, None), observing=True)


@pytest.fixture
def stream(monkeypatch):
    """The name of a stream of four shards, which is the name of a table for leases, too."""
    emulator.environment(monkeypatch)
    name = f"shared-{uuid.uuid4().hex}"
    boto3.client("kinesis").create_stream(StreamName=name, ShardCount=4)
    make_table(boto3.client("dynamodb"), name)
    return name


def put(stream, count, first):
    """Put records; how many."""
    rows = lines(count, first)
    records = [{"Data": line, "PartitionKey": f"card-{first + n}"} for n, line in enumerate(rows)]
    boto3.client("kinesis").put_records(StreamName=stream, Records=records)
    return count


def node(folder, stream):
    """A process that decides what it has leases for."""
    folder.mkdir(exist_ok=True)
    command = [Path(sys.executable).parent / "ringfence", "run", "--follow"]
    address = f"kinesis://{stream}?leases={stream}&lease_seconds=2"
    with (folder / "said.txt").open("ab") as said:
        return subprocess.Popen(
            [*command, address], cwd=folder, stdout=said, stderr=said, env={**os.environ, "NO_COLOR": "1"}
        )


def ids(folder):
    """What is in a node's log by now; it may not have made it yet."""
    try:
        return [row["transaction_id"] for row in decided(folder / "ringfence-data")]
    except RingfenceError:
        return []


@pytest.mark.slow
@pytest.mark.usefixtures("compiled")
def test_each_record_is_decided_once_over_both_logs_though_a_node_is_killed(stream, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    told = put(stream, 200, 0)
    at_work = [node(one, stream), node(other, stream)]
    try:
        more = count(10_000, 20)
        # One may have all leases until the other has started.
        until(lambda: put(stream, 20, next(more)) and ids(one) and ids(other))
        told += next(more) - 10_000
        until(lambda: len(ids(one)) + len(ids(other)) == told)
        for n in range(10):  # some are claimed and not yet decided when it dies
            told += put(stream, 100, 1000 + 100 * n)
            if n == 5:
                os.kill(at_work[0].pid, signal.SIGKILL)
                at_work[0].wait()
        before = len(ids(one))
        told += put(stream, 100, 5000)
        until(lambda: {f"t{n}" for n in range(5000, 5100)} <= set(ids(other)))
        assert len(ids(one)) == before
        at_work[0] = node(one, stream)
        until(lambda: len(ids(one)) + len(ids(other)) >= told)
        told += put(stream, 100, 6000)
        until(lambda: len(ids(one)) + len(ids(other)) >= told)
    finally:
        for process in at_work:
            process.terminate()
            process.wait(60)
    both = ids(one) + ids(other)
    assert len(both) == len(set(both)) == told
