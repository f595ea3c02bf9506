"""Machine code is kept where that can be; where it cannot, nothing fails: as under a strict systemd unit."""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import ringfence
from ringfence.compiling import cache_base

DROP_CAPABILITY = 24  # of prctl
SCRIPT = """
from ringfence.compiling import cache_base
from ringfence.events.ids.hashing import hash_text
from ringfence.cli import app
print(cache_base(), hash_text("card-1", 7))
"""


@pytest.fixture(scope="module")
def package():
    """The package where nobody may write."""
    base = Path(tempfile.mkdtemp(prefix="ringfence-test-"))
    base.chmod(0o755)
    unwanted = shutil.ignore_patterns("__pycache__", "static")
    shutil.copytree(Path(ringfence.__file__).parent, base / "src" / "ringfence", ignore=unwanted)
    (base / "open").mkdir()
    (base / "open").chmod(0o777)
    for path in (*base.rglob("src/**/*"), base / "src", base):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield base
    for path in (base, base / "src", *base.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(base)


def obey_permissions():
    """Root may write anywhere: not with what it can do without these two."""
    if os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            assert ctypes.CDLL(None).prctl(DROP_CAPABILITY, capability, 0, 0, 0) == 0


def start(package, **environment):
    """What a process says that has no home, and no rights but these."""
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(package / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=given | {"HOME": str(package / "src")} | environment,
        preexec_fn=obey_permissions,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    place, hashed = ended.stdout.split()
    return place, hashed


def test_where_nothing_can_be_written_it_starts_all_the_same(package):
    place, hashed = start(package)
    assert place == "None"
    assert hashed == start(package, NUMBA_DISABLE_JIT="1")[1]


@pytest.mark.parametrize("name", ["XDG_CACHE_HOME", "CACHE_DIRECTORY", "RINGFENCE_DATA_DIR"])
def test_the_first_folder_that_can_be_written_is_taken(package, name):
    """A folder of its own is made in the one that is named, unless systemd has made it."""
    home = package / "open" / name
    place, _ = start(package, **{name: str(home)})
    assert Path(place).is_relative_to(home)
    assert any(home.rglob("*.nbc"))


def test_a_folder_that_others_may_write_is_not_used(tmp_path, monkeypatch):
    (tmp_path / "ringfence").mkdir()
    (tmp_path / "ringfence").chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache_base.cache_clear()
    try:
        found = cache_base()
        assert found is None or not found.is_relative_to(tmp_path)
    finally:
        monkeypatch.undo()
        cache_base.cache_clear()


def test_every_function_that_is_compiled_goes_through_this_door():
    """Numba by itself raises where it finds no folder, when the module is imported."""
    sources = Path(ringfence.__file__).parent
    found = {path.name for path in sources.rglob("*.py") if "njit(" in path.read_text()}
    assert found == {"compiling.py", "jit.py"}
