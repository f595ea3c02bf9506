"""What destroys personal data asks first, and says when there was nothing left to destroy."""

import json
import re
import sqlite3
from contextlib import closing

import pytest

from ringfence.adapters.cases import SqliteCases
from ringfence.adapters.outbox import Bus, BusPersons
from ringfence.bus.subscription import Subscription
from ringfence.cli import execute
from ringfence.errors import StoreError

from .conftest import payment, write_ndjson

ALL = '{"data": {"score": [{"exists": true}]}}'
SETTINGS = 'personal_data = "vault"\nvault_key = "keys.json"\n'


@pytest.fixture
def bank(project, ringfence):
    """A folder in which Ada and Bob pay."""
    (project / "ringfence.toml").write_text(SETTINGS)
    assert ringfence("privacy", "init").code == 0
    people = ({"customer_id": name, "email": f"{name}@mail.example"} for name in ("ada", "bob"))
    rows = [payment(number, **one) for number, one in enumerate(people)]
    assert ringfence("run", write_ndjson(project / "payments.ndjson", rows)).code == 0
    return project


def kept(folder):
    with closing(sqlite3.connect(folder / "ringfence-data" / "vault.db")) as vault:
        return vault.execute("SELECT count(*) FROM original").fetchone()[0]


def test_what_cannot_be_undone_is_asked_first_and_takes_a_word_of_programs(bank, ringfence, terminal):
    erase = ["privacy", "erase", "bob", "--reason", "his request"]
    expire = ["privacy", "expire", "--class", "contact", "--older", "0s"]
    before = kept(bank)
    for command in (erase, expire, ["privacy", "rotate", "--forget"]):
        refused = ringfence(*command)
        assert (refused.code, "--yes" in refused.err) == (2, True)
    tried = ringfence(*expire, "--dry-run")
    assert (tried.code, kept(bank)) == (0, before)
    assert "It would delete 2 originals of 2 persons" in tried.err
    assert ringfence("privacy", "expire", "--class", "none", "--older", "0s", "--yes").code == 2
    said, keys = terminal("n"), (bank / "keys.json").read_bytes()
    assert execute(["privacy", "rotate", "--forget"]) == 1
    assert (bank / "keys.json").read_bytes() == keys
    assert "No backup of the vault of before opens then" in said()
    said = terminal("n")
    assert execute(expire) == 1
    assert "Delete 2 originals of 2 persons" in said()
    said = terminal("n")
    assert execute(erase) == 1
    assert kept(bank) == before
    assert re.search(r"Erase pd_[0-9a-f]{32}: 2 originals.*cannot be undone", said())
    said = terminal("y")
    assert execute(erase) == 0
    assert kept(bank) == before - 2
    said()
    said = terminal("y")
    assert execute(erase) == 0
    assert re.search(r"was erased already on 2\d{3}-.*; nothing was left to erase", said())


def test_who_is_erased_is_erased_again_without_another_approval_and_to_the_end(bank, ringfence, monkeypatch):
    """A case, which stays, had a second person asked for nothing; without one, traces of a kill stayed."""
    folder, erase = bank / "ringfence-data", ("privacy", "erase", "ada", "--reason", "her request", "--yes")
    assert ringfence("cases", "open", "p0").code == 0
    with closing(SqliteCases(folder)) as book:
        case = book.case_of("p0").id
    assert ringfence(*erase).code == 0
    with closing(Bus(folder)) as bus:  # as an erasure leaves it that is killed before it comes here
        bus.subscribe(Subscription(name="all", pattern=ALL, to="console:", created_ms=1, start={}))
        bus.change("console:", said="550 ada@mail.example is unknown")
    monkeypatch.setenv("RINGFENCE_FOUR_EYES", '["erasure"]')
    again = ringfence(*erase)
    assert again.code == 0, again.err
    with closing(Bus(folder)) as bus:
        assert bus.destination("console:").said == ""
    assert ringfence("cases", "note", case, "she rang again").code == 0
    assert "approve" in ringfence(*erase).err  # what is written later takes another request


def test_a_hold_on_somebody_erased_keeps_what_came_since(bank, ringfence):
    """Erasing again went past the hold: messages about them were deleted."""
    erase = ("privacy", "erase", "ada", "--reason", "her request", "--yes")
    assert ringfence(*erase).code == 0
    assert ringfence("privacy", "hold", "ada", "--reason", "court order 12").code == 0
    again = ringfence(*erase)
    assert (again.code, "court order 12" in again.err) == (2, True)
    assert ringfence("privacy", "release", "ada").code == 0
    assert ringfence(*erase).code == 0


@pytest.mark.parametrize("asked", ["ada", "email=ada@mail.example"])
def test_an_erasure_that_was_killed_finds_by_every_name_what_it_had_left(bank, ringfence, monkeypatch, asked):
    """The vault knew the names no more, and what was kept under them stayed where it was."""
    folder, erase = bank / "ringfence-data", ("privacy", "erase", asked, "--reason", "her request", "--yes")
    found = json.loads(ringfence("privacy", "find", "ada", "--json").out)
    email = next(one["token"] for one in found["originals"] if one["token"] != found["person"])
    with closing(Bus(folder)) as bus, bus.database.transaction() as connection:
        connection.execute("INSERT INTO asked VALUES ('', ?, 1)", (email,))

    def killed(*_given):
        raise StoreError("the disk is gone")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(BusPersons, "erase", killed)
        assert ringfence(*erase).code != 0
    assert kept(bank) == 2
    with closing(Bus(folder)) as bus:
        assert bus.database.rows("SELECT count(*) FROM asked") == [(1,)]
    again = ringfence(*erase)
    assert again.code == 0, again.err
    with closing(Bus(folder)) as bus:
        assert bus.database.rows("SELECT count(*) FROM asked") == [(0,)]
    with closing(sqlite3.connect(folder / "vault.db")) as vault:
        assert vault.execute("SELECT count(*) FROM erasing").fetchone() == (0,)


@pytest.mark.parametrize("reason", [".....", "\u200b" * 9, "\u3164" * 9, " a  b ", "-- 7 --"])
def test_a_reason_that_says_nothing_is_none(bank, ringfence, reason):
    token = ringfence("privacy", "find", "bob", "--json").json["originals"][0]["token"]
    for asked in (("reveal", token), ("hold", "bob"), ("erase", "bob", "--yes")):
        ended = ringfence("privacy", *asked, "--reason", reason)
        assert ended.code == 2
        assert "a reason in words" in ended.err
