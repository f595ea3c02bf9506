"""A store, and the bus in its folder."""

import pytest

from ringfence.adapters.outbox import Bus
from ringfence.adapters.sqlite import Store


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def bus(store):
    made = Bus(store.folder)
    yield made
    made.close()
