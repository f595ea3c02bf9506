"""A server in a process of its own, as it is run in production."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

RINGFENCE = str(Path(sys.executable).with_name("ringfence"))
ALONE = {"RINGFENCE_SERVE_FOLLOW": "false"}
"""For tests of what the deciding process does: half of what a server costs to start are its followers."""


class Process:
    """`ringfence serve` on a folder, with further settings of the environment."""

    def __init__(self, folder, *options, preexec=None, log=None, **settings):
        """What it says goes to the file `log`, with its access log, where that is given."""
        command = [RINGFENCE, "serve", "--data", str(folder), "--port", "0", *options]
        environment = os.environ | {"RINGFENCE_SERVE_ACCESS_LOG": str(log is not None).lower()} | settings
        self._process = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            preexec_fn=preexec,  # noqa: PLW1509 (no thread yet)
        )
        self.url = self._address()
        self._writer = None
        if log is not None:
            self._writer = threading.Thread(target=self._write, args=(log,))
            self._writer.start()

    def _address(self):
        """Where it serves, as it says; `RuntimeError` with all it said where it ends instead."""
        said = []
        for line in self._process.stderr:
            if found := re.search(r"http://[0-9.:]+[0-9]", line):
                return found[0]
            said.append(line)
        raise RuntimeError(f"the server did not start: {''.join(said)}")

    def _write(self, log):
        with log.open("w") as file:
            for line in self._process.stderr:
                file.write(line)

    @property
    def pid(self):
        """The server's."""
        return self._process.pid

    def end(self, number=signal.SIGTERM):
        """Send a signal and wait; the exit code."""
        self._process.send_signal(number)
        code = self._process.wait(120)
        if self._writer is not None:
            self._writer.join()
        self._process.stderr.close()
        return code
