"""What several tests of Kafka need."""

import pytest
from tests.kafka import broker
from tests.spine import open_store


@pytest.fixture(scope="module")
def kafka():
    return broker()


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "data") as made:
        yield made
