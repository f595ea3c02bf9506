"""A person asked for by any personal field, and originals that were lost."""

import sqlite3
from contextlib import closing

import pytest

from ringfence.adapters.sqlite import Store
from ringfence.adapters.vault import VaultWriter
from ringfence.cli.setup.checks.vault import vault as doctor
from ringfence.compose.folder.privacy import keeping, lost_originals
from ringfence.events.personal_names import PersonalClass
from ringfence.events.privacy.personal import Original

from .conftest import payment, write_ndjson

SETTINGS = (
    'personal_data = "vault"\nvault_key = "keys.json"\npersonal_fields = { "attributes.nick" = "name" }\n'
)


@pytest.fixture
def bank(project, ringfence):
    """Ada and Bob share a phone; Carl has an account alone."""
    (project / "ringfence.toml").write_text(SETTINGS)
    assert ringfence("privacy", "init").code == 0
    rows = [
        payment(
            0, customer_id="ada", email="Ada@Mail.Example", phone="+4930123", attributes={"nick": "Countess"}
        ),
        payment(1, customer_id="bob", email="bob@mail.example", phone="+49 30 123"),
        payment(2, account_id="DE89 3704 0044 0532 0130 00", email="carl@mail.example"),
    ]
    assert ringfence("run", write_ndjson(project / "payments.ndjson", rows)).code == 0
    return project


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        ("email=ada@mail.example", "ada"),
        (" email = ADA@mail.example ", "ada"),
        ("attributes.nick=Countess", "ada"),
        ("customer_id=bob", "bob"),
        ("email=carl@mail.example", "account:DE89370400440532013000"),
        ("account_id=DE89370400440532013000", "account:DE89370400440532013000"),
    ],
)
def test_a_person_is_found_by_a_field(bank, ringfence, asked, same):
    found, wanted = (ringfence("privacy", "find", name, "--json") for name in (asked, same))
    assert found.code == 0, found.err
    assert found.json == wanted.json
    assert found.json["held"]["events"] == 1


def test_what_several_have_names_nobody_and_what_nobody_has_is_told(bank, ringfence):
    shared = ringfence("privacy", "erase", "phone=+4930123", "--reason", "request", "--yes")
    assert (shared.code, "2 persons have this phone: name one, such as pd_" in shared.err) == (2, True)
    assert ringfence("privacy", "find", "ada", "--json").json["erased"] == []
    assert "nothing is held" in ringfence("privacy", "find", "email=eve@mail.example").err
    assert "is no personal data" in ringfence("privacy", "find", "merchant_id=shop").err
    assert "nothing is held" in ringfence("privacy", "find", "emial=ada@mail.example").err
    for one in ("phone=+4930123", "email=eve@mail.example"):
        assert one.partition("=")[2] not in ringfence("privacy", "find", one).err
    audit = ringfence("audit", "list", "--json").out
    assert "eve@mail" not in audit
    assert "4930123" not in audit


def test_doctor_says_how_many_originals_were_lost_over_restarts(bank, ringfence):
    folder = bank / "ringfence-data"
    assert [one.state.value for one in doctor(folder)] == ["ok"]
    for time_ms in (1_700_000_000_000, 1_700_000_100_000):
        with Store.open(folder) as store, keeping(store, lambda now=time_ms: now, patient=True) as writer:
            assert isinstance(writer, VaultWriter)
            changed(folder, "ALTER TABLE person RENAME TO hidden")
            writer([Original("eve", f"eve-{time_ms}", PersonalClass.NAME, "Eve")])
            writer.flush()
            changed(folder, "ALTER TABLE hidden RENAME TO person")
    with Store.open(folder, read_only=True) as store:
        assert lost_originals(store) == (2, 1_700_000_100_000)
    [found] = [one for one in doctor(folder) if one.state.value == "note"]
    assert found.said.startswith("2 originals were not kept")
    assert "2023-11-14" in found.said
    assert "Eve" not in str(found)


def changed(folder, statement):
    with closing(sqlite3.connect(folder / "vault.db")) as opened:
        opened.execute(statement)
