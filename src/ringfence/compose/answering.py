"""What a process of `compose.worker_process` does: it takes messages from its input and answers each.

It ends when its input is closed, whatever it is at: nobody would hear the answer.
"""

from __future__ import annotations

import math
import os
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import IO, TYPE_CHECKING, Final

from ringfence.compose.worker_process import MOST_MESSAGE, received, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NICE: Final = 10  # deciding comes first, also where there are few cores
_FIRST_TO_GO: Final = "900"  # of at most 1,000, where the system's memory runs out


class Correspondence:
    """Those that come, and the answers that go back."""

    def __init__(self, answers: IO[bytes]) -> None:
        self._answers = answers
        self._queue: SimpleQueue[bytes] = SimpleQueue()
        Thread(target=self._hear, daemon=True).start()

    def take(self) -> bytes:
        """The next one."""
        return self._queue.get()

    def answer_all(self, act: Callable[[bytes], bytes], seconds: float) -> None:
        """Say that this process is ready, and answer until it ends; each within `seconds`."""
        os.nice(_NICE)
        send(self._answers, b"ready")
        while True:
            message = self._queue.get()
            _bound(seconds)
            send(self._answers, act(message))

    def _hear(self) -> None:
        """Take messages in until there are no more: then this process ends."""
        try:
            with open(os.dup(0), "rb") as asking:  # noqa: PTH123 (no path)
                while (message := received(asking, MOST_MESSAGE)) is not None:
                    self._queue.put(message)
        finally:
            os._exit(0)


@contextmanager
def messages() -> Iterator[Correspondence]:
    """Those of the process that started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the other one ends this
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what anything prints here is for the server's log
        with suppress(OSError):  # Linux alone has it
            Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, "ascii")
        yield Correspondence(answers)


def _bound(seconds: float) -> None:
    """Have the system end this process should it work longer than all cores can in that time."""
    try:
        import resource  # noqa: PLC0415 (not on Windows)
    except ImportError:
        return
    most = math.ceil(time.process_time() + seconds * (os.cpu_count() or 1)) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(
        resource.RLIMIT_CPU, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard)
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
