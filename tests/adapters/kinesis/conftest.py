"""An account of AWS within the machine, asked by boto3 with credentials that open nothing else."""

import pytest
from tests.adapters.kinesis.emulator import REGION, running


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
