"""A standalone cluster of this machine: one JobManager, and TaskManagers of one slot each.

One slot, because a TaskManager that runs Python in its own process has one interpreter.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import yaml

from ringfence.adapters.flink.rest import JobManager, innermost
from ringfence.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ringfence.adapters.flink.parts import FlinkParts

Process: TypeAlias = "subprocess.Popen[bytes]"
_PATIENCE: Final = 120.0  # seconds for a JVM to come up on a busy machine
_LEAVE: Final = 15.0
_PAUSE: Final = 0.2
_TAIL: Final = 3000
_HOST: Final = "127.0.0.1"
_JARS: Final = "lib"


class LocalCluster:
    """Started by `start`, ended by `close`. Everything that it writes is in one folder."""

    def __init__(self, parts: FlinkParts, folder: Path, workers: int) -> None:
        """With so many TaskManagers."""
        self.parts = parts
        self.folder = folder
        self.workers: list[Process] = []
        self._planned = workers
        self.manager: Process | None = None
        self._rest = JobManager(f"{_HOST}:{_free_port()}")
        self._number = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def jobs(self) -> JobManager:
        """The JobManager, to be asked."""
        return self._rest

    def start(self) -> None:
        """Bring up the JobManager and its TaskManagers; `StoreError` with what they said where one ends."""
        conf = self.folder / "conf"
        for name in ("conf", "log", "pid", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._lay_out_jars()
        given = self.parts.home / "conf"
        for file in given.glob("*.properties"):
            shutil.copy(file, conf)
        defaults = yaml.safe_load((given / "config.yaml").read_text())
        settings = {
            "env.java.opts.all": _nested(defaults, "env", "java", "opts", "all") or "",
            **self.settings(),
        }
        (conf / "config.yaml").write_text(yaml.safe_dump(settings))
        try:
            self.manager = self._launch("jobmanager")
            self._await(lambda: self._rest.slots() >= 0, "the JobManager does not come up")
            for _ in range(self._planned):
                self.add_worker()
            self._await(lambda: self._rest.slots() >= self._planned, "the TaskManagers do not come up")
        except BaseException:
            self.close()
            raise

    def add_worker(self) -> None:
        """Start one more TaskManager; it comes when it is up."""
        self.workers.append(self._launch("taskmanager", self.settings_of_worker()))

    def settings(self) -> dict[str, Any]:
        """Flink's, of all processes."""
        return {
            "jobmanager.rpc.address": _HOST,
            "jobmanager.rpc.port": _free_port(),
            "jobmanager.bind-host": _HOST,
            "jobmanager.memory.process.size": "1024m",
            "rest.address": _HOST,
            "rest.bind-address": _HOST,
            "rest.port": int(self._rest.address.rpartition(":")[2]),
            "taskmanager.host": _HOST,
            "taskmanager.bind-host": _HOST,
            "taskmanager.numberOfTaskSlots": 1,
            "taskmanager.memory.process.size": "1600m",
            "taskmanager.memory.managed.size": "64m",
            # A full buffer holds the stage before it up. With 32 KB, a second's worth of batches queued.
            "taskmanager.memory.segment-size": "4kb",
            "classloader.parent-first-patterns.additional": "pemja",  # see `_lay_out_jars`
            "heartbeat.interval": 2000,
            "heartbeat.timeout": 8000,  # a TaskManager that is gone is missed after that
            "io.tmp.dirs": str(self.folder / "tmp"),
        }

    def settings_of_worker(self) -> dict[str, Any]:
        """Those of the next TaskManager alone."""
        return {}

    def tend(self) -> list[str]:
        """Replace TaskManagers that have ended; what was lost. `StoreError` where the JobManager is gone."""
        if self.manager is None or self.manager.poll() is not None:
            raise StoreError(f"Flink's JobManager has ended. Start again: the job goes on.\n{self.said()}")
        lost = [process for process in self.workers if process.poll() is not None]
        for process in lost:
            self.workers.remove(process)
            self.add_worker()
        return [
            f"TaskManager {one.pid} ended ({one.returncode}); another one takes its place" for one in lost
        ]

    def submit(self, script: Path, arguments: list[str], savepoint: str | None = None) -> str:
        """Run a job's script; returns the job's id. `StoreError` with what the client said."""
        known = set(self._rest.jobs())
        command = [
            str(self.parts.home / "bin" / "flink"),
            "run",
            "--detached",
            *(["--fromSavepoint", savepoint] if savepoint else []),
            *("--jobmanager", self._rest.address),
            *("--parallelism", str(self._planned)),
            *("--jarfile", str(self.parts.jar)),
            *("--pyExecutable", str(self.parts.python)),
            *("--pyClientExecutable", str(self.parts.python)),
            *("--python", str(script)),
            *arguments,
        ]
        code, said = self._client(command)
        fresh = set(self._rest.jobs()) - known
        if code or not fresh:
            raise StoreError(f"Flink did not take the job: {innermost(said)}\n{said.strip()[-_TAIL:]}")
        return fresh.pop()

    def said(self) -> str:
        """The end of what the processes wrote, the newest file last."""
        files = sorted((self.folder / "log").glob("*.txt"), key=lambda path: path.stat().st_mtime)
        return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-_TAIL:]}" for path in files)

    def close(self) -> None:
        """End all processes, at once where somebody is too impatient to wait. Closing twice is allowed."""
        running = [*self.workers, *filter(None, [self.manager])]
        self.workers, self.manager = [], None
        try:
            for process in running:
                _signal(process, signal.SIGTERM)
            end = time.monotonic() + _LEAVE
            for process in running:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(end - time.monotonic(), 0.1))
        finally:
            for process in running:
                _signal(process, signal.SIGKILL)
                process.wait()
            self._rest.close()

    def _lay_out_jars(self) -> None:
        """Flink's, and that of its Python API, which would else come with the job.

        Java loads Python's library once in a process. A TaskManager that was cut off from its JobManager
        loads a job's own jars again.
        """
        shutil.rmtree(self.folder / _JARS, ignore_errors=True)
        (self.folder / _JARS).mkdir()
        for jar in (*self.parts.home.glob("lib/*.jar"), *self.parts.home.glob("opt/flink-python*.jar")):
            (self.folder / _JARS / jar.name).symlink_to(jar)

    def _client(self, command: list[str]) -> tuple[int, str]:
        """Run Flink's client to its end; its exit code, and what it said."""
        with subprocess.Popen(  # noqa: S603 (a list)
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment(),
            text=True,
            start_new_session=True,
        ) as client:
            try:
                said, _ = client.communicate()
            except BaseException:
                _signal(client, signal.SIGKILL)  # and the Python process that it began
                raise
        return client.returncode, said

    def _launch(self, what: str, settings: Mapping[str, Any] = MappingProxyType({})) -> Process:
        self._number += 1
        own = [f"-D{name}={value}" for name, value in settings.items()]
        command = [str(self.parts.home / "bin" / f"{what}.sh"), "start-foreground", *own]
        with (self.folder / "log" / f"{self._number}-{what}.txt").open("wb") as log:
            return subprocess.Popen(  # noqa: S603 (a list)
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment() | {"FLINK_LIB_DIR": str(self.folder / _JARS)},
                start_new_session=True,  # Ctrl-C is for who started the cluster: a savepoint comes first
            )

    def _environment(self) -> dict[str, str]:
        """Workers import Ringfence from where it is, which keeps its machine code."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FLINK_")}
        return kept | {
            "FLINK_HOME": str(self.parts.home),
            "FLINK_CONF_DIR": str(self.folder / "conf"),
            "FLINK_LOG_DIR": str(self.folder / "log"),
            "FLINK_PID_DIR": str(self.folder / "pid"),
            "PATH": f"{self.parts.python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONPATH": f"{self.parts.source}{os.pathsep}{self.parts.folder}",
            "_python_worker_execution_mode": "process",  # workers are no part of the client that submits
            "NUMBA_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }

    def _await(self, is_so: Any, otherwise: str) -> None:
        end = time.monotonic() + _PATIENCE
        while True:
            with suppress(StoreError):
                if is_so():
                    return
            ended = [
                one for one in (self.manager, *self.workers) if one is not None and one.poll() is not None
            ]
            if ended or time.monotonic() > end:
                raise StoreError(f"{otherwise}. It said:\n{self.said()}")
            time.sleep(_PAUSE)


def _signal(process: subprocess.Popen[bytes] | subprocess.Popen[str], number: int) -> None:
    """To a process that leads a session of its own, and to all that it began there."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _nested(settings: Any, *names: str) -> Any:
    for name in names:
        settings = settings.get(name) if isinstance(settings, dict) else None
    return settings


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((_HOST, 0))
        return int(found.getsockname()[1])
