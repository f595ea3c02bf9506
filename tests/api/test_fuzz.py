"""Requests that no client would send, to every route: each is answered, and the server goes on."""

import pytest

from benchmarks import fuzz

pytestmark = pytest.mark.slow


def test_hostile_requests_get_no_500_and_the_server_goes_on(tmp_path):
    """A few, drawn from a seed; `python -m benchmarks.fuzz` sends thousands."""
    found = fuzz.run(tmp_path, requests=250, seed=7)
    assert found.total() == 250
    assert {200, 400, 404, 415, 422} <= set(found)
