"""A log that was put back under what was made of a newer one: nothing is decided that followers pass over."""

import shutil
from contextlib import closing

import pytest

from ringfence.compose.folder.store import open_roll, open_store
from ringfence.compose.following.followers import declare_all

from .conftest import payment, write_ndjson


@pytest.fixture
def put_back(project, ringfence):
    """A folder with a log of 20 payments, whose cases have read 40."""
    data = project / "data"
    for part in (0, 1):
        rows = write_ndjson(
            project / f"{part}.ndjson", [payment(n) for n in range(20 * part, 20 * part + 20)]
        )
        assert ringfence("run", rows, "--data", data).code == 0
        if part == 0:
            shutil.copytree(data, project / "older")
    with open_store(data) as store, closing(open_roll(data)) as roll:
        declare_all(store)
        roll.report("cases", {"decisions": store.log.end_offset("decisions")}, 0)
    for file in data.glob("ringfence.db*"):
        file.unlink()
    for file in (project / "older").glob("ringfence.db*"):
        shutil.copy(file, data)
    return data


def test_it_is_refused_with_both_ways_out(put_back, project, ringfence):
    later = write_ndjson(project / "later.ndjson", [payment(n) for n in range(50, 90)])
    for command in (("run", later), ("serve", "--port", "0")):
        refused = ringfence(*command, "--data", put_back)
        assert refused.code not in (0, 2)
        assert "cases have read up to record 40" in refused.err
        assert "ringfence followers rebuild cases" in refused.err
    with open_store(put_back, read_only=True) as store:
        assert store.log.end_offset("decisions") == 20


def test_what_is_to_be_made_again_may_have_read_more(put_back, project, ringfence):
    assert ringfence("followers", "rebuild", "cases", "--data", put_back).code == 0
    later = write_ndjson(project / "later.ndjson", [payment(n) for n in range(50, 90)])
    assert ringfence("run", later, "--data", put_back).code == 0
    with closing(open_roll(put_back)) as roll:
        roll.rebuilt("cases")  # and then the process ends, or the follower is paused
    assert ringfence("run", later, "--data", put_back).code == 0
