"""`run` alone is the same command as among all others, and starts without them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import ringfence.cli as package
from ringfence.cli.entry import program_for
from ringfence.cli.program import finish, new_app

LOADED = """
import sys
from ringfence.cli.entry import program_for
program_for(["run"])
asked = ("ringfence.cli.deciding.run", "ringfence.cli.policy.backtest", "pandas", "scipy")
print(*(name in sys.modules for name in asked))
"""


def test_run_alone_says_the_same_of_itself(capsys):
    assert finish(program_for(["run"]), ["run", "--help"]) == 0
    alone = capsys.readouterr().out
    assert finish(package.app, ["run", "--help"]) == 0
    assert alone == capsys.readouterr().out


def test_every_other_command_is_among_all():
    for arguments in ([], ["version"], ["--version"], ["--help"], ["no such command"]):
        assert program_for(arguments) is package.app


def test_run_starts_without_the_others():
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False", "False", "False"]


def test_what_is_left_out_of_a_start_can_be_loaded_afterwards():
    script = "from ringfence.cli.entry import program_for; program_for(['run']); import cffi; print('there')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "there"


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
