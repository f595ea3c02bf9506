"""Processes of Ringfence that work side by side; none outlives the block that they are made in."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from typing import IO

STAND_BY = Path(__file__).with_name("stand_by.py")


class StepError(Exception):
    """A step failed; the message says which."""


class Child:
    """Runs one command after the other; what they say goes to its log."""

    def __init__(self, name: str, modules: tuple[str, ...]) -> None:
        self.name = name
        self.log = Path(f"{name}.log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 (our own program)
                [sys.executable, str(STAND_BY), *modules],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,  # nothing read ahead: `select` has to see what waits
                start_new_session=True,  # Ctrl-C is for the parent, which then ends them in order
            )
        self._waiting: list[str] = ["its start"]

    def begin(self, *words: str) -> None:
        """Have a command run once those before it have ended."""
        self._waiting.append(f"ringfence {words[0]}")
        _open(self.process.stdin).write(json.dumps(words).encode() + b"\n")

    def ended(self, seconds: float | None = 0.0) -> bool:
        """Whether all commands have ended, or do within so long (None: wait). `StepError` if one failed."""
        while self._waiting:
            answers = _open(self.process.stdout)
            if not select.select([answers], [], [], seconds)[0]:
                return False
            if answers.readline() != b"0\n":
                raise StepError(f"{self._waiting[0]} failed")
            del self._waiting[0]
        return True

    def run(self, *words: str) -> str:
        """Have a command run to its end; what it said."""
        self.ended(None)
        before = self.log.stat().st_size
        self.begin(*words)
        self.ended(None)
        return self.log.read_bytes()[before:].decode()


class Children:
    """Makes them, and ends them in the order opposite to that in which they were made."""

    def __init__(self) -> None:
        self._all: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def make(self, name: str, *modules: str) -> Child:
        """One that has imported these modules when its turn comes."""
        child = Child(name, modules)
        self._all.append(child)
        return child

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave some of them behind
        for child in reversed(self._all):
            _open(child.process.stdin).close()  # what ends in order looks for its next command
            child.process.terminate()
        for child in reversed(self._all):
            try:
                child.process.wait(15)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            _open(child.process.stdout).close()


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
