"""Files beside the log that nothing makes again: once they were there, they are missed."""

import pytest

from .conftest import payment, write_ndjson


@pytest.fixture
def kept(ringfence, project):
    """A store that has cases and an audit trail."""
    rows = write_ndjson(project / "some.ndjson", [payment(n) for n in range(3)])
    assert ringfence("run", rows).code == 0
    assert ringfence("cases", "open", payment(0)["transaction_id"]).code == 0
    assert ringfence("bus", "list").code == 0
    assert ringfence("run", rows).code == 0
    return project / "ringfence-data"


@pytest.mark.parametrize("how", ["missing", "empty"])
@pytest.mark.parametrize(
    ("name", "asking"),
    [
        ("cases.db", ("cases", "list")),
        ("audit.db", ("audit", "verify")),
        ("bus.db", ("alerts", "list")),
        ("bus.db", ("bus", "list")),
    ],
)
def test_a_file_that_was_lost_is_not_made_anew(ringfence, project, kept, name, asking, how):
    """The list of cases was empty, the chain whole, as of two records, and every alert was sent once more."""
    for path in kept.glob(f"{name}*"):
        path.unlink()
    if how == "empty":
        (kept / name).touch()
    refusing = 3 if name == "cases.db" else 0  # without a trail or messages a command works, and warns
    for command, code in ((asking, 3), (("run", "some.ndjson"), refusing), (asking, 3)):
        ended = ringfence(*command)
        assert ended.code == code, ended
        assert code == 0 or f"{name} is missing or empty" in ended.err
    assert not (kept / name).exists() or not (kept / name).stat().st_size


def test_a_store_that_never_had_them_misses_nothing(ringfence, project):
    rows = write_ndjson(project / "some.ndjson", [payment(n) for n in range(3)])
    assert ringfence("run", rows).code == 0
    for path in (project / "ringfence-data").glob("cases.db*"):
        path.unlink()
    assert ringfence("cases", "list").code == 0
    assert ringfence("run", rows).code == 0
