"""The vault: what is sealed in it, under which keys, and what becomes of it when something is wrong."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from ringfence.adapters.vault import Keyring, SqliteVault, VaultWriter
from ringfence.errors import CorruptError, InputError
from ringfence.events.personal_names import PersonalClass
from ringfence.events.privacy.personal import Original
from ringfence.ports.vault import Erased, LegalHold, UnderHoldError

NAME, CONTACT = PersonalClass.NAME, PersonalClass.CONTACT
ADA = [Original("ada", "ada-name", NAME, "Ada Lovelace"), Original("ada", "shared", CONTACT, "+4930123")]
BOB = [Original("bob", "shared", CONTACT, "+4930123")]


@pytest.fixture
def keys(tmp_path):
    return Keyring.create(tmp_path / "keys.json")


@pytest.fixture
def vault(tmp_path, keys):
    (tmp_path / "data").mkdir()
    with closing(SqliteVault(tmp_path / "data", "store-1", keys, create=True)) as made:
        made.put([*ADA, *BOB], 1000)
        yield made


def again(vault, keys, store="store-1"):
    return SqliteVault(vault.path.parent, store, keys)


def values(vault, *persons):
    return sorted(one.value for one in vault.of_persons(persons))


def change(vault, text, *arguments):
    with closing(sqlite3.connect(vault.path)) as connection:
        connection.execute(text, arguments)
        connection.commit()


def test_originals_come_back_and_a_second_time_changes_nothing(vault):
    assert vault.put(ADA, 2000) == 0
    assert values(vault, "ada") == ["+4930123", "Ada Lovelace"]
    assert {one.seen_ms for one in vault.of_persons(["ada"])} == {1000}
    assert vault.holders(["shared", "ada-name"]) == {
        "shared": frozenset({"ada", "bob"}), "ada-name": frozenset({"ada"})
    }  # fmt: skip


def test_an_erasure_leaves_what_others_share_and_no_byte_of_the_key(vault, keys):
    with closing(sqlite3.connect(vault.path)) as connection:
        (wrapped,) = connection.execute("SELECT wrapped FROM person WHERE token = 'ada'").fetchone()
    assert vault.destroy(["ada"], Erased(person="ada", by="me", reason="asked", at_ms=5000)) == 2
    assert (values(vault, "ada"), values(vault, "bob")) == ([], ["+4930123"])
    files = [path.read_bytes() for path in vault.path.parent.iterdir()]
    assert not any(wrapped[-16:] in one for one in files)
    vault.put(ADA[:1], 6000)  # she pays again
    with closing(again(vault, keys)) as opened:
        assert values(opened, "ada") == ["Ada Lovelace"]


def test_what_an_erasure_leaves_undone_is_in_no_file_once_it_is_finished(vault):
    vault.destroy(["ada-of-many"], Erased(person="ada-of-many", by="me", reason="asked", at_ms=5000))
    vault.destroy(["b-token-of-hers"], Erased(person="ada-of-many", by="me", reason="asked", at_ms=5000))
    assert vault.erasing("ada-of-many") == {"ada-of-many", "b-token-of-hers"}
    vault.finish("ada-of-many")
    assert vault.erasing("ada-of-many") == set()
    files = [path.read_bytes() for path in vault.path.parent.iterdir()]
    assert not any(b"b-token-of-hers" in one for one in files)


def test_keys_of_erased_persons_that_an_older_copy_brings_are_destroyed(vault, keys, tmp_path):
    with closing(sqlite3.connect(vault.path)) as connection:
        connection.execute("VACUUM INTO ?", (str(tmp_path / "old.db"),))
    vault.destroy(["ada"], Erased(person="ada", by="me", reason="asked", at_ms=5000))
    vault.close()
    for path in vault.path.parent.iterdir():
        path.unlink()
    (tmp_path / "old.db").rename(vault.path)
    with closing(again(vault, Keyring.read(keys.path))) as opened:
        assert (values(opened, "ada"), values(opened, "bob")) == ([], ["+4930123"])


def test_an_original_moved_to_another_token_or_person_does_not_open(vault):
    change(vault, "UPDATE original SET token = 'other' WHERE token = 'ada-name'")
    with pytest.raises(CorruptError, match="does not open"):
        vault.of_persons(["ada"])
    change(vault, "UPDATE person SET token = 'eve' WHERE token = 'ada'")
    change(vault, "UPDATE original SET person = 'eve' WHERE person = 'ada'")
    with pytest.raises(InputError, match="does not hold"):
        vault.of_persons(["eve"])


def test_another_stores_vault_and_other_keys_are_refused(vault, keys, tmp_path):
    with pytest.raises(InputError, match="another installation"):
        again(vault, keys, "store-2")
    with pytest.raises(InputError, match="does not hold"):
        again(vault, Keyring.create(tmp_path / "others.json"))
    with pytest.raises(InputError, match="never written over"):
        Keyring.create(keys.path)
    with pytest.raises(InputError, match="already"):
        SqliteVault(vault.path.parent, "store-1", keys, create=True)


def test_a_rotation_beside_another_writer_loses_nobody(vault, keys):
    """The other one has read the file of keys before, and learns of the new key from the vault."""
    with closing(again(vault, Keyring.read(keys.path))) as other:
        name, count = vault.rotate(forget=True)
        assert count == 2
        other.put([Original("eve", "eve-name", NAME, "Eve")], 3000)
        assert values(other, "ada", "eve") == ["+4930123", "Ada Lovelace", "Eve"]
    fresh = Keyring.read(keys.path)
    assert fresh.names == [name]
    with closing(again(vault, fresh)) as opened:
        assert values(opened, "ada", "bob", "eve") == ["+4930123", "+4930123", "Ada Lovelace", "Eve"]


def test_a_rotation_that_was_cut_short_goes_on_with_the_next(vault, keys, monkeypatch):
    monkeypatch.setattr(SqliteVault, "_wrapped_anew", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        vault.rotate()
    monkeypatch.undo()
    with closing(again(vault, Keyring.read(keys.path))) as opened:
        assert values(opened, "ada") == ["+4930123", "Ada Lovelace"]
        assert opened.rotate(forget=True)[1] == 2
        assert values(opened, "bob") == ["+4930123"]


def test_what_a_writer_is_given_is_kept_and_an_erasure_elsewhere_is_noticed(vault, keys):
    writer = VaultWriter(vault, lambda: 2000)
    more = Original("ada", "ada-street", PersonalClass.ADDRESS, "12 St. James Square")
    writer([more, *ADA])
    writer.flush()
    assert "12 St. James Square" in values(vault, "ada")
    with closing(again(vault, keys)) as other:
        other.destroy(["ada"], Erased(person="ada", by="me", reason="asked", at_ms=1500))
    writer._look()
    writer([more])
    writer.close()
    assert (values(vault, "ada"), writer.lost) == (["12 St. James Square"], 0)


def test_a_vault_that_cannot_be_written_loses_originals_and_says_so(vault, caplog):
    writer = VaultWriter(vault, lambda: 2000)
    change(vault, "DROP TABLE person")
    writer([Original("eve", "eve-name", NAME, "Eve")])
    writer.close()
    assert writer.lost == 1
    assert writer.warnings()[0].startswith("originals of personal data are not kept (1 so far): ")
    assert "Originals of personal data are not kept (1 so far)" in caplog.text
    assert "Eve" not in caplog.text


def test_how_many_are_shown_in_an_hour_is_counted_by_value(vault):
    for token in ("a", "a", "b"):
        assert vault.let_see("me", {token}, 1000, 2)
    with pytest.raises(InputError, match="2 originals within an hour"):
        vault.let_see("me", {"c"}, 2000, 2)
    vault.let_see("somebody", {"c"}, 2000, 2)
    vault.let_see("me", {"c"}, 1000 + 3_600_000, 2)


def test_of_many_that_look_at_once_so_many_a_day_see_and_what_is_refused_counts_for_nothing(vault, keys):
    with ExitStack() as opened, ThreadPoolExecutor(4) as pool:
        vaults = [opened.enter_context(closing(again(vault, keys))) for _ in range(4)]
        seen = [pool.submit(one.let_see, "me", {f"t{at}"}, 1000, 9, 2) for at, one in enumerate(vaults)]
        assert sorted(one.result() for one in seen) == [False, False, True, True]
    assert vault.let_see("me", {"more", "than", "one"}, 1000, 3)  # after approval; two are counted so far
    with pytest.raises(InputError, match="5 originals"):
        vault.let_see("me", {"another"}, 1000, 3)


def test_a_hold_that_came_meanwhile_is_seen_by_the_transaction_that_destroys(vault):
    vault.hold(LegalHold(person="ada", reason="court order 12", by="me", since_ms=1000))
    with pytest.raises(UnderHoldError, match="court order 12"):
        vault.destroy(["bob"], Erased(person="bob", by="me", reason="asked", at_ms=5000), {"bob", "ada"})
    assert (values(vault, "bob"), vault.erasures(["bob"])) == (["+4930123"], [])
    assert vault.destroy(["bob"], Erased(person="bob", by="me", reason="asked", at_ms=5000), {"bob"}) == 1
