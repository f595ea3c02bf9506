"""What destroys personal data asks first, and says when there was nothing left to destroy."""

import re
import sqlite3
from contextlib import closing

import pytest

from ringfence.cli import execute

from .conftest import payment, write_ndjson

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
