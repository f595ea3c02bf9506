"""Files beside the log that nothing makes again: once they were there, they are missed."""

import pytest

from ringfence.adapters.cases import SqliteCases
from ringfence.adapters.sqlite import Store
from ringfence.compose.following.followers import followers_of
from ringfence.errors import StoreError
from ringfence.follow import catch_up

from .conftest import payment, write_ndjson

ALARMED = """
rules:
  - {id: much, title: Much, when: amount > 100, outcome: review, points: 50, reason: MUCH, analyst: Much.}
"""


def lose(folder, name, how="missing"):
    for path in folder.glob(f"{name}*"):
        path.unlink()
    if how == "empty":
        (folder / name).touch()


def decide(ringfence, project, numbers):
    """Payments that are reviewed, and what the followers make of them."""
    rows = [payment(number, amount=200.0, card_id=f"card-{number}") for number in numbers]
    assert ringfence("run", write_ndjson(project / f"{numbers[0]}.ndjson", rows)).code == 0
    with Store.open(project / "ringfence-data", read_only=True) as store:
        for follower in followers_of(store):
            if follower.name in ("cases", "outbox"):
                catch_up(store.log, follower, all_of_it=True)
            follower.close()


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
    lose(kept, name, how)
    for command, code in ((asking, 3), (("run", "some.ndjson"), 0), (asking, 3)):
        ended = ringfence(*command)
        assert ended.code == code, ended
        assert f"{name} is missing or empty" in ended.err or (name, code) == ("audit.db", 0)
    assert not (kept / name).exists() or not (kept / name).stat().st_size


def test_a_store_that_never_had_them_misses_nothing(ringfence, project):
    rows = write_ndjson(project / "some.ndjson", [payment(n) for n in range(3)])
    assert ringfence("run", rows).code == 0
    for path in (project / "ringfence-data").glob("cases.db*"):
        path.unlink()
    assert ringfence("cases", "list").code == 0
    assert ringfence("run", rows).code == 0


@pytest.fixture
def alarmed(ringfence, project):
    """A store with a case, an alert and a message for each of three payments, one of them an hour later."""
    (project / "rules.yaml").write_text(ALARMED)
    rows = write_ndjson(project / "first.ndjson", [payment(0)])
    assert ringfence("run", rows).code == 0
    assert ringfence("bus", "subscribe", "all", "--to", "https://example.com/hook").code == 0
    decide(ringfence, project, (1, 2))
    decide(ringfence, project, (60,))
    assert ringfence("run", rows).code == 0  # the store remembers what it has
    assert ringfence("keys", "create", "ada").code == 0
    return project


ASKED = {"cases.db": ("cases", "list"), "bus.db": ("alerts", "list")}


def listed(ringfence, name):
    """The cases or the alerts that there are."""
    found = ringfence(*ASKED[name], "--json").json
    return found["cases"] if name == "cases.db" else found


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("how", ["missing", "empty"])
@pytest.mark.parametrize(("since", "number"), [((), 1), (("--since", "30m"), 2), (("--since", "30d"), 4)])
def test_what_is_lost_for_good_is_begun_anew_and_goes_on(ringfence, alarmed, name, how, since, number):
    folder = alarmed / "ringfence-data"
    assert len(listed(ringfence, name)) == 3
    lose(folder, name, how)
    assert f"accept-loss {name}" in ringfence(*ASKED[name]).err
    assert ringfence("accept-loss", name, "--yes", *since).code == 0
    assert listed(ringfence, name) == []
    if name == "bus.db":
        assert ringfence("bus", "subscribe", "all", "--to", "https://example.com/hook").code == 0
    decide(ringfence, alarmed, (70,))
    assert len(listed(ringfence, name)) == number
    waiting = ringfence("outbox", "list", "--json").json
    assert len({one["id"] for one in waiting}) == len(waiting)
    acts = ringfence("audit", "list", "--json").json
    assert [one["object"] for one in acts if one["action"] == "data.loss_accepted"] == [name]
    assert ringfence("audit", "verify").code == 0


def test_an_audit_trail_that_is_lost_for_good_is_begun_anew(ringfence, alarmed):
    lose(alarmed / "ringfence-data", "audit.db")
    assert ringfence("accept-loss", "audit.db", "--yes").code == 0
    acts = ringfence("audit", "list", "--json").json
    assert [(one["action"], one["object"]) for one in acts] == [("data.loss_accepted", "audit.db")]
    assert ringfence("audit", "verify").code == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("bus.db", "is there"),
        ("vault.db", "only bus.db, cases.db, audit.db"),
        ("../bus.db", "only bus.db, cases.db, audit.db"),
    ],
)
def test_only_what_is_lost_is_begun_anew(ringfence, alarmed, name, told):
    before = (alarmed / "ringfence-data" / "bus.db").read_bytes()
    ended = ringfence("accept-loss", name, "--yes")
    assert (ended.code, told in ended.err) == (2, True)
    assert (alarmed / "ringfence-data" / "bus.db").read_bytes() == before


def test_a_damaged_file_is_moved_away_before_it_is_begun_anew(ringfence, alarmed):
    path = alarmed / "ringfence-data" / "cases.db"
    lose(path.parent, "cases.db")
    path.write_bytes(b"no database" * 1000)
    assert "move it away first" in ringfence("accept-loss", "cases.db", "--yes").err
    path.rename(alarmed / "kept.db")
    assert ringfence("accept-loss", "cases.db", "--yes").code == 0


def test_a_file_that_never_was_is_not_begun_anew(ringfence, project, payments):
    assert ringfence("run", payments).code == 0
    assert "never had" in ringfence("accept-loss", "cases.db", "--yes").err


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_nothing_is_begun_anew_unasked(ringfence, alarmed, terminal, answer, code):
    path = alarmed / "ringfence-data" / "bus.db"
    lose(path.parent, "bus.db")
    assert ringfence("accept-loss", "bus.db").code == 2
    assert not path.exists()
    terminal(answer)
    assert ringfence("accept-loss", "bus.db").code == code
    assert path.exists() is (code == 0)


def test_nothing_is_begun_anew_under_a_server(ringfence, alarmed):
    """It would go on with the file that it has open, which is gone."""
    folder = alarmed / "ringfence-data"
    lose(folder, "bus.db")
    with Store.open(folder):
        assert ringfence("accept-loss", "bus.db", "--yes").code == 3
    assert not (folder / "bus.db").exists()
    (folder / "bus.db-wal").write_bytes(b"left behind")
    assert ringfence("accept-loss", "bus.db", "--yes").code == 0
    assert not list(folder.glob(".begun-*"))


def test_cases_that_are_damaged_take_no_descriptor_each_time(tmp_path):
    (tmp_path / "cases.db").write_bytes(b"no database" * 1000)
    cases = SqliteCases(tmp_path)
    for _ in range(3):
        with pytest.raises(StoreError):
            cases.positions()
    assert not cases._open
