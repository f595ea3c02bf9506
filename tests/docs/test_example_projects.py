"""The projects under `examples`: commands print what stands there, rules find what was planted."""

import csv
import json
import runpy
import shlex
import shutil

import pytest

from ringfence.cli import execute

from .pages import ROOT, blocks

PROJECTS = ["cards", "instant-payments", "marketplace"]


@pytest.fixture
def project(request, tmp_path, monkeypatch):
    """A copy of the project, as somebody has it who works in it."""
    folder = tmp_path / request.param
    shutil.copytree(
        ROOT / "examples" / request.param,
        folder,
        ignore=shutil.ignore_patterns("ringfence-data", "without-*", "__pycache__"),
    )
    monkeypatch.chdir(folder)
    return folder


def commands(folder):
    """Each command of the README with the text that stands below it, if any."""
    found = blocks(folder / "README.md")
    for number, block in enumerate(found):
        if block.language == "console":
            lines = [shlex.split(line.removeprefix("$ ringfence ")) for line in block.text.splitlines()]
            follows = found[number + 1] if number + 1 < len(found) else None
            told = follows.text if follows is not None and follows.language == "text" else None
            yield from [(line, None) for line in lines[:-1]]
            yield lines[-1], told


@pytest.mark.parametrize("project", PROJECTS, indirect=True)
def test_every_command_of_the_readme_runs_and_prints_what_stands_below_it(project, capsys):
    for words, told in commands(project):
        capsys.readouterr()
        code = execute(words)
        printed = capsys.readouterr()
        assert code == 0, f"{words}: {printed.err}"
        if told is not None:
            assert [line.rstrip() for line in printed.out.splitlines()] == told.splitlines()


@pytest.mark.parametrize("project", PROJECTS, indirect=True)
def test_rules_fire_on_what_was_planted_and_on_nothing_else(project, capsys):
    """Neither on near misses nor on the honest rest; each rule finds something."""
    for words, _ in commands(project):
        if words[0] in {"lists", "run"} and "--data" not in words:
            assert execute(words) == 0
    capsys.readouterr()
    assert execute(["decisions", "--limit", "10000", "--json"]) == 0
    decided = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    fired = {one["transaction_id"]: rules for one in decided if (rules := one["rules"])}
    with (project / "data" / "planted.csv").open() as file:
        planted = list(csv.DictReader(file))
    assert fired == {plant["transaction_id"]: [plant["rule"]] for plant in planted if plant["rule"]}
    assert sum(not plant["rule"] for plant in planted) > len(set(map(str, fired.values()))), "near misses"
    assert {one["transaction_id"] for one in decided} > {plant["transaction_id"] for plant in planted}


@pytest.mark.parametrize("project", PROJECTS, indirect=True)
def test_its_data_are_what_its_script_makes(project):
    """Otherwise: python make_sample.py"""
    kept = {path.name: path.read_text() for path in (project / "data").iterdir()}
    script = runpy.run_path(str(project / "make_sample.py"))
    script["main"]()
    assert {path.name: path.read_text() for path in (project / "data").iterdir()} == kept
