"""Starts a process beside this one, and again when it ends by itself."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final

from ringfence.errors import RingfenceError
from ringfence.follow.backoff import LONGEST_SECONDS, wait_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

_LOOK_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 10.0
_WELL_SECONDS: Final = 5.0  # after which one that was started is taken to be well


class Beside:
    """One process, from `start` to `stop`.

    The other end of its standard input is held here: it ends where we do, however we end.

    Attributes:
        restarts: how often it has ended by itself.
        problem: why it does not run, empty while it does.
    """

    def __init__(
        self,
        command: Sequence[str],
        name: str,
        look: Callable[[], None],
        now: Callable[[], float],
        random: Random,
        heard: Callable[[str], None] = lambda _problem: None,
        ended: Callable[[str], None] = lambda _problem: None,
    ) -> None:
        """`look` is called about once a second; `now` is in seconds.

        `heard` is told of a problem when it is new, `ended` each time that the process ends by itself.
        """
        self.restarts = 0
        self.problem = ""
        self._command = list(command)
        self._name = name
        self._look = look
        self._now = now
        self._random = random
        self._heard = heard
        self._ended = ended
        self._stopping = Event()
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = Thread(target=self._keep, name="ringfence-beside", daemon=True)

    @property
    def is_running(self) -> bool:
        """Whether there is a process now."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Of the process, if there is one."""
        return self._process.pid if self._process is not None and self.is_running else None

    def start(self) -> None:
        """Start it, on a thread that watches it."""
        self._thread.start()

    def stop(self) -> None:
        """Let it finish what it is at, a few seconds at most; none is left on return."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._thread.ident is not None:
            self._thread.join()

    def _keep(self) -> None:
        failing = 0
        while not self._stopping.is_set():
            begun = self._now()
            problem = self._run()
            if self._stopping.is_set():
                return
            failing = 1 if self._now() - begun > LONGEST_SECONDS else failing + 1
            self.restarts += 1
            if problem != self.problem:
                self._heard(problem)
            self.problem = problem
            with suppress(RingfenceError):  # it cannot be noted: the next end is
                self._ended(problem)
            self._stopping.wait(wait_seconds(failing, self._random))

    def _run(self) -> str:
        """From its start to its end; how it ended."""
        try:
            with self._lock:
                if self._stopping.is_set():
                    return ""
                process = self._process = subprocess.Popen(  # noqa: S603 (our own command)
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
                )
        except OSError as error:
            return f"the {self._name} cannot be started ({error.strerror}); it is tried again"
        begun = self._now()
        while True:
            try:
                code = process.wait(_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                with suppress(RingfenceError):  # the log is busy: the next look tells as much
                    self._look()
                if self._now() - begun > _WELL_SECONDS:
                    self.problem = ""
                continue
            assert process.stdin is not None
            process.stdin.close()
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            return f"the {self._name} has ended {how}; it is started again"
