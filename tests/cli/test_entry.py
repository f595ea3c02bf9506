"""A command alone is the same as among all others, and starts without them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import ringfence.cli as package
from ringfence.cli.main import program_for
from ringfence.cli.program import finish, new_app
from ringfence.compose.folder.store import open_store

LOADED = """
import sys
from ringfence.cli.main import program_for
program_for(sys.argv[1:])
asked = ("deciding.run", "policy.backtest", "governance.keys")
names = (*(f"ringfence.cli.{name}" for name in asked), "numba", "pandas", "scipy")
print(*(name for name in names if name in sys.modules))
"""


@pytest.mark.parametrize("name", ["run", "verify-backup", "rules", "models", "approvals"])
def test_a_command_alone_says_the_same_of_itself(name, capsys):
    assert finish(program_for([name]), [name, "--help"]) == 0
    alone = capsys.readouterr().out
    assert finish(package.app, [name, "--help"]) == 0
    assert alone == capsys.readouterr().out


def test_a_misspelt_command_is_looked_for_among_all(capsys):
    assert finish(program_for(["rlues"]), ["rlues"]) == 2
    assert "rules" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    [
        (["run"], {"ringfence.cli.deciding.run"}),
        (["keys", "list"], {"ringfence.cli.governance.keys"}),
        (["version"], set()),
        (["--version"], set()),
    ],
)
def test_a_command_starts_without_the_others(arguments, loaded):
    command = [sys.executable, "-c", LOADED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = set(done.stdout.split())
    assert found - {"numba"} == loaded
    assert loaded or not found


def test_what_is_left_out_of_a_start_can_be_loaded_afterwards():
    script = "from ringfence.cli.main import program_for; program_for(['run']); import cffi; print('there')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "there"


@pytest.mark.parametrize("part", [(), ("--messages",)])
def test_followers_start_without_what_they_do_not_use(tmp_path, part):
    with open_store(tmp_path):
        pass
    command = [sys.executable, "-X", "importtime", "-m", "ringfence.cli", "follow", "--data", str(tmp_path)]
    with subprocess.Popen([*command, *part], stderr=subprocess.PIPE, text=True) as follower:
        said = []
        for line in follower.stderr:
            said.append(line)
            if "Following" in line:
                break
        follower.kill()
    assert "Following" in said[-1], "it has started"
    loaded = {line.rpartition("|")[2].strip() for line in said}
    assert "ringfence.compose.messaging.messages" in loaded
    assert loaded & {"pandas.core", "scipy._lib", "sqlglot"} == set()  # what is left out is listed, too


def test_the_package_has_nothing_else():
    with pytest.raises(AttributeError, match="nothing"):
        _ = package.nothing


def test_the_version_is_an_option_too(capsys):
    said = []
    for way in ("--version", "version"):
        assert finish(package.app, [way]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert said[0].startswith("ringfence ")


def test_where_memory_ends_that_is_said_with_a_remedy_and_no_traceback(capsys):
    greedy = new_app()
    greedy.command()(lambda: np.empty(2**60, np.uint8))
    assert finish(greedy, []) == 7
    said = capsys.readouterr().err
    assert "there is not enough memory (Unable to allocate 1.00 EiB" in said
    assert "fewer attributes" in said


INTERRUPTED = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            sys.argv[1:] = ["version"]
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from ringfence.cli import main
main()
"""


@pytest.mark.parametrize("module", ["typer", "ringfence.cli.entry", "ringfence.cli.main"])
def test_an_interrupt_while_modules_load_ends_without_a_traceback(module):
    command = [sys.executable, "-c", INTERRUPTED, module]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")
