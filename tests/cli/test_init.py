"""A project made by `ringfence init` runs as it is, and its settings file names every setting."""

import re
import subprocess
import tomllib

import pytest

from ringfence.cli import execute
from ringfence.settings import Settings


@pytest.fixture
def made(ringfence, project, monkeypatch):
    """The folder of a fresh project, and the current one."""
    assert ringfence("init", "till-fraud").code == 0
    monkeypatch.chdir(project / "till-fraud")
    return project / "till-fraud"


@pytest.mark.slow
def test_every_command_of_its_readme_works_as_it_is(made, capsys, monkeypatch):
    monkeypatch.setenv("RINGFENCE_SERVE_PORT", "0")
    lines = re.findall(r"^\$ ringfence (.*)$", (made / "README.md").read_text(), re.MULTILINE)
    for line in lines:
        if line != "serve":
            assert execute(line.split()) == 0, capsys.readouterr().err
    assert "run data/payments.ndjson" in lines


def test_its_rules_are_the_shipped_ones_and_one_of_its_own_on_its_own_features(made, ringfence):
    ended = ringfence("rules", "check", "rules.yaml")
    assert ended.code == 0
    assert "features.py" in ended.out
    ids = {row["id"] for row in ringfence("rules", "list", "--json").json_lines}
    assert {"large_in_a_new_shop", "card_testing", "blocked"} <= ids


def test_its_settings_file_names_every_setting_with_its_default(made):
    text = (made / "ringfence.toml").read_text()
    told = tomllib.loads(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE))
    assert set(told) == set(Settings.model_fields)
    for name in ("batch_rows", "snapshot_every_events", "snapshot_every_ms", "require_approval", "data_dir"):
        assert str(told[name]) == str(Settings.model_fields[name].default), name


def test_git_takes_no_keys_and_no_personal_data_of_it(made):
    subprocess.run(["git", "init", "-q"], cwd=made, check=True)
    secret = ["vault-keys.json", "my-vault-keys-2026.json", "private-data/vault.db", "client.properties"]
    ignored = subprocess.run(
        ["git", "check-ignore", *secret, "rules.yaml"], cwd=made, capture_output=True, check=True
    )
    assert ignored.stdout.decode().split() == secret


def test_a_folder_that_holds_something_is_left_as_it_is(ringfence, project):
    (project / "mine").mkdir()
    (project / "mine" / "precious.txt").write_text("x")
    ended = ringfence("init", "mine")
    assert ended.code == 2
    assert "not empty" in ended.err
    assert [path.name for path in (project / "mine").iterdir()] == ["precious.txt"]


def test_the_empty_folder_one_is_in_lends_the_project_its_name(ringfence, project, monkeypatch):
    (project / "till-fraud").mkdir()
    monkeypatch.chdir(project / "till-fraud")
    ended = ringfence("init", ".")
    assert ended.code == 0, ended.err
    assert "till-fraud is ready" in ended.out
    assert "cd " not in ended.out
    assert (project / "till-fraud" / "README.md").read_text().startswith("# till-fraud\n")


@pytest.mark.parametrize("name", ["..", "a b", "-x-"])
def test_a_name_that_is_none_is_refused(ringfence, name):
    assert ringfence("init", "--", name).code == 2
