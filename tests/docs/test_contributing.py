"""What CONTRIBUTING tells a newcomer to open is there; what GitHub reads can be read."""

import re

import pytest
import yaml

from .pages import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`((?:src|tests|docs|scripts)/[\w./*-]+)`", TEXT)))


@pytest.mark.parametrize("name", [name for name in NAMED if "NAME" not in name])
def test_a_file_that_a_recipe_names_is_there(name):
    assert list(ROOT.glob(name.rstrip("/"))), name


def test_a_name_that_a_recipe_speaks_of_stands_in_the_file_before_it():
    for name, path in {
        "FeatureKind": "src/ringfence/features/kinds.py",
        "_NODES": "src/ringfence/scoring/language/syntax.py",
        "_TYPES": "src/ringfence/scoring/language/expression.py",
        "class Op": "src/ringfence/scoring/machine/kernel.py",
        "def body_of": "src/ringfence/api/handlers/requests.py",
        "NEEDED": "src/ringfence/access/table.py",
        "STAGES": "src/ringfence/walk/stages.py",
        "class Follower": "src/ringfence/follow/follower.py",
    }.items():
        assert name in (ROOT / path).read_text("utf-8"), f"{path} has no {name}"


FORMS = sorted([*(ROOT / ".github").rglob("*.yml"), ROOT / ".pre-commit-config.yaml"])


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_file_for_the_forge_is_yaml(path):
    assert yaml.safe_load(path.read_text("utf-8"))


def test_ci_runs_every_python_that_the_package_says_it_supports():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))["jobs"]
    tested = jobs["test"]["strategy"]["matrix"]["python"]
    claimed = re.findall(
        r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text("utf-8")
    )
    assert tested == claimed
