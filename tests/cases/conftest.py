import pytest
from tests.cases.desk import Office


@pytest.fixture
def office(tmp_path):
    with Office(tmp_path) as opened:
        yield opened
