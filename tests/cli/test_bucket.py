"""`ringfence run s3://...`, and what `doctor` says of such a source."""

import uuid

import boto3
import pytest
from tests.adapters.aws import emulator
from tests.adapters.aws.test_bucket import MAPPING

from ringfence.cli.setup.checks.check import State
from ringfence.cli.setup.checks.streams import streams


@pytest.fixture
def lake(project, monkeypatch):
    """The name of a bucket with a file of two customers; a mapping lies in the project's folder."""
    emulator.environment(monkeypatch)
    client, name = boto3.client("s3"), f"lake-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": emulator.REGION})
    client.put_object(Bucket=name, Key="demographic/run-1-part-r-00000", Body=b"user_id,age\nu1,41\nu2,17\n")
    (project / "own.toml").write_text(f'name = "own"\ntitle = "Own"\nabout = "Customers."\n{MAPPING}')
    return name


def test_files_of_a_bucket_are_read_once_and_the_same_command_goes_on(ringfence, lake):
    command = ("run", f"s3://{lake}/demographic/?mapping=own.toml", "--json")
    first = ringfence(*command)
    assert (first.code, first.json["events"]) == (0, 2), first.err
    assert ringfence(*command).json["events"] == 0
    boto3.client("s3").put_object(
        Bucket=lake, Key="demographic/run-2", Body=b'{"user_id": "u1", "age": 42}\n'
    )
    assert ringfence(*command).json["events"] == 1


def test_doctor_asks_for_the_files_of_the_settings(project, lake):
    told = f'sources = ["s3://{lake}/demographic/?mapping=own.toml", "s3://nobodys-lake/x"]'
    (project / "ringfence.toml").write_text(told)
    found, missing = streams()
    assert (found.state, missing.state) == (State.FINE, State.BAD)
    assert "has 1 files" in found.said
    assert "no bucket 'nobodys-lake'" in missing.said
