"""What `doctor` says of the vault and its master keys, and what commands say before there is a vault."""

import pytest

from ringfence.cli.setup.checks.vault import vault
from ringfence.errors import InputError


@pytest.fixture
def keys(project, ringfence, monkeypatch):
    """The file of master keys of a vault that is there, beside the project."""
    home = project / "keys"
    home.mkdir()
    monkeypatch.setenv("RINGFENCE_PERSONAL_DATA", "vault")
    monkeypatch.setenv("RINGFENCE_VAULT_KEY", str(home / "keys.json"))
    for command in (["privacy", "find", "bob"], ["privacy", "holds"], ["privacy", "rotate"]):
        refused = ringfence(*command)
        assert (refused.code, "run `ringfence privacy init`" in refused.err) == (2, True)
    with pytest.raises(InputError, match="privacy init"):
        list(vault(project / "ringfence-data"))
    assert ringfence("privacy", "init").code == 0
    return home / "keys.json"


def found(project):
    return [(one.state.value, one.said + one.remedy) for one in vault(project / "ringfence-data")]


def test_a_vault_that_opens_is_fine_and_its_keys_are_where_they_belong(keys, project):
    assert [state for state, _ in found(project)] == ["ok"]
    keys.chmod(0o640)
    state, said = found(project)[-1]
    assert (state, "0640" in said, "chmod 600" in said) == ("BAD", True, True)
    keys.chmod(0o600)
    (project / ".git").mkdir()
    state, said = found(project)[-1]
    assert (state, "git work tree" in said) == ("BAD", True)


def test_doctor_finds_that_the_keys_are_gone_or_inside_the_data_folder(keys, project, ringfence, monkeypatch):
    inside = project / "ringfence-data" / "keys.json"
    inside.write_bytes(keys.read_bytes())
    keys.unlink()
    ended = ringfence("doctor", "--json", "--port", "9")
    (check,) = [one for one in ended.json if one["part"] == "vault"]
    assert (ended.code, check["state"]) == (1, "BAD")
    assert f"Restore your copy of the key file to {keys}" in check["said"]
    monkeypatch.setenv("RINGFENCE_VAULT_KEY", str(inside))
    with pytest.raises(InputError, match="inside the data folder"):
        found(project)


def test_a_setting_that_is_not_what_the_store_was_begun_with_is_told(keys, project, monkeypatch):
    monkeypatch.setenv("RINGFENCE_PERSONAL_DATA", "kept")
    with pytest.raises(InputError, match="as it was"):
        found(project)
