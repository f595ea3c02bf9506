"""Requests that no client would send, of every role to every route and page: nothing fails or leaks."""

import pytest

from benchmarks import fuzz

pytestmark = pytest.mark.slow


def test_hostile_requests_get_no_500_and_the_server_goes_on(tmp_path):
    """A few, drawn from a seed; `python -m benchmarks.fuzz` sends thousands."""
    found = fuzz.run(tmp_path, requests=400, seed=7)
    assert (found.faults, found.leaks) == ([], [])
    assert found.statuses.total() == 400
    assert {200, 303, 400, 401, 403, 404, 415, 422} <= set(found.statuses)
