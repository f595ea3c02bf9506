"""A server's log: nobody who decides waits for whoever reads it."""

import io
import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from ringfence.cli.terminal.log_stream import Unhurried

RINGFENCE = str(Path(sys.executable).with_name("ringfence"))


class Stuck(io.StringIO):
    """A stream that takes nothing until it may."""

    def __init__(self):
        super().__init__()
        self.may = threading.Event()

    def write(self, text):
        self.may.wait(60)
        return super().write(text)


def test_what_finds_no_room_is_dropped_and_counted_and_the_rest_keeps_its_order():
    stuck = Stuck()
    stream = Unhurried(stuck)
    stream.write("first\n")
    while stream._waiting:  # until the thread holds it, and waits
        pass
    for number in range(5_000):
        stream.write(f"{number:04} " + "x" * 1_000 + "\n")
    stream.buffer.write(b"bytes\n")
    stuck.may.set()
    stream.end()
    lines = stuck.getvalue().splitlines()
    kept = [int(line[:4]) for line in lines if line.endswith("x")]
    dropped = int(re.search(r"([0-9,]+) entries are missing", stuck.getvalue())[1].replace(",", ""))
    assert kept == list(range(len(kept)))
    assert len(kept) + dropped in (5_000, 5_001)  # with the bytes, or the bytes found room
    assert 3_000 < len(kept) < 5_000


@pytest.mark.slow  # starts a server
def test_a_server_decides_while_nobody_reads_its_log(tmp_path):
    command = [RINGFENCE, "serve", "--data", str(tmp_path / "data"), "--port", "0"]
    environment = os.environ | {"RINGFENCE_SERVE_ACCESS_LOG": "true", "RINGFENCE_SERVE_FOLLOW": "false"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        url = next(found[0] for line in server.stderr if (found := re.search(r"http://[0-9.:]+[0-9]", line)))
        answers = []
        for number in range(800):  # some 90 KB of log: more than a pipe holds
            request = urllib.request.Request(f"{url}/v1/decisions/none-{number}")
            try:
                urllib.request.urlopen(request, timeout=30)
            except urllib.error.HTTPError as error:
                answers.append(error.code)
        assert answers == [404] * 800
        server.terminate()
        said = server.stderr.read()
        assert server.wait(60) == 0
    kept = [json.loads(line) for line in said.splitlines() if line.startswith('{"time_ms"')]
    assert len(kept) == 800
