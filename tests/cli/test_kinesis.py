"""`ringfence run kinesis://...`, and what `doctor` says of such a source."""

import json

import pytest
from tests.adapters.kinesis.conftest import aws  # noqa: F401 (a fixture)

from ringfence.cli.setup.checks.check import State
from ringfence.cli.setup.checks.streams import streams

from .conftest import payment


@pytest.fixture
def payments(aws):  # noqa: F811 (the fixture)
    aws.make("payments", shards=2)
    return aws


def test_a_stream_is_decided_once_and_the_same_command_goes_on(ringfence, payments):
    payments.put("payments", 0, *[payment(n) for n in range(5)])
    payments.put("payments", 1, b"no json")
    first = ringfence("run", "kinesis://payments")
    assert (first.code, first.out.startswith("5 payments decided")) == (4, True), first.err
    payments.put("payments", 1, payment(5))
    again = ringfence("run", "kinesis://payments")
    assert (again.code, again.out.startswith("1 payments decided")) == (0, True), again.out + again.err
    bad = json.loads(ringfence("quarantine", "list", "--json").out.splitlines()[0])
    assert "payments/shardId-000000000001/49" in json.dumps(bad)


def test_doctor_asks_for_the_streams_of_the_settings(project, payments):
    (project / "ringfence.toml").write_text('sources = ["kinesis://payments", "kinesis://missing"]')
    found, missing = streams()
    assert (found.state, missing.state) == (State.FINE, State.BAD)
    assert "payments with 2 open shards, kept 24 hours" in found.said
    assert "no stream 'missing'" in missing.said
