"""An emulator of AWS as a program beside the tests, which can stop and start again with what it held."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

REGION = "eu-central-1"
PROGRAM = Path(__file__).parents[1] / "emulator" / ".venv" / "bin" / "ministack"


class Emulator:
    """ministack on a port of its own, with its state in a folder."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a client of AWS is told, with credentials that open nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self) -> None:
        """Start, with what was there when it was stopped."""
        told = {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": REGION,
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.folder / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.folder / "s3"),
            "TMPDIR": str(self.folder),
            "LOG_LEVEL": "WARNING",
        }
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "emulator.log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM], env=os.environ | told, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/_ministack/health"):
                return
            assert self._process.poll() is None, (self.folder / "emulator.log").read_text()[-2000:]
            assert time.monotonic() < end, "the emulator does not answer"
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop: whoever asks it is refused from now on."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
