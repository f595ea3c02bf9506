"""What a user installs may be used by anybody, and every version of it is locked."""

import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import check_licences  # noqa: E402 (a script beside the package)


def test_all_that_is_installed_with_every_extra_is_looked_at():
    found = check_licences.needed()
    assert {"numpy", "fastapi", "cryptography", "psycopg"} <= set(found)
    assert not {"pytest", "mypy"} & set(found)


@pytest.mark.parametrize(
    ("licence", "name", "word"),
    [
        ("GPL-3.0-only", "igraph", "everybody"),
        ("GNU Affero General Public License v3", "x", "everybody"),
        ("LGPL-3.0-only", "x", "everybody"),
        ("Business Source License 1.1", "x", "everybody"),
        ("", "x", "no licence"),
        ("Licence of my own", "x", "nobody has looked"),
    ],
)
def test_a_licence_that_binds_or_is_unknown_is_named(licence, name, word):
    (told,) = check_licences.faults([(name, licence)])
    assert word in told


@pytest.mark.parametrize(
    ("licence", "name"),
    [("MIT", "x"), ("Apache-2.0 OR BSD-3-Clause", "x"), ("LGPL-3.0-only", "psycopg"), ("BSD License", "x")],
)
def test_a_permissive_one_is_not(licence, name):
    assert not list(check_licences.faults([(name, licence)]))


def test_every_locked_file_has_its_hash():
    packages = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]
    assert len(packages) > 50
    for one in packages:
        if one["source"] == {"editable": "."}:
            continue
        files = [*one.get("wheels", ()), *([one["sdist"]] if "sdist" in one else ())]
        assert files, one["name"]
        assert all(file["hash"].startswith("sha256:") for file in files), one["name"]
